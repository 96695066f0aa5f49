use super::judgement::Plan;
use super::snapshot::{Held, Pointer};
use super::*;
use crate::domain::model::{Image, Listing, Look, Mark, Surroundings};
use crate::domain::namespaces::Namespace;
use crate::domain::references::Doubt;
use crate::domain::world::{World, outage, repository, there};
use crate::ports::{Everything, RuleError};

const DAY: i64 = 86_400_000;
const NOW: Timestamp = Timestamp::from_millis(1000 * DAY);

type Claim = fn() -> Result<Option<bytes::Bytes>, crate::ports::StoreError>;

type Condition = fn(&Image, &Surroundings) -> Result<bool, RuleError>;

/// A rule that is a function.
struct Says(&'static str, Condition);

impl RetentionRule for Says {
    fn text(&self) -> &str {
        self.0
    }

    fn judge(&self, images: &[Image], around: &Surroundings) -> Vec<Result<bool, RuleError>> {
        images.iter().map(|image| self.1(image, around)).collect()
    }
}

fn rule(text: &'static str, condition: Condition) -> Arc<dyn RetentionRule> {
    Arc::new(Says(text, condition))
}

/// Keeps the tag `latest`.
fn latest() -> Vec<Arc<dyn RetentionRule>> {
    vec![rule("latest", |image, _| {
        Ok(image
            .tag
            .as_ref()
            .is_some_and(|tag| tag.as_str() == "latest"))
    })]
}

fn digest(n: char) -> Digest {
    let hex: String = std::iter::repeat_n(n, 64).collect();
    format!("sha256:{hex}").parse().unwrap()
}

fn days_ago(days: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() - days * DAY)
}

/// A repository whose manifests are called by a digit, and are thirty days old.
#[derive(Default)]
struct Repository(Snapshot);

impl Repository {
    fn manifest(mut self, name: char, children: &str, subject: Option<char>) -> Self {
        let held = Held {
            children: children.chars().map(digest).collect(),
            subject: subject.map(digest),
            pushed_at: Some(days_ago(30)),
        };
        self.0.manifests.insert(digest(name), held);
        self
    }

    fn pushed(mut self, name: char, at: Option<Timestamp>) -> Self {
        self.0.manifests.get_mut(&digest(name)).unwrap().pushed_at = at;
        self
    }

    fn tag(mut self, tag: &str, name: char, days: i64) -> Self {
        let pointer = Pointer {
            digest: digest(name),
            pushed_at: Some(days_ago(days)),
        };
        self.0.tags.insert(tag.parse().unwrap(), pointer);
        self
    }

    fn image(self, tag: &str, name: char) -> Self {
        self.manifest(name, "", None).tag(tag, name, 30)
    }

    async fn decide(&self, rules: &[Arc<dyn RetentionRule>]) -> Result<Plan, Doubt> {
        let mut world = World::new();
        world.clock.expect_sleep().returning(|_| ());
        retention(world, Vec::new())
            .decide(&self.0, rules, NOW)
            .await
    }

    async fn plan(&self, rules: &[Arc<dyn RetentionRule>]) -> Plan {
        self.decide(rules).await.unwrap()
    }
}

fn retention(world: World, rules: Vec<Arc<dyn RetentionRule>>) -> Retention {
    let namespace = Namespace {
        retention_rules: rules,
        ..Namespace::default()
    };
    let namespaces = Arc::new(Namespaces::new([("*".to_owned(), namespace)]));
    let ports = world.into_ports();
    let settings = RetentionSettings {
        max_deleted_percent: 50,
        grace_period: Duration::from_hours(24),
    };
    Retention::new(
        &ports.storage,
        &ports.locks,
        &ports.clock,
        namespaces,
        settings,
    )
}

/// The tags and manifests that go, by their names.
fn going(plan: &Plan) -> String {
    let name = |digest: &Digest| digest.hex()[..1].to_owned();
    let manifests = plan.manifests.iter().map(|(digest, tags)| {
        let tags: Vec<_> = tags
            .iter()
            .map(|tag| tag.as_str()[..2.min(tag.as_str().len())].to_owned())
            .collect();
        format!("{}[{}]", name(digest), tags.join(" "))
    });
    let tags = plan.tags.keys().map(ToString::to_string);
    manifests.chain(tags).collect::<Vec<_>>().join(" ")
}

fn why<'p>(plan: &'p Plan, tag: &str) -> &'p str {
    let image = plan
        .images
        .iter()
        .find(|it| it.tag.as_ref().is_some_and(|it| it.as_str() == tag));
    &image.unwrap().why
}

#[tokio::test]
async fn an_image_goes_that_no_rule_keeps_with_all_its_tags() {
    let repository = Repository::default()
        .image("latest", '1')
        .image("v1", '2')
        .tag("v1.0", '2', 30)
        .tag("old", '1', 30);

    let plan = repository.plan(&latest()).await;

    assert_eq!(going(&plan), "2[v1 v1] old");
    assert_eq!(why(&plan, "latest"), "rule 0: latest");
    assert_eq!(why(&plan, "v1"), "no rule keeps it");
}

#[tokio::test]
async fn children_and_referrers_of_a_kept_image_stay_and_are_not_judged() {
    let repository = Repository::default()
        .manifest('1', "23", None)
        .tag("latest", '1', 30)
        .manifest('2', "", None)
        .manifest('3', "", None)
        .manifest('4', "", Some('2'))
        .manifest('5', "", Some('4'));

    let plan = repository.plan(&latest()).await;

    assert_eq!(going(&plan), "");
    assert_eq!(plan.images.len(), 1);
}

/// They are let go by the collector, so that the index can be restored whole.
#[tokio::test]
async fn children_and_referrers_of_an_image_that_goes_are_left_to_the_collector() {
    let repository = Repository::default()
        .image("latest", '9')
        .manifest('1', "23", None)
        .tag("v1", '1', 30)
        .manifest('2', "", None)
        .manifest('3', "", None)
        .tag("latest-arm", '3', 30)
        .manifest('4', "", Some('1'));
    let keeps_arm = rule("arm", |image, _| {
        Ok(image
            .tag
            .as_ref()
            .is_some_and(|tag| tag.as_str().starts_with("latest")))
    });

    let plan = repository.plan(&[keeps_arm]).await;

    assert_eq!(going(&plan), "1[v1]");
}

#[tokio::test]
async fn a_tag_of_a_child_goes_alone() {
    let repository = Repository::default()
        .manifest('1', "2", None)
        .tag("latest", '1', 30)
        .image("v1-amd64", '2');

    assert_eq!(going(&repository.plan(&latest()).await), "v1-amd64");
}

#[tokio::test]
async fn signatures_in_tags_follow_what_they_sign() {
    let signature = |name, suffix| {
        let hex: String = std::iter::repeat_n(name, 64).collect();
        format!("sha256-{hex}{suffix}")
    };
    let repository = Repository::default()
        .manifest('1', "2", None)
        .tag("latest", '1', 30)
        .manifest('2', "", None)
        .image("v1", '3')
        .image(&signature('1', ".sig"), 'a')
        .image(&signature('2', ".att"), 'b')
        .image(&signature('3', ".sbom"), 'c')
        .image(&signature('c', ".sig"), 'd')
        .manifest('e', "", None)
        .tag(&signature('3', ""), 'e', 30)
        .image(&signature('7', ".sig"), 'f');

    let plan = repository.plan(&latest()).await;

    assert_eq!(going(&plan), "3[v1] c[sh] d[sh] e[sh] f[sh]");
    assert_eq!(
        why(&plan, &signature('2', ".att")),
        format!("it belongs to {}", digest('2'))
    );
    assert_eq!(
        why(&plan, &signature('7', ".sig")),
        "no rule keeps it",
        "it signs nothing here"
    );
}

#[tokio::test]
async fn signatures_take_no_place_among_the_last_tags() {
    let hex: String = std::iter::repeat_n('1', 64).collect();
    let repository = Repository::default()
        .manifest('1', "", None)
        .tag("v1", '1', 3)
        .manifest('2', "", None)
        .tag("v2", '2', 2)
        .manifest('a', "", None)
        .tag(&format!("sha256-{hex}.sig"), 'a', 1);
    let top_two = rule("top 2", |image, around| {
        assert_eq!(around.last_pushed.len(), 2);
        assert!(around.last_pulled.is_empty(), "nothing was ever pulled");
        let mut first = around.last_pushed.iter().take(2);
        Ok(first.any(|tag| Some(tag) == image.tag.as_ref()))
    });

    assert_eq!(going(&repository.plan(&[top_two]).await), "");
}

#[tokio::test]
async fn the_lists_are_in_the_order_of_their_times() {
    let mut repository = Repository::default();
    for (tag, name, days) in [("a", '1', 3), ("b", '2', 1), ("c", '3', 2), ("d", '4', 2)] {
        repository = repository.manifest(name, "", None).tag(tag, name, days);
    }
    repository.0.pulls.insert(digest('1'), days_ago(5));
    repository.0.pulls.insert(digest('3'), days_ago(4));
    let looks = rule("looks", |image, around| {
        let names = |tags: &[Tag]| tags.iter().map(Tag::as_str).collect::<String>();
        assert_eq!(names(&around.last_pushed), "bcda");
        assert_eq!(names(&around.last_pulled), "ca");
        Ok(image.last_pulled_at.is_some())
    });

    assert_eq!(going(&repository.plan(&[looks]).await), "2[b] 4[d]");
}

#[tokio::test]
async fn a_manifest_without_a_tag_is_judged_once_it_is_old_enough_and_belongs_to_nothing() {
    let repository = Repository::default()
        .image("latest", '1')
        .manifest('2', "", None)
        .manifest('3', "", None)
        .pushed('3', Some(Timestamp::from_millis(NOW.as_millis() - DAY + 1)))
        .manifest('4', "", Some('7'));

    let plan = repository.plan(&latest()).await;

    assert_eq!(going(&plan), "2[] 4[]", "the subject of 4 is not here");
    let young = plan
        .images
        .iter()
        .find(|it| it.digest == digest('3'))
        .unwrap();
    assert_eq!(young.why, "it was pushed less than 86400 s ago");
}

#[tokio::test]
async fn what_a_push_under_way_holds_stays() {
    let repository = Repository::default()
        .image("latest", '1')
        .manifest('2', "3", None)
        .pushed('2', None)
        .manifest('3', "", None)
        .tag("v1", '2', 30);

    let plan = repository.plan(&latest()).await;

    assert_eq!(going(&plan), "");
    assert_eq!(plan.images.len(), 1, "what is not there yet is not judged");
}

#[tokio::test]
async fn what_the_collector_is_letting_go_is_not_judged() {
    let mut repository = Repository::default()
        .image("latest", '1')
        .manifest('2', "", None);
    repository.0.leaving.insert(digest('2'));

    assert_eq!(going(&repository.plan(&latest()).await), "");
}

#[tokio::test]
async fn a_rule_without_an_answer_keeps_and_is_told_of_once() {
    let repository = Repository::default()
        .image("v1", '1')
        .image("v2", '2')
        .image("v3", '3');
    let fails = rule("fails", |_, _| Err(RuleError::NotBoolean("int".to_owned())));
    let two = rule("two", |image, _| {
        Ok(image.tag.as_ref().unwrap().as_str() == "v2")
    });

    let plan = repository.plan(&[fails, two]).await;

    assert_eq!(going(&plan), "");
    assert_eq!(why(&plan, "v2"), "rule 1: two");
    assert!(why(&plan, "v1").starts_with("rule 0 has no answer: "));
    assert_eq!(
        plan.problems,
        [
            "rule 0 has no answer for 3 images, the first is v1, so they are kept: its value is neither true nor false, but of type int"
        ]
    );
}

/// Clocks that jump: what is unknown or later than now is now, never 1970.
#[tokio::test]
async fn unknown_and_future_times_are_never_old() {
    let mut repository = Repository::default()
        .image("unknown", '1')
        .manifest('2', "", None)
        .tag("future", '2', -400)
        .image("old", '3');
    repository
        .0
        .tags
        .get_mut(&"unknown".parse().unwrap())
        .unwrap()
        .pushed_at = None;
    let young = rule("young", |image, around| {
        assert!(image.pushed_at <= around.now);
        Ok(around.now.since(image.pushed_at) < Duration::from_hours(24))
    });

    let plan = repository.plan(&[young]).await;

    assert_eq!(going(&plan), "3[ol]");
    assert_eq!(
        plan.problems,
        ["1 tags were pushed in the future, by the store's clock; they count as pushed now"]
    );
}

#[tokio::test]
async fn a_circle_is_a_doubt() {
    let hex: String = std::iter::repeat_n('2', 64).collect();
    let by_tag = Repository::default()
        .manifest('1', "2", None)
        .tag(&format!("sha256-{hex}"), '1', 30)
        .manifest('2', "", None);
    let by_children = Repository::default()
        .manifest('1', "2", None)
        .manifest('2', "3", None)
        .manifest('3', "1", None)
        .image("v1", '4');

    for repository in [by_tag, by_children] {
        let doubt = repository.decide(&latest()).await.err().unwrap();
        assert!(doubt.to_string().contains("in a circle"), "{doubt}");
    }
}

#[tokio::test]
async fn an_image_under_its_own_digest_is_an_image() {
    let hex: String = std::iter::repeat_n('1', 64).collect();
    let repository = Repository::default().image(&format!("sha256-{hex}"), '1');

    assert_eq!(going(&repository.plan(&latest()).await), "1[sh]");
}

/// A world with one repository, of which nothing is known yet.
fn world(store: Timestamp) -> World {
    let mut world = World::default();
    world.clock.expect_now().return_const(NOW);
    world.clock.expect_sleep().returning(|_| ());
    world.marks.expect_now().returning(move || Ok(store));
    world.repositories.expect_everything().returning(|| {
        Ok(Everything {
            repositories: vec![repository()],
            strange: Vec::new(),
        })
    });
    world.locks.expect_try_acquire().returning(|key| {
        assert_eq!(*key, LockKey::Retention);
        Ok(Some(crate::ports::LockGuard::new(())))
    });
    world
}

fn listing<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, more: false }
}

async fn run(world: World) -> Run {
    let retention = retention(world, latest());
    retention.run(Mode::Force, &|| true).await.unwrap().unwrap()
}

#[tokio::test]
async fn nothing_is_deleted_while_two_clocks_disagree() {
    let mut world = world(days_ago(-3));
    world
        .tags
        .expect_list()
        .returning(|_, _| Ok(listing(Vec::new())));
    world
        .manifests
        .expect_list()
        .returning(|_, _| Ok(listing(vec![digest('1')])));
    world.manifests.expect_claim().returning(|_, _| Ok(None));
    world.manifests.expect_look().returning(|_, _| {
        Ok(Look {
            mark: Mark::None,
            thing: None,
        })
    });
    world
        .deletions
        .expect_list()
        .returning(|_, _| Ok(Vec::new()));
    world
        .pulls
        .expect_list()
        .returning(|_| Ok(std::collections::HashMap::new()));

    let run = run(world).await;

    let why = run.held_back.unwrap();
    assert!(why.contains("259200 s apart"), "{why}");
}

#[tokio::test]
async fn a_repository_in_doubt_is_left_alone_and_told_of() {
    let unreadable: [(&str, Claim); 3] = [
        ("lost its content", || Ok(None)),
        ("lost its content", || Ok(Some("{}".into()))),
        ("down", || Err(outage())),
    ];
    for (message, claim) in unreadable {
        let mut world = world(NOW);
        world
            .tags
            .expect_list()
            .returning(|_, _| Ok(listing(Vec::new())));
        world
            .manifests
            .expect_list()
            .returning(|_, _| Ok(listing(vec![digest('1')])));
        world
            .manifests
            .expect_claim()
            .returning(move |_, _| claim());
        world.manifests.expect_look().returning(|_, _| Ok(there(1)));

        let run = run(world).await;

        let outcome = &run.repositories[0];
        let why = outcome.held_back.as_ref().unwrap();
        assert!(why.contains(message), "{why}");
        assert!(outcome.images.is_empty());
    }
}

#[tokio::test]
async fn a_listing_that_fails_is_a_doubt() {
    let mut world = world(NOW);
    world.tags.expect_list().returning(|_, _| Err(outage()));

    assert!(run(world).await.repositories[0].held_back.is_some());
}

#[tokio::test]
async fn who_is_second_does_nothing() {
    let mut world = World::default();
    world.locks.expect_try_acquire().returning(|_| Ok(None));

    let run = retention(world, latest())
        .run(Mode::Apply, &|| true)
        .await
        .unwrap();

    assert_eq!(run, None);
}

#[tokio::test]
async fn a_registry_without_rules_is_not_even_read() {
    let mut world = World::default();
    world.repositories.expect_everything().returning(|| {
        Ok(Everything {
            repositories: vec![repository()],
            strange: Vec::new(),
        })
    });

    let run = retention(world, Vec::new())
        .run(Mode::Plan, &|| true)
        .await
        .unwrap();

    assert_eq!(run, Some(Run::default()));
}

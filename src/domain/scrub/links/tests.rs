//! What a real store does not show: what changes between two looks, and what is not called. The rest is in
//! `tests/suite/contracts/scrub.rs`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;

use super::Links;
use crate::domain::error::RegistryError;
use crate::domain::model::{
    Algorithm, Digest, Hasher, Link, Role, Says, Sight, Surveyed, Tag, Timestamp,
};
use crate::domain::namespaces::Namespaces;
use crate::domain::scrub::{Audience, Fate, Finding};
use crate::domain::world::{World, absent, outage, repository, there};

const DAY: Duration = Duration::from_hours(24);

#[derive(Default)]
struct Ear(Vec<Finding>);

impl Audience for Ear {
    fn found(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    fn seen(&mut self, _: u64) {}

    fn goes_on(&self) -> bool {
        true
    }
}

fn blob() -> Digest {
    Hasher::digest_of(Algorithm::Sha256, b"blob")
}

fn tag() -> Tag {
    "latest".parse().unwrap()
}

/// A world with one file, which is as old as this; it is a day after the epoch.
fn world(role: &Role, age: Duration) -> World {
    let mut world = World::new();
    let now = Timestamp::from_millis(0).after(DAY);
    world.marks.expect_now().returning(move || Ok(now));
    let file = Surveyed {
        path: "a/file".to_owned(),
        role: role.clone(),
        sight: Sight {
            size: 0,
            modified: now.before(age),
        },
    };
    let everything =
        move || -> crate::ports::Surveying { Box::pin(stream::iter([Ok(vec![file.clone()])])) };
    world.survey.expect_everything().returning(everything);
    world.durability.expect_persist().returning(|| Ok(()));
    world
}

async fn run(
    world: World,
) -> (
    Result<Vec<(&'static str, Fate)>, RegistryError>,
    Vec<String>,
) {
    let journal = world.journal.clone();
    let ports = world.into_ports();
    let namespaces = Namespaces::default();
    let links = Links::new(
        &ports.storage,
        &ports.locks,
        &ports.clock,
        namespaces,
        DAY / 2,
    );
    let mut ear = Ear::default();
    let done = links.run(&mut ear).await;
    let found = ear.0.into_iter().map(|it| (it.kind, it.fate)).collect();
    (done.map(|()| found), journal.entries())
}

#[tokio::test]
async fn what_is_set_right_before_the_second_look_is_not_touched() {
    let link = Link::Layer(repository(), blob());
    let mut world = world(&Role::Link(link), DAY);
    let survey = &mut world.survey;
    survey
        .expect_read()
        .times(1)
        .returning(|_| Ok(Some(Says(None))));
    survey
        .expect_read()
        .times(1)
        .returning(|_| Ok(Some(Says(Some(blob())))));
    world.blobs.expect_look().returning(|_| Ok(there(4)));

    let (found, journal) = run(world).await;

    assert_eq!(found.unwrap(), []);
    assert_eq!(journal, ["lock link"]);
}

#[tokio::test]
async fn a_young_link_may_wait_for_its_content() {
    let link = Link::Layer(repository(), blob());
    let mut world = world(&Role::Link(link), DAY / 3);
    let survey = &mut world.survey;
    survey
        .expect_read()
        .returning(|_| Ok(Some(Says(Some(blob())))));
    world.blobs.expect_look().returning(|_| Ok(absent()));

    let (found, journal) = run(world).await;

    assert_eq!(found.unwrap(), []);
    assert_eq!(journal, [""; 0]);
}

#[tokio::test]
async fn an_error_of_the_store_is_never_absence() {
    let link = Link::Layer(repository(), blob());
    let mut world = world(&Role::Link(link), DAY);
    let survey = &mut world.survey;
    survey
        .expect_read()
        .returning(|_| Ok(Some(Says(Some(blob())))));
    world.blobs.expect_look().returning(|_| Err(outage()));

    let (found, _) = run(world).await;

    assert!(matches!(found, Err(RegistryError::Unavailable(_))));
}

#[tokio::test]
async fn distributions_second_name_for_content_is_no_damage() {
    let name = Hasher::digest_of(Algorithm::Sha512, b"blob");
    let link = Link::Layer(repository(), name);
    let mut world = world(&Role::Link(link), DAY);
    let survey = &mut world.survey;
    survey
        .expect_read()
        .returning(|_| Ok(Some(Says(Some(blob())))));

    assert_eq!(run(world).await.0.unwrap(), []);
}

#[tokio::test]
async fn a_tag_that_never_pointed_elsewhere_is_set_under_its_lock() {
    let link = Link::Tag(repository(), tag());
    let mut world = world(&Role::Link(link), Duration::ZERO);
    let survey = &mut world.survey;
    survey.expect_read().returning(|link| match link {
        Link::Tag(..) => Ok(Some(Says(None))),
        _ => Ok(Some(Says(Some(blob())))),
    });
    survey.expect_history().returning(|_, _| Ok(vec![blob()]));
    let journal = world.journal.clone();
    world.tags.expect_set().returning(move |_, tag, digest| {
        assert_eq!(*digest, blob());
        journal.note(format!("set {tag}"));
        Ok(())
    });

    let (found, journal) = run(world).await;

    assert_eq!(found.unwrap(), [("broken-tag", Fate::Mended)]);
    assert_eq!(journal, ["lock tag", "set latest"]);
}

#[tokio::test]
async fn the_history_of_a_tag_that_is_being_set_stays() {
    let link = Link::Past(repository(), tag(), blob());
    let mut world = world(&Role::Link(link), Duration::ZERO);
    let survey = &mut world.survey;
    let mut tagged = [None, Some(Says(Some(blob())))].into_iter();
    survey.expect_read().returning(move |link| match link {
        Link::Tag(..) => Ok(tagged.next().unwrap()),
        _ => Ok(Some(Says(Some(blob())))),
    });
    survey.expect_history().returning(|_, _| Ok(vec![blob()]));

    let (found, journal) = run(world).await;

    assert_eq!(found.unwrap(), []);
    assert_eq!(journal, ["lock tag"]);
}

#[tokio::test]
async fn a_manifest_that_is_pending_is_nobody_s_loss() {
    let link = Link::Revision(repository(), blob());
    let mut world = world(&Role::Link(link), DAY);
    let survey = &mut world.survey;
    survey
        .expect_read()
        .returning(|_| Ok(Some(Says(Some(blob())))));
    world.manifests.expect_claim().returning(|_, _| Ok(None));
    world.manifests.expect_look().returning(|_, _| Ok(absent()));

    assert_eq!(run(world).await.0.unwrap(), []);
}

#[tokio::test]
async fn nothing_is_done_once_it_is_to_stop() {
    struct Stopped;
    impl Audience for Stopped {
        fn found(&mut self, finding: Finding) {
            panic!("{finding:?}");
        }

        fn seen(&mut self, _: u64) {}

        fn goes_on(&self) -> bool {
            false
        }
    }
    let ports = world(&Role::Unknown, DAY).into_ports();
    let locks = Arc::clone(&ports.locks);
    let links = Links::new(
        &ports.storage,
        &locks,
        &ports.clock,
        Namespaces::default(),
        DAY,
    );

    links.run(&mut Stopped).await.unwrap();
}

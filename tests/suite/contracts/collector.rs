//! What the collector does to a store, with a grace period of nothing: one pass marks, the next one removes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use simple_registry::adapters::clock::SystemClock;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::adapters::tasks::RuntimeTasks;
use simple_registry::domain::collector::{Collector, CollectorSettings, Pass};
use simple_registry::domain::manifests::ManifestPush;
use simple_registry::domain::model::{
    Caller, Digest, Mark, MediaType, Reference, RepositoryName, Thing, Timestamp,
};
use simple_registry::domain::registry::Registry;
use simple_registry::ports::{
    Clock, Deletion, LockKey, LockManager, NewManifest, StoragePorts, Tasks,
};

use super::{manifest, repository, sha256, store_blob, tag};
use crate::support::{Setup, manifest as image};

/// Longer than a store that tells time in seconds can be wrong.
const LATER: Duration = Duration::from_millis(3100);

/// A clock that never makes anybody wait.
struct Hurry;

#[async_trait]
impl Clock for Hurry {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn sleep(&self, _: Duration) {}
}

/// A collector over the store, and what it shares with writers.
pub struct Setting {
    pub collector: Collector,
    pub locks: Arc<dyn LockManager>,
    pub registry: Registry,
}

impl Setting {
    pub fn over(ports: &StoragePorts, grace_period: Duration) -> Self {
        let locks: Arc<dyn LockManager> = Arc::new(MemoryLocks::new(Duration::from_secs(5)));
        let clock: Arc<dyn Clock> = Arc::new(Hurry);
        let tasks: Arc<dyn Tasks> = Arc::new(RuntimeTasks);
        let settings = CollectorSettings {
            grace_period,
            rate_limit: None,
        };
        Self {
            collector: Collector::new(ports, &locks, &clock, settings),
            registry: Registry::new(ports, &locks, &clock, &tasks, Setup::default().namespaces()),
            locks,
        }
    }

    pub async fn pass(&mut self) -> Pass {
        self.collector.pass(&|| true).await.unwrap().unwrap()
    }
}

pub(super) fn hasty(ports: &StoragePorts) -> Setting {
    Setting::over(ports, Duration::ZERO)
}

pub(super) async fn push_blob(
    ports: &StoragePorts,
    name: &RepositoryName,
    bytes: &'static [u8],
) -> Digest {
    ports.links.add(name, &sha256(bytes)).await.unwrap();
    store_blob(ports, name, bytes).await
}

/// An image over two blobs, whose manifest may be another one's layer.
pub(super) async fn push_image(
    ports: &StoragePorts,
    name: &RepositoryName,
    config: &'static [u8],
    layer: &'static [u8],
) -> NewManifest {
    push_blob(ports, name, config).await;
    push_blob(ports, name, layer).await;
    let text = image(config, &[layer], &serde_json::json!({}));
    let new = manifest(text.leak());
    ports.manifests.put_pending(name, &new).await.unwrap();
    ports.manifests.settle(name, &new).await.unwrap();
    new
}

pub(super) async fn is_linked(
    ports: &StoragePorts,
    name: &RepositoryName,
    digest: &Digest,
) -> bool {
    ports.links.exists(name, digest).await.unwrap()
}

pub(super) async fn is_stored(ports: &StoragePorts, digest: &Digest) -> bool {
    ports.blobs.look(digest).await.unwrap().thing.is_some()
}

pub async fn what_nothing_references_goes_and_the_rest_stays(ports: &StoragePorts) {
    let (a, b) = (repository("a"), repository("a/b"));
    let gone = push_image(ports, &a, b"{\"n\":1}", b"shared").await;
    let kept = push_image(ports, &b, b"{\"n\":2}", b"shared").await;
    ports.manifests.remove(&a, &gone.digest).await.unwrap();
    let mut setting = hasty(ports);

    let first = setting.pass().await;
    assert_eq!((first.removed, first.doubts.as_slice()), (0, [].as_slice()));
    let mut freed = 0;
    for _ in 0..3 {
        freed += setting.pass().await.freed;
    }

    let config = b"{\"n\":1}";
    assert_eq!(freed, (config.len() + gone.bytes.len()) as u64);
    for digest in [sha256(config), gone.digest.clone()] {
        assert!(!is_stored(ports, &digest).await);
        assert!(!is_linked(ports, &a, &digest).await);
    }
    assert!(!is_linked(ports, &a, &sha256(b"shared")).await);
    for digest in [sha256(b"{\"n\":2}"), sha256(b"shared")] {
        assert!(is_stored(ports, &digest).await);
        assert!(is_linked(ports, &b, &digest).await);
    }
    assert!(
        ports
            .manifests
            .get(&b, &kept.digest)
            .await
            .unwrap()
            .is_some()
    );
    let quiet = setting.pass().await;
    assert_eq!((quiet.marked, quiet.removed), (0, 0));
}

pub async fn what_is_fresh_stays(ports: &StoragePorts) {
    let name = repository("a");
    let digest = push_blob(ports, &name, b"an upload whose manifest is to come").await;
    let mut setting = Setting::over(ports, Duration::from_hours(1));

    for _ in 0..3 {
        assert_eq!(setting.pass().await.marked, 0);
    }

    assert!(is_linked(ports, &name, &digest).await && is_stored(ports, &digest).await);
}

pub async fn who_asks_for_a_marked_blob_saves_it(ports: &StoragePorts) {
    let name = repository("a");
    let digest = push_blob(ports, &name, b"layer").await;
    let mut setting = hasty(ports);
    setting.pass().await;

    let size = setting.registry.blobs().stat(&name, &digest).await.unwrap();
    let next = setting.pass().await;

    assert_eq!((size, next.removed), (5, 0));
    assert!(is_linked(ports, &name, &digest).await && is_stored(ports, &digest).await);
}

pub async fn a_proof_that_fails_takes_the_mark_away(ports: &StoragePorts) {
    let name = repository("a");
    push_blob(ports, &name, b"layer").await;
    let mut setting = hasty(ports);
    setting.pass().await;

    // Another registry: it claims, and does not look.
    push_image(ports, &name, b"{}", b"layer").await;
    setting.pass().await;

    let look = ports.links.look(&name, &sha256(b"layer")).await.unwrap();
    assert_eq!(look.mark, Mark::None);
    assert!(look.thing.is_some());
}

pub async fn marks_that_somebody_left_are_judged_anew(ports: &StoragePorts) {
    let name = repository("a");
    push_image(ports, &name, b"{}", b"layer").await;
    push_blob(ports, &name, b"dead").await;
    for digest in [sha256(b"layer"), sha256(b"dead")] {
        let link = Thing::Link(name.clone(), digest);
        let id = ports.marks.condemn(&link).await.unwrap().unwrap();
        assert!(ports.marks.doom(&link, &id).await.unwrap());
    }
    let mut setting = hasty(ports);

    assert_eq!(
        setting.pass().await.removed,
        0,
        "nothing without a new proof"
    );
    for _ in 0..2 {
        setting.pass().await;
    }

    let look = ports.links.look(&name, &sha256(b"layer")).await.unwrap();
    assert_eq!((look.mark, look.thing.is_some()), (Mark::None, true));
    let look = ports.links.look(&name, &sha256(b"dead")).await.unwrap();
    assert_eq!((look.mark, look.thing), (Mark::None, None));
}

pub async fn a_manifest_that_nobody_understands_keeps_its_repository(ports: &StoragePorts) {
    let (strange, other) = (repository("a"), repository("b"));
    let content = push_blob(ports, &strange, b"needed, who knows").await;
    super::store_manifest(ports, &strange, "{}").await;
    push_blob(ports, &other, b"garbage").await;
    let mut setting = hasty(ports);

    let mut last = Pass::default();
    for _ in 0..4 {
        last = setting.pass().await;
    }

    assert!(
        last.doubts[0].starts_with("a: the manifest sha256:"),
        "{:?}",
        last.doubts
    );
    assert!(is_linked(ports, &strange, &content).await && is_stored(ports, &content).await);
    assert!(!is_stored(ports, &sha256(b"garbage")).await);
}

pub async fn a_manifest_whose_content_is_another_keeps_its_repository(ports: &StoragePorts) {
    let name = repository("a");
    let pushed = push_image(ports, &name, b"{}", b"layer").await;
    let other = manifest(image(b"{}", &[], &serde_json::json!({})).leak());
    ports
        .manifests
        .put_content(&pushed.digest, &other.bytes)
        .await
        .unwrap();
    let mut setting = hasty(ports);

    for _ in 0..4 {
        assert!(!setting.pass().await.doubts.is_empty());
    }

    assert!(is_linked(ports, &name, &sha256(b"layer")).await);
}

pub async fn a_push_that_was_given_up_goes(ports: &StoragePorts) {
    let name = repository("a");
    push_blob(ports, &name, b"layer").await;
    let text = image(b"missing", &[b"layer"], &serde_json::json!({}));
    let new = manifest(text.leak());
    ports.manifests.put_pending(&name, &new).await.unwrap();
    let mut setting = hasty(ports);

    for _ in 0..6 {
        setting.pass().await;
    }

    assert!(
        ports
            .manifests
            .claim(&name, &new.digest)
            .await
            .unwrap()
            .is_none()
    );
    for digest in [new.digest, sha256(b"layer")] {
        assert!(!is_stored(ports, &digest).await);
    }
    let everything = ports.repositories.everything().await.unwrap();
    assert_eq!(everything.repositories, [], "nothing is left of it");
}

pub async fn one_collects_at_a_time(ports: &StoragePorts) {
    let mut setting = hasty(ports);
    let held = setting.locks.acquire(&LockKey::Collector).await.unwrap();

    assert_eq!(setting.collector.pass(&|| true).await.unwrap(), None);
    drop(held);
    assert!(setting.collector.pass(&|| true).await.unwrap().is_some());
    assert_eq!(
        setting.collector.pass(&|| false).await.unwrap(),
        None,
        "it was to stop"
    );
}

pub async fn every_link_is_found_however_many_there_are(ports: &StoragePorts) {
    let (many, bare) = (repository("a/many"), repository("a"));
    let digests: Vec<Digest> = (0..1100_u32).map(|n| sha256(&n.to_le_bytes())).collect();
    for digest in &digests {
        ports.links.add(&many, digest).await.unwrap();
    }
    ports.links.add(&bare, &digests[0]).await.unwrap();

    let mut found = Vec::new();
    let mut pieces = ports.links.list(&many);
    while let Some(piece) = futures_util::TryStreamExt::try_next(&mut pieces)
        .await
        .unwrap()
    {
        found.extend(
            piece
                .into_iter()
                .filter(|it| it.there && !it.marked)
                .map(|it| it.digest),
        );
    }

    found.sort_unstable();
    let mut digests = digests;
    digests.sort_unstable();
    assert!(found == digests, "{} of {}", found.len(), digests.len());
    let mut repositories = ports.repositories.everything().await.unwrap().repositories;
    repositories.sort_unstable_by_key(ToString::to_string);
    assert_eq!(repositories, [bare, many], "links alone are claims");
}

pub async fn old_records_of_deletions_are_listed_and_removed(ports: &StoragePorts) {
    let name = repository("a");
    let deletion = |at| Deletion {
        digest: sha256(b"x"),
        media_type: MediaType::parse(MediaType::OCI_INDEX),
        tags: vec![tag("v1")],
        manifest: true,
        references: vec![sha256(b"child")],
        subject: Some(sha256(b"subject")),
        at: Timestamp::from_millis(at),
        by: Some("ann".to_owned()),
    };
    for at in [1000, 2000] {
        ports.deletions.add(&name, &deletion(at)).await.unwrap();
    }
    let before = Timestamp::from_millis(2000);

    let old = ports.deletions.list(&name, before).await.unwrap();

    assert_eq!(old.len(), 1);
    assert_eq!(old[0].deletion, Some(deletion(1000)));
    for _ in 0..2 {
        ports.deletions.remove(&name, &old[0].id).await.unwrap();
    }
    assert_eq!(ports.deletions.list(&name, before).await.unwrap(), []);
    let later = Timestamp::from_millis(2001);
    assert_eq!(ports.deletions.list(&name, later).await.unwrap().len(), 1);
}

/// Pushes a manifest as a client does.
pub(super) async fn put(
    setting: &Setting,
    name: &RepositoryName,
    tag: Option<&str>,
    text: &str,
) -> Digest {
    let digest = sha256(text.as_bytes());
    let reference = match tag {
        Some(tag) => Reference::Tag(tag.parse().unwrap()),
        None => Reference::Digest(digest.clone()),
    };
    let push = ManifestPush {
        content_type: None,
        bytes: text.to_owned().into(),
        tags: Vec::new(),
        if_match: None,
        caller: Caller::default(),
    };
    let manifests = setting.registry.manifests();
    manifests.put(name, &reference, push).await.unwrap();
    digest
}

pub(super) async fn delete(setting: &Setting, name: &RepositoryName, digest: &Digest) {
    let reference = Reference::Digest(digest.clone());
    let manifests = setting.registry.manifests();
    let caller = Caller::default();
    manifests.delete(name, &reference, &caller).await.unwrap();
}

pub(super) fn index(children: &[&Digest]) -> String {
    let children = children.iter().map(|digest| {
        serde_json::json!({ "mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": 1 })
    });
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": children.collect::<Vec<_>>(),
    })
    .to_string()
}

pub(super) fn signature(of: &Digest) -> String {
    let subject = serde_json::json!({
        "mediaType": MediaType::OCI_MANIFEST, "digest": of, "size": 1,
    });
    image(b"{}", &[], &serde_json::json!({ "subject": subject }))
}

pub(super) async fn stands(ports: &StoragePorts, name: &RepositoryName, digest: &Digest) -> bool {
    ports.manifests.stat(name, digest).await.unwrap().is_some()
}

pub async fn a_deleted_index_lets_go_of_what_nobody_else_holds(ports: &StoragePorts) {
    let name = repository("a");
    let mut setting = hasty(ports);
    push_blob(ports, &name, b"{}").await;
    let child = |n: u32| {
        image(
            b"{}",
            &[],
            &serde_json::json!({ "annotations": {"n": n.to_string()} }),
        )
    };
    let alone = put(&setting, &name, None, &child(1)).await;
    let tagged = put(&setting, &name, Some("v1"), &child(2)).await;
    let shared = put(&setting, &name, None, &child(3)).await;
    let again = put(&setting, &name, None, &child(4)).await;
    let never_held = put(&setting, &name, None, &child(5)).await;
    let signed = put(&setting, &name, None, &signature(&alone)).await;
    let orphan = put(&setting, &name, None, &signature(&sha256(b"never pushed"))).await;
    let all = [&alone, &tagged, &shared, &again];
    let deleted = put(&setting, &name, Some("all"), &index(&all)).await;
    let other = put(&setting, &name, None, &index(&[&shared])).await;
    let attached = put(&setting, &name, None, &signature(&deleted)).await;
    tokio::time::sleep(LATER).await;
    delete(&setting, &name, &deleted).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    put(&setting, &name, None, &child(4)).await;

    for _ in 0..8 {
        setting.pass().await;
    }

    for gone in [&alone, &attached, &signed] {
        assert!(!stands(ports, &name, gone).await);
        assert!(!is_stored(ports, gone).await);
    }
    for kept in [&tagged, &shared, &again, &never_held, &other, &orphan] {
        assert!(stands(ports, &name, kept).await);
    }
    assert_eq!(ports.referrers.list(&name, &deleted).await.unwrap(), []);
    let now = Timestamp::from_millis(i64::MAX);
    assert_eq!(
        ports.deletions.list(&name, now).await.unwrap(),
        [],
        "all is done"
    );
}

pub async fn a_child_that_is_pushed_again_after_its_mark_stays(ports: &StoragePorts) {
    let name = repository("a");
    let mut setting = hasty(ports);
    push_blob(ports, &name, b"{}").await;
    let child = image(b"{}", &[], &serde_json::json!({}));
    let digest = put(&setting, &name, None, &child).await;
    let deleted = put(&setting, &name, None, &index(&[&digest])).await;
    tokio::time::sleep(LATER).await;
    delete(&setting, &name, &deleted).await;
    tokio::time::sleep(Duration::from_millis(20)).await;

    setting.pass().await;
    let look = ports.manifests.look(&name, &digest).await.unwrap();
    assert_ne!(look.mark, Mark::None);
    put(&setting, &name, None, &child).await;
    for _ in 0..4 {
        setting.pass().await;
    }

    assert!(stands(ports, &name, &digest).await);
    let look = ports.manifests.look(&name, &digest).await.unwrap();
    assert_eq!(look.mark, Mark::None);
}

pub async fn a_referrer_whose_subject_is_pushed_again_loses_its_mark(ports: &StoragePorts) {
    let name = repository("a");
    let mut setting = hasty(ports);
    push_blob(ports, &name, b"{}").await;
    let subject = image(b"{}", &[], &serde_json::json!({}));
    let deleted = put(&setting, &name, None, &subject).await;
    let referrer = put(&setting, &name, None, &signature(&deleted)).await;
    tokio::time::sleep(LATER).await;
    delete(&setting, &name, &deleted).await;
    tokio::time::sleep(Duration::from_millis(20)).await;

    setting.pass().await;
    let look = ports.manifests.look(&name, &referrer).await.unwrap();
    assert_ne!(look.mark, Mark::None);
    put(&setting, &name, None, &subject).await;
    setting.pass().await;

    assert!(stands(ports, &name, &referrer).await);
    let look = ports.manifests.look(&name, &referrer).await.unwrap();
    assert_eq!(look.mark, Mark::None);
}

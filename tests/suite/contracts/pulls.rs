//! Pull times.

use std::slice::from_ref;
use std::time::Duration;

use simple_registry::domain::model::{Page, Timestamp};
use simple_registry::ports::StoragePorts;

use super::{repository, sha256, store_manifest};

const SECOND: Duration = Duration::from_secs(1);

pub async fn a_pull_is_known_by_the_store_s_clock(ports: &StoragePorts) {
    let name = repository("a/b");
    let digest = store_manifest(ports, &name, "{}").await;
    let other = store_manifest(ports, &name, "{ }").await;
    assert!(ports.pulls.list(&name).await.unwrap().is_empty());

    let before = ports.marks.now().await.unwrap();
    ports.pulls.note(&name, &digest).await.unwrap();
    let after = ports.marks.now().await.unwrap();

    let pulls = ports.pulls.list(&name).await.unwrap();
    let pulled = pulls[&digest];
    // S3 tells times in seconds, but not in listings.
    let about = before.before(SECOND)..=after.after(SECOND);
    assert!(about.contains(&pulled), "{before:?} {pulled:?}");
    assert_eq!(pulls.get(&other), None);
    assert!(ports.pulls.list(&repository("a")).await.unwrap().is_empty());
}

pub async fn the_last_pull_counts(ports: &StoragePorts) {
    let name = repository("a");
    let digest = store_manifest(ports, &name, "{}").await;
    let mut last = Timestamp::from_millis(0);

    for _ in 0..2 {
        ports.pulls.note(&name, &digest).await.unwrap();
        let pulls = ports.pulls.list(&name).await.unwrap();
        assert!(pulls.len() == 1 && pulls[&digest] > last);
        last = pulls[&digest];
        tokio::time::sleep(SECOND * 11 / 10).await;
    }
}

pub async fn a_deleted_manifest_was_never_pulled(ports: &StoragePorts) {
    let name = repository("a");
    let digest = store_manifest(ports, &name, "{}").await;
    ports.pulls.note(&name, &digest).await.unwrap();

    ports.manifests.remove(&name, &digest).await.unwrap();
    assert!(ports.pulls.list(&name).await.unwrap().is_empty());

    // Of one that was deleted while it was sent, nothing is noted.
    ports.pulls.note(&name, &digest).await.unwrap();
    ports.pulls.note(&name, &sha256(b"never")).await.unwrap();
    assert!(ports.pulls.list(&name).await.unwrap().is_empty());
}

pub async fn a_pull_makes_no_repository(ports: &StoragePorts) {
    let name = repository("a");
    let digest = store_manifest(ports, &name, "{}").await;
    ports.pulls.note(&name, &digest).await.unwrap();
    let repositories = ports.repositories.list(&Page::all()).await.unwrap();
    assert_eq!(repositories.items, from_ref(&name), "and none within it");
    let everything = ports.repositories.everything().await.unwrap();
    assert_eq!(everything.repositories, from_ref(&name));

    ports.manifests.remove(&name, &digest).await.unwrap();

    let everything = ports.repositories.everything().await.unwrap();
    assert!(everything.repositories.is_empty() && everything.strange.is_empty());
}

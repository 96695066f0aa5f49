//! Manifests by repository and digest.

use simple_registry::domain::model::Page;
use simple_registry::ports::StoragePorts;

use super::{manifest, repository, store_manifest};

pub async fn a_pending_manifest_reads_as_absent(ports: &StoragePorts) {
    let (name, new) = (repository("a"), manifest("{}"));
    ports.manifests.put_pending(&name, &new).await.unwrap();

    assert!(
        ports
            .manifests
            .get(&name, &new.digest)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        ports
            .manifests
            .stat(&name, &new.digest)
            .await
            .unwrap()
            .is_none()
    );
    let look = ports.manifests.look(&name, &new.digest).await.unwrap();
    assert_eq!(look.thing, None);
}

pub async fn a_settled_manifest_is_served_as_pushed(ports: &StoragePorts) {
    let (name, new) = (repository("a"), manifest("{ }\n"));
    ports.manifests.put_pending(&name, &new).await.unwrap();
    ports.manifests.settle(&name, &new).await.unwrap();

    let stored = ports
        .manifests
        .get(&name, &new.digest)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(stored.bytes, new.bytes);
    assert_eq!(stored.info.media_type, Some(new.media_type));
    assert_eq!(stored.info.size, 4);
    assert_eq!(stored.info.pushed_at, Some(new.pushed_at));
}

pub async fn a_settled_manifest_stays_as_it_is_when_pushed_again(ports: &StoragePorts) {
    let (name, new) = (repository("a"), manifest("{}"));
    store_manifest(ports, &name, "{}").await;

    ports.manifests.put_pending(&name, &new).await.unwrap();

    assert!(
        ports
            .manifests
            .get(&name, &new.digest)
            .await
            .unwrap()
            .is_some()
    );
}

pub async fn a_pending_manifest_is_a_claim(ports: &StoragePorts) {
    let (name, new) = (repository("a"), manifest("{}"));
    assert_eq!(
        ports.manifests.claim(&name, &new.digest).await.unwrap(),
        None
    );

    ports.manifests.put_pending(&name, &new).await.unwrap();

    let claim = ports.manifests.claim(&name, &new.digest).await.unwrap();
    assert_eq!(claim, Some(new.bytes));
    let listed = ports.manifests.list(&name, &Page::all()).await.unwrap();
    assert_eq!(listed.items, [new.digest]);
}

pub async fn a_removed_manifest_is_gone(ports: &StoragePorts) {
    let name = repository("a");
    let digest = store_manifest(ports, &name, "{}").await;

    ports.manifests.remove(&name, &digest).await.unwrap();

    assert!(ports.manifests.get(&name, &digest).await.unwrap().is_none());
    assert!(
        ports
            .manifests
            .list(&name, &Page::all())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

pub async fn removing_an_absent_manifest_succeeds(ports: &StoragePorts) {
    let digest = manifest("{}").digest;
    ports
        .manifests
        .remove(&repository("a"), &digest)
        .await
        .unwrap();
}

pub async fn a_manifest_is_seen_only_in_its_repository(ports: &StoragePorts) {
    let digest = store_manifest(ports, &repository("a"), "{}").await;

    assert!(
        ports
            .manifests
            .get(&repository("b"), &digest)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        ports
            .manifests
            .stat(&repository("b"), &digest)
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn content_that_was_taken_away_is_put_back(ports: &StoragePorts) {
    let new = manifest("{}");

    ports
        .manifests
        .put_content(&new.digest, &new.bytes)
        .await
        .unwrap();
    ports
        .manifests
        .put_content(&new.digest, &new.bytes)
        .await
        .unwrap();

    let look = ports.blobs.look(&new.digest).await.unwrap();
    assert_eq!(look.thing.unwrap().size, 2);
}

pub async fn revisions_are_listed_in_pages(ports: &StoragePorts) {
    let name = repository("a");
    let mut stored = Vec::new();
    for text in ["1", "2", "3"] {
        stored.push(store_manifest(ports, &name, text).await);
    }
    stored.sort();

    let mut page = Page {
        after: None,
        limit: Some(2),
    };
    let first = ports.manifests.list(&name, &page).await.unwrap();
    page.after = first.items.last().cloned();
    let second = ports.manifests.list(&name, &page).await.unwrap();

    assert_eq!((first.items.as_slice(), first.more), (&stored[..2], true));
    assert_eq!(
        (second.items.as_slice(), second.more),
        (&stored[2..], false)
    );
}

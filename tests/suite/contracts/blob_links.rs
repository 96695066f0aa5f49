//! Links: who may see a blob.

use std::time::Duration;

use simple_registry::ports::StoragePorts;

use super::{repository, sha256};

pub async fn a_link_is_seen_only_in_its_repository(ports: &StoragePorts) {
    let digest = sha256(b"x");
    ports.links.add(&repository("a"), &digest).await.unwrap();

    assert!(ports.links.exists(&repository("a"), &digest).await.unwrap());
    assert!(
        !ports
            .links
            .exists(&repository("a/b"), &digest)
            .await
            .unwrap()
    );
    assert!(!ports.links.exists(&repository("b"), &digest).await.unwrap());
}

pub async fn refreshing_never_creates(ports: &StoragePorts) {
    let digest = sha256(b"x");

    assert!(
        !ports
            .links
            .refresh(&repository("a"), &digest)
            .await
            .unwrap()
    );

    assert!(!ports.links.exists(&repository("a"), &digest).await.unwrap());
}

pub async fn adding_twice_is_adding_once(ports: &StoragePorts) {
    let (name, digest) = (repository("a"), sha256(b"x"));
    ports.links.add(&name, &digest).await.unwrap();
    ports.links.add(&name, &digest).await.unwrap();

    ports.links.remove(&name, &digest).await.unwrap();

    assert!(!ports.links.exists(&name, &digest).await.unwrap());
}

pub async fn adding_renews_the_time(ports: &StoragePorts) {
    let (name, digest) = (repository("a"), sha256(b"x"));
    for renew in [false, true] {
        ports.links.add(&name, &digest).await.unwrap();
        let before = ports
            .links
            .look(&name, &digest)
            .await
            .unwrap()
            .thing
            .unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;

        if renew {
            assert!(ports.links.refresh(&name, &digest).await.unwrap());
        } else {
            ports.links.add(&name, &digest).await.unwrap();
        }

        let after = ports
            .links
            .look(&name, &digest)
            .await
            .unwrap()
            .thing
            .unwrap();
        assert!(after.modified > before.modified);
    }
}

pub async fn removing_an_absent_link_succeeds(ports: &StoragePorts) {
    ports
        .links
        .remove(&repository("a"), &sha256(b"x"))
        .await
        .unwrap();
}

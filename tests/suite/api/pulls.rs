//! Pulls: which requests count, and that they are known soon.

use std::time::Duration;

use simple_registry::domain::model::RepositoryName;
use simple_registry::ports::StoragePorts;

use crate::support::{Image, Setup, TestRegistry};

struct Pulled {
    registry: TestRegistry,
    storage: StoragePorts,
    image: Image,
}

/// A registry with an image that nobody has pulled.
async fn pushed() -> Pulled {
    let setup = Setup::default();
    let storage = setup.storage.clone();
    let registry = TestRegistry::with(setup).await;
    let image = Image::new(1);
    image.push(&registry, "a", "latest").await;
    Pulled {
        registry,
        storage,
        image,
    }
}

impl Pulled {
    async fn is_known(&self) -> bool {
        let name: RepositoryName = "a".parse().unwrap();
        let pulls = self.storage.pulls.list(&name).await.unwrap();
        pulls.contains_key(&self.image.digest.parse().unwrap())
    }

    async fn is_known_soon(&self) -> bool {
        for _ in 0..100 {
            if self.is_known().await {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

#[tokio::test]
async fn a_manifest_is_pulled_by_its_tag() {
    let pulled = pushed().await;

    let answer = pulled.registry.get("/v2/a/manifests/latest").send().await;
    answer.expect_status(200);

    assert!(pulled.is_known_soon().await);
}

/// A client that has it asks whether it still does.
#[tokio::test]
async fn a_manifest_is_pulled_by_its_digest_and_where_it_is_known() {
    let pulled = pushed().await;
    let digest = &pulled.image.digest;

    let call = pulled.registry.get(format!("/v2/a/manifests/{digest}"));
    let call = call.header("If-None-Match", format!("\"{digest}\""));
    call.send().await.expect_status(304);

    assert!(pulled.is_known_soon().await);
}

#[tokio::test]
async fn neither_a_head_nor_a_blob_is_a_pull() {
    let pulled = pushed().await;

    for path in [
        "manifests/latest",
        &format!("manifests/{}", pulled.image.digest),
    ] {
        let answer = pulled.registry.head(format!("/v2/a/{path}")).send().await;
        answer.expect_status(200);
    }
    let blob = format!("/v2/a/blobs/{}", pulled.image.digest);
    pulled.registry.get(blob).send().await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    assert!(!pulled.is_known().await);
}

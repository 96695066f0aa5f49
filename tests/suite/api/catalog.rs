//! The catalog: `GET /v2/_catalog`.

use serde_json::json;

use crate::support::{Image, Setup, TestRegistry};

async fn push(registry: &TestRegistry, repositories: &[&str]) {
    for repository in repositories {
        Image::new(1).push(registry, repository, "latest").await;
    }
}

#[tokio::test]
async fn repositories_are_listed_in_order() {
    let registry = TestRegistry::start().await;
    push(&registry, &["b", "a/b", "a"]).await;

    let answer = registry.get("/v2/_catalog").send().await.expect_status(200);

    assert_eq!(answer.json(), json!({ "repositories": ["a", "a/b", "b"] }));
    assert_eq!(answer.header("link"), None);
}

#[tokio::test]
async fn an_empty_registry_has_an_empty_catalog() {
    let registry = TestRegistry::start().await;

    let answer = registry.get("/v2/_catalog").send().await.expect_status(200);

    assert_eq!(answer.json(), json!({ "repositories": [] }));
}

#[tokio::test]
async fn pages_lead_to_all_repositories() {
    let registry = TestRegistry::start().await;
    push(&registry, &["a/b", "b", "c"]).await;

    let answer = registry
        .get("/v2/_catalog?n=1")
        .send()
        .await
        .expect_status(200);
    assert_eq!(answer.json(), json!({ "repositories": ["a/b"] }));
    let link = "</v2/_catalog?n=1&last=a%2Fb>; rel=\"next\"";
    assert_eq!(answer.header("link"), Some(link));

    let answer = registry.get("/v2/_catalog?n=2&last=a%2Fb").send().await;
    assert_eq!(answer.json(), json!({ "repositories": ["b", "c"] }));
    assert_eq!(answer.header("link"), None);

    let answer = registry.get("/v2/_catalog?n=0").send().await;
    assert_eq!(answer.json(), json!({ "repositories": [] }));
    assert_eq!(answer.header("link"), None);
}

/// semantics.md, "Access policy"
#[tokio::test]
async fn a_repository_that_the_caller_may_not_see_is_not_listed() {
    let setup = Setup::default();
    let storage = setup.storage.clone();
    let open = TestRegistry::with(setup).await;
    push(&open, &["public/a", "secret/b"]).await;

    let registry = TestRegistry::with(Setup {
        storage,
        ..Setup::with_namespaces([("public", Setup::open()), ("secret", Setup::closed())])
    })
    .await;
    let answer = registry.get("/v2/_catalog").send().await.expect_status(200);

    assert_eq!(answer.json(), json!({ "repositories": ["public/a"] }));
}

#[tokio::test]
async fn what_is_no_number_is_refused() {
    let registry = TestRegistry::start().await;

    registry
        .get("/v2/_catalog?n=x")
        .send()
        .await
        .expect_status(400);
}

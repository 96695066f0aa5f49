//! end-1, and what every answer has.

use serde_json::json;

use crate::support::TestRegistry;

/// end-1
#[tokio::test]
async fn the_api_answers_at_its_root() {
    let registry = TestRegistry::start().await;

    for path in ["/v2/", "/v2"] {
        let answer = registry.get(path).send().await.expect_status(200);

        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.json(), json!({}));
    }
}

/// end-1; clients ask with HEAD as well.
#[tokio::test]
async fn a_head_has_the_length_of_its_get_and_no_body() {
    let registry = TestRegistry::start().await;

    let answer = registry.head("/v2/").send().await.expect_status(200);

    assert_eq!(answer.header("content-length"), Some("2"));
}

/// Docker and older tools look for it on every answer, errors included.
#[tokio::test]
async fn every_answer_names_the_api() {
    let registry = TestRegistry::start().await;

    for path in [
        "/v2/",
        "/v2/a/manifests/latest",
        "/v2/A/tags/list",
        "/",
        "/v2/?ns=x",
    ] {
        let answer = registry.get(path).send().await;

        let version = answer.header("docker-distribution-api-version");
        assert_eq!(version, Some("registry/2.0"), "{path}");
    }
}

/// distribution-spec, extensions/_oci.md
#[tokio::test]
async fn extensions_can_be_discovered() {
    let registry = TestRegistry::start().await;

    let answer = registry.get("/v2/_oci/ext/discover").send().await;
    assert_eq!(
        answer.expect_status(200).json()["extensions"][0]["name"],
        "_catalog"
    );

    let answer = registry.get("/v2/a/b/_oci/ext/discover").send().await;
    assert_eq!(
        answer.expect_status(200).json(),
        json!({ "extensions": [] })
    );
}

//! Tags: end-8.

use serde_json::json;

use crate::support::{Image, TestRegistry};

async fn with_tags(tags: &[&str]) -> TestRegistry {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    image.push_blobs(&registry, "a/b").await;
    for tag in tags {
        registry.push_manifest("a/b", tag, &image.manifest).await;
    }
    registry
}

/// The tags of a page, and the path of the next one.
async fn page(registry: &TestRegistry, path: &str) -> (Vec<String>, Option<String>) {
    let answer = registry.get(path).send().await.expect_status(200);
    let body = answer.json();
    assert_eq!(body["name"], "a/b");
    let tags = serde_json::from_value(body["tags"].clone()).unwrap();
    let next = answer.header("link").map(|link| {
        let link = link.strip_suffix(">; rel=\"next\"").unwrap();
        link.strip_prefix('<').unwrap().to_owned()
    });
    (tags, next)
}

/// end-8a
#[tokio::test]
async fn tags_are_listed_in_order() {
    let registry = with_tags(&["b", "a", "B", "a-1", "_"]).await;

    let answer = registry
        .get("/v2/a/b/tags/list")
        .send()
        .await
        .expect_status(200);

    let expected = json!({ "name": "a/b", "tags": ["B", "_", "a", "a-1", "b"] });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("link"), None);
}

/// end-8b
#[tokio::test]
async fn pages_lead_to_all_tags() {
    let tags = ["a", "b", "c", "d", "e"];
    let registry = with_tags(&tags).await;
    let mut next = Some("/v2/a/b/tags/list?n=2".to_owned());
    let mut found = Vec::new();
    let mut pages = 0;

    while let Some(path) = next {
        let (tags, link) = page(&registry, &path).await;
        found.extend(tags);
        next = link;
        pages += 1;
    }

    assert_eq!(found, tags);
    assert_eq!(pages, 3);
}

/// end-8b
#[tokio::test]
async fn a_page_that_holds_the_rest_has_no_next_one() {
    let registry = with_tags(&["a", "b"]).await;

    let (tags, next) = page(&registry, "/v2/a/b/tags/list?n=2").await;

    assert_eq!((tags.len(), next), (2, None));
}

/// end-8b: `n=0` is an empty list, without a link.
#[tokio::test]
async fn nothing_can_be_asked_for() {
    let registry = with_tags(&["a", "b"]).await;

    let (tags, next) = page(&registry, "/v2/a/b/tags/list?n=0").await;

    assert_eq!((tags.len(), next), (0, None));
}

/// end-8b: `last` alone gives all the rest, and need not exist.
#[tokio::test]
async fn a_list_can_start_anywhere() {
    let registry = with_tags(&["a", "c", "d"]).await;

    for (last, expected) in [("a", vec!["c", "d"]), ("b", vec!["c", "d"]), ("d", vec![])] {
        let (tags, next) = page(&registry, &format!("/v2/a/b/tags/list?last={last}")).await;
        assert_eq!(
            (tags, next),
            (expected.into_iter().map(str::to_owned).collect(), None)
        );
    }
}

/// lessons.md, security 3 (CVE-2023-2253)
#[tokio::test]
async fn a_huge_page_is_only_as_large_as_what_there_is() {
    let registry = with_tags(&["a", "b"]).await;

    for n in [
        "1000000000",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        let (tags, next) = page(&registry, &format!("/v2/a/b/tags/list?n={n}")).await;
        assert_eq!((tags.len(), next), (2, None));
    }
}

#[tokio::test]
async fn what_is_no_number_is_refused() {
    let registry = with_tags(&["a"]).await;

    for n in ["-1", "x", "", "1.5"] {
        let answer = registry
            .get(format!("/v2/a/b/tags/list?n={n}"))
            .send()
            .await;
        let answer = answer.expect_status(400);
        // The spec has no code for it, so it has no JSON body either.
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
    }
}

/// code-9
#[tokio::test]
async fn an_unknown_repository_has_no_list() {
    let registry = TestRegistry::start().await;

    let answer = registry.get("/v2/a/b/tags/list").send().await;

    answer.expect_error(404, "NAME_UNKNOWN");
}

//! Several upstreams, names in another registry, and policies before all of it.

use std::time::Duration;

use super::{ALWAYS, has_image, mirror};
use crate::support::{Failure, FakeUpstream, Image, Setup, TestRegistry, mirror_of};

const LATEST: &str = "/v2/hub/app/manifests/latest";

#[tokio::test]
async fn the_next_upstream_has_what_the_first_has_not_or_cannot_give() {
    let (one, two) = (FakeUpstream::new("one"), FakeUpstream::new("two"));
    let image = Image::new(1);
    has_image(&two, "latest", &image);
    for failure in [None, Some(Failure::Down), Some(Failure::Limited)] {
        one.fails(failure);
        let registry = mirror(&[&one, &two], ALWAYS).await;

        let pulled = registry.get(LATEST).send().await.expect_status(200);
        assert_eq!(pulled.body, image.manifest.as_bytes());
        let layer = crate::support::digest_of(&image.layer);
        let layer = registry.get(format!("/v2/hub/app/blobs/{layer}"));
        assert!(layer.send().await.expect_status(200).body == image.layer);
    }
}

#[tokio::test]
async fn where_one_fails_and_another_has_nothing_nobody_knows() {
    let (one, two) = (FakeUpstream::new("one"), FakeUpstream::new("two"));
    one.fails(Failure::Down);
    let registry = mirror(&[&one, &two], ALWAYS).await;

    let answer = registry.get(LATEST).send().await;

    answer.expect_error(503, "UNAVAILABLE");
}

#[tokio::test]
async fn a_name_in_another_registry_is_answered_in_its_name() {
    let hub = FakeUpstream::new("hub");
    let image = Image::new(1);
    has_image(&hub, "latest", &image);
    let registry = mirror(&[&hub], Duration::from_mins(1)).await;

    let pulled = registry.get("/v2/app/manifests/latest?ns=hub.example");
    let pulled = pulled.send().await.expect_status(200);
    assert_eq!(pulled.header("oci-namespace"), Some("hub.example"));
    assert_eq!(pulled.body, image.manifest.as_bytes());

    let same = registry.get(LATEST).send().await.expect_status(200);
    assert_eq!(same.header("oci-namespace"), None);
    assert_eq!(hub.asked().len(), 1, "it is stored as hub/app");

    let ping = registry.get("/v2/?ns=hub.example").send().await;
    ping.expect_status(200);
    let unknown = registry.get("/v2/app/manifests/latest?ns=quay.io");
    let unknown = unknown.send().await;
    unknown.expect_error(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn policies_are_judged_before_anything_else() {
    let hub = FakeUpstream::new("hub");
    has_image(&hub, "latest", &Image::new(1));
    let ruled = Setup::ruled(false, &["request.namespace == 'hub/free'"]);
    let namespace = simple_registry::domain::namespaces::Namespace {
        access_policy: ruled.access_policy,
        ..mirror_of(&[&hub], ALWAYS)
    };
    let registry = TestRegistry::with(Setup::with_namespaces([("hub", namespace)])).await;

    for denied in [
        registry.get(LATEST),
        registry.get("/v2/app/manifests/latest?ns=hub.example"),
        registry.post("/v2/hub/app/blobs/uploads/"),
    ] {
        denied.send().await.expect_error(403, "DENIED");
    }
    assert_eq!(hub.asked(), [""; 0]);
    let free = registry.get("/v2/free/manifests/latest?ns=hub.example");
    free.send().await.expect_status(200);
}

/// A rule that looks for the tag is about clients, who don't push here.
#[tokio::test]
async fn a_policy_about_tags_does_not_keep_the_mirror_from_following_them() {
    let hub = FakeUpstream::new("hub");
    has_image(&hub, "latest", &Image::new(1));
    let rule = "request.action == 'get-manifest' || request.tag_exists == 'never'";
    let namespace = simple_registry::domain::namespaces::Namespace {
        access_policy: Setup::ruled(false, &[rule]).access_policy,
        ..mirror_of(&[&hub], ALWAYS)
    };
    let registry = TestRegistry::with(Setup::with_namespaces([("hub", namespace)])).await;

    registry.get(LATEST).send().await.expect_status(200);
    has_image(&hub, "latest", &Image::new(2));

    let moved = registry.get(LATEST).send().await.expect_status(200);
    assert_eq!(moved.body, Image::new(2).manifest.as_bytes());
}

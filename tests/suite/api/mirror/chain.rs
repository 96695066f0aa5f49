//! Registry behind registry: the real client of other registries, asking one of ours.

use std::sync::Arc;
use std::time::Duration;

use simple_registry::adapters::clock::SystemClock;
use simple_registry::adapters::upstream::config::UpstreamConfig;
use simple_registry::adapters::upstream::{MemoryTokens, Patience, open};
use simple_registry::domain::mirror::{Circuit, Source};
use simple_registry::domain::namespaces::Namespace;
use simple_registry::ports::{Clock, TokenCache};

use serde_json::json;

use crate::support::{Image, Setup, TestRegistry, digest_of, random};

/// A registry whose `hub` is filled from the repositories below `team` of another one.
async fn behind(upstream: &TestRegistry) -> TestRegistry {
    let url = format!("url = 'http://{}/v2/team'", upstream.address);
    let config: UpstreamConfig = toml::from_str(&url).unwrap();
    let tokens: Arc<dyn TokenCache> = Arc::new(MemoryTokens::default());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let opened = open("hub", &config, &tokens, Patience::default()).unwrap();
    let mirror = Namespace {
        mirrors: Some(Arc::new(Source {
            upstreams: vec![Arc::new(Circuit::new(opened, clock))],
            revalidate_interval: Duration::ZERO,
            cache_max_size: None,
            answers_for: Vec::new(),
        })),
        ..Setup::open()
    };
    TestRegistry::with(Setup::with_namespaces([("hub", mirror)])).await
}

#[tokio::test]
async fn an_image_is_pulled_through_two_registries() {
    let upstream = TestRegistry::start().await;
    let image = Image::new(1);
    image.push(&upstream, "team/app", "latest").await;
    let middle = behind(&upstream).await;

    for reference in ["latest", &image.digest] {
        let path = format!("/v2/hub/app/manifests/{reference}");
        let pulled = middle.get(&path).send().await.expect_status(200);
        assert_eq!(pulled.body, image.manifest.as_bytes());
        middle.head(&path).send().await.expect_status(200);
    }
    for blob in [&image.config, &image.layer] {
        let path = format!("/v2/hub/app/blobs/{}", digest_of(blob));
        let size = blob.len().to_string();
        let head = middle.head(&path).send().await.expect_status(200);
        assert_eq!(head.header("content-length"), Some(&*size));
        assert_eq!(
            middle.get(&path).send().await.expect_status(200).body,
            *blob
        );
    }
    let unknown = middle.get("/v2/hub/app/manifests/none").send().await;
    unknown.expect_error(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn referrers_come_through_as_well() {
    let upstream = TestRegistry::start().await;
    let image = Image::new(1);
    image.push(&upstream, "team/app", "latest").await;
    let more = json!({ "subject": image.descriptor(), "artifactType": "a/signature" });
    let signature = Image::with(2, &more);
    signature.push(&upstream, "team/app", "signature").await;
    let middle = behind(&upstream).await;

    let path = format!("/v2/hub/app/referrers/{}", image.digest);
    let listed = middle.get(path).send().await.expect_status(200).json();

    assert_eq!(listed["manifests"][0]["digest"], signature.digest);
    assert_eq!(listed["manifests"][0]["artifactType"], "a/signature");
}

#[tokio::test]
async fn an_upstream_that_goes_takes_nothing_with_it() {
    let mut upstream = TestRegistry::start().await;
    let (image, other) = (Image::new(1), Image::new(2));
    image.push(&upstream, "team/app", "latest").await;
    other.push(&upstream, "team/app", "other").await;
    let middle = behind(&upstream).await;
    let latest = "/v2/hub/app/manifests/latest";
    middle.get(latest).send().await.expect_status(200);
    let layer = format!("/v2/hub/app/blobs/{}", digest_of(&image.layer));
    middle.get(&layer).send().await.expect_status(200);

    upstream.shutdown.cancel();
    upstream.stopped().await;

    for _ in 0..5 {
        middle.get(latest).send().await.expect_status(200);
        middle.get(&layer).send().await.expect_status(200);
        let unknown = middle.get("/v2/hub/app/manifests/other").send().await;
        let unknown = unknown.expect_error(503, "UNAVAILABLE");
        assert!(unknown.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn a_large_blob_comes_through_to_many_at_once() {
    let upstream = TestRegistry::start().await;
    let content = random(1, 30 << 20);
    let digest = upstream.push_blob("team/app", &content).await;
    let middle = behind(&upstream).await;

    let path = format!("/v2/hub/app/blobs/{digest}");
    let pulls = (0..8).map(|_| middle.get(&path).send());
    for pulled in futures_util::future::join_all(pulls).await {
        assert!(pulled.expect_status(200).body == content);
    }
}

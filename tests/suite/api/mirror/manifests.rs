//! Manifests: followed by tag, kept by digest.

use std::time::{Duration, Instant};

use serde_json::json;
use simple_registry::domain::model::MediaType;
use simple_registry::domain::namespaces::ImmutableTags;

use super::{ALWAYS, has_image, mirror};
use crate::support::{Failure, FakeUpstream, Image, Setup, TestRegistry, mirror_of};

const LATEST: &str = "/v2/hub/app/manifests/latest";

#[tokio::test]
async fn the_first_pull_fetches_and_the_next_ones_do_not() {
    let hub = FakeUpstream::new("hub");
    let image = Image::new(1);
    has_image(&hub, "latest", &image);
    let registry = mirror(&[&hub], Duration::from_mins(1)).await;

    for _ in 0..3 {
        let pulled = registry.get(LATEST).send().await.expect_status(200);
        assert_eq!(pulled.body, image.manifest.as_bytes());
        assert_eq!(pulled.header("docker-content-digest"), Some(&*image.digest));
        assert_eq!(pulled.header("content-type"), Some(MediaType::OCI_MANIFEST));
    }
    let by_digest = format!("/v2/hub/app/manifests/{}", image.digest);
    registry.head(by_digest).send().await.expect_status(200);

    assert_eq!(hub.asked(), ["GET manifest latest"]);
    let tags = registry.get("/v2/hub/app/tags/list").send().await;
    assert_eq!(tags.json()["tags"], json!(["latest"]));
}

#[tokio::test]
async fn many_who_ask_at_once_are_one_question() {
    let hub = FakeUpstream::new("hub");
    has_image(&hub, "latest", &Image::new(1));
    let registry = mirror(&[&hub], Duration::from_mins(1)).await;

    let pulls = (0..20).map(|_| registry.get(LATEST).send());
    for pulled in futures_util::future::join_all(pulls).await {
        pulled.expect_status(200);
    }

    assert_eq!(hub.asked(), ["GET manifest latest"]);
}

#[tokio::test]
async fn a_tag_is_asked_about_and_fetched_only_when_it_has_moved() {
    let hub = FakeUpstream::new("hub");
    let (old, new) = (Image::new(1), Image::new(2));
    has_image(&hub, "latest", &old);
    let registry = mirror(&[&hub], ALWAYS).await;
    registry.get(LATEST).send().await.expect_status(200);
    hub.asked();

    registry.get(LATEST).send().await.expect_status(200);
    assert_eq!(hub.asked(), ["HEAD manifest latest"]);

    has_image(&hub, "latest", &new);
    let moved = registry.get(LATEST).send().await.expect_status(200);
    assert_eq!(moved.body, new.manifest.as_bytes());
    let fetched = format!("GET manifest {}", new.digest);
    assert_eq!(hub.asked(), ["HEAD manifest latest", &*fetched]);

    has_image(&hub, "latest", &old);
    let back = registry.get(LATEST).send().await.expect_status(200);
    assert_eq!(back.body, old.manifest.as_bytes());
    assert_eq!(hub.asked(), ["HEAD manifest latest"], "it is here already");
}

#[tokio::test]
async fn what_is_cached_does_not_notice_an_upstream_that_fails() {
    for failure in [Failure::Down, Failure::Limited, Failure::Denied] {
        let hub = FakeUpstream::new("hub");
        let image = Image::new(1);
        has_image(&hub, "latest", &image);
        let registry = mirror(&[&hub], ALWAYS).await;
        registry.get(LATEST).send().await.expect_status(200);

        hub.fails(failure);

        let pulled = registry.get(LATEST).send().await.expect_status(200);
        assert_eq!(pulled.body, image.manifest.as_bytes());
        let by_digest = format!("/v2/hub/app/manifests/{}", image.digest);
        registry.get(by_digest).send().await.expect_status(200);

        hub.fails(None);
        has_image(&hub, "latest", &Image::new(2));
        let pulled = registry.get(LATEST).send().await.expect_status(200);
        assert_eq!(pulled.body, Image::new(2).manifest.as_bytes());
    }
}

#[tokio::test]
async fn an_upstream_that_is_slow_is_not_waited_for_where_there_is_an_answer() {
    let hub = FakeUpstream::new("hub");
    has_image(&hub, "latest", &Image::new(1));
    let registry = mirror(&[&hub], ALWAYS).await;
    registry.get(LATEST).send().await.expect_status(200);
    hub.fails(Failure::Stuck);

    let began = Instant::now();
    registry.get(LATEST).send().await.expect_status(200);

    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_is_not_cached_is_an_outage_and_never_unknown() {
    for (failure, status, code, retry) in [
        (Failure::Down, 503, "UNAVAILABLE", "5"),
        (Failure::Limited, 429, "TOOMANYREQUESTS", "7"),
        (Failure::Denied, 502, "UNAVAILABLE", "5"),
    ] {
        let hub = FakeUpstream::new("hub.example");
        let registry = mirror(&[&hub], ALWAYS).await;
        hub.fails(failure);
        let digest = Image::new(1).digest;

        for path in [
            LATEST.to_owned(),
            format!("/v2/hub/app/manifests/{digest}"),
            format!("/v2/hub/app/blobs/{digest}"),
        ] {
            let answer = registry.get(path).send().await.expect_error(status, code);
            assert_eq!(answer.header("retry-after"), Some(retry));
            let message = answer.json()["errors"][0]["message"].to_string();
            assert!(message.contains("upstream hub.example"), "{message}");
        }
        let head = registry.head(format!("/v2/hub/app/blobs/{digest}"));
        head.send().await.expect_status(status);
    }
}

#[tokio::test]
async fn what_nobody_has_is_unknown_and_not_asked_for_again_at_once() {
    let (one, two) = (FakeUpstream::new("one"), FakeUpstream::new("two"));
    let registry = mirror(&[&one, &two], ALWAYS).await;
    let digest = Image::new(1).digest;

    for path in [LATEST.to_owned(), format!("/v2/hub/app/manifests/{digest}")] {
        for _ in 0..3 {
            let answer = registry.get(&path).send().await;
            answer.expect_error(404, "MANIFEST_UNKNOWN");
        }
        assert_eq!((one.asked().len(), two.asked().len()), (1, 1));
    }
    let path = format!("/v2/hub/app/blobs/{digest}");
    for _ in 0..3 {
        let answer = registry.get(&path).send().await;
        answer.expect_error(404, "BLOB_UNKNOWN");
    }
    assert_eq!((one.asked().len(), two.asked().len()), (1, 1));
}

#[tokio::test]
async fn a_tag_that_is_gone_upstream_is_gone_here_but_its_manifest_stays() {
    let hub = FakeUpstream::new("hub");
    let image = Image::new(1);
    has_image(&hub, "latest", &image);
    let registry = mirror(&[&hub], ALWAYS).await;
    registry.get(LATEST).send().await.expect_status(200);

    hub.state().manifests.clear();

    let gone = registry.get(LATEST).send().await;
    gone.expect_error(404, "MANIFEST_UNKNOWN");
    hub.fails(Failure::Down);
    registry.get(LATEST).send().await.expect_status(404);
    let by_digest = format!("/v2/hub/app/manifests/{}", image.digest);
    registry.get(by_digest).send().await.expect_status(200);
    let tags = registry.get("/v2/hub/app/tags/list").send().await;
    assert_eq!(tags.json()["tags"], json!([]));
}

#[tokio::test]
async fn a_tag_that_moved_to_what_nobody_has_stands_where_it_stood() {
    let hub = FakeUpstream::new("hub");
    let (old, new) = (Image::new(1), Image::new(2));
    has_image(&hub, "latest", &old);
    let registry = mirror(&[&hub], ALWAYS).await;
    registry.get(LATEST).send().await.expect_status(200);

    has_image(&hub, "latest", &new);
    hub.state().manifests.remove(&new.digest);

    let pulled = registry.get(LATEST).send().await.expect_status(200);
    assert_eq!(pulled.body, old.manifest.as_bytes());
}

#[tokio::test]
async fn an_immutable_tag_is_not_asked_about_again() {
    let hub = FakeUpstream::new("hub");
    let image = Image::new(1);
    has_image(&hub, "v1", &image);
    let namespace = mirror_of(&[&hub], ALWAYS);
    let namespace = simple_registry::domain::namespaces::Namespace {
        immutable_tags: ImmutableTags {
            patterns: vec!["v*".to_owned().try_into().unwrap()],
            exceptions: Vec::new(),
        },
        ..namespace
    };
    let registry = TestRegistry::with(Setup::with_namespaces([("hub", namespace)])).await;
    for _ in 0..2 {
        has_image(&hub, "v1", &image);
        let pulled = registry.get("/v2/hub/app/manifests/v1").send().await;
        assert_eq!(pulled.expect_status(200).body, image.manifest.as_bytes());
        has_image(&hub, "v1", &Image::new(2));
    }

    assert_eq!(hub.asked(), ["GET manifest v1"]);
}

#[tokio::test]
async fn a_wrong_manifest_is_not_stored_and_the_next_upstream_is_asked() {
    let (one, two) = (FakeUpstream::new("one"), FakeUpstream::new("two"));
    let image = Image::new(1);
    let html = (
        MediaType::parse("text/html").unwrap(),
        "<html>log in</html>".into(),
    );
    one.state()
        .manifests
        .insert("latest".to_owned(), html.clone());
    one.state().manifests.insert(image.digest.clone(), html);
    let registry = mirror(&[&one, &two], ALWAYS).await;
    let by_digest = format!("/v2/hub/app/manifests/{}", image.digest);

    for path in [LATEST, &by_digest] {
        let answer = registry.get(path).send().await;
        answer.expect_error(502, "UNAVAILABLE");
    }
    has_image(&two, "latest", &image);

    for path in [LATEST, &by_digest] {
        let pulled = registry.get(path).send().await.expect_status(200);
        assert_eq!(pulled.body, image.manifest.as_bytes());
    }
}

#[tokio::test]
async fn only_what_is_asked_for_of_an_index_is_fetched() {
    let hub = FakeUpstream::new("hub");
    let (arm, amd) = (Image::new(1), Image::new(2));
    has_image(&hub, "arm", &arm);
    has_image(&hub, "amd", &amd);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [arm.descriptor(), amd.descriptor()],
    });
    hub.has_manifest("latest", &index.to_string());
    let registry = mirror(&[&hub], ALWAYS).await;
    registry.get(LATEST).send().await.expect_status(200);
    hub.asked();

    let child = format!("/v2/hub/app/manifests/{}", amd.digest);
    registry.get(child).send().await.expect_status(200);

    assert_eq!(hub.asked(), [format!("GET manifest {}", amd.digest)]);
}

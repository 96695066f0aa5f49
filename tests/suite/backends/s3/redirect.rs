//! `storage.s3.redirect`: who may pull a blob is sent to S3 for it.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::registry::start_with;
use crate::support::{
    Answer, FakeUpstream, Image, Setup, TestRegistry, digest_of, mirror_of, random,
};

const ON: &str = "redirect = true\n";

/// What S3 answers at a URL, to a client that has no key.
async fn fetch(url: &str, range: &str) -> Answer {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request =
        format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n{range}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    Answer::read(&mut stream, false).await
}

#[tokio::test]
async fn a_blob_is_fetched_at_a_url_without_a_key() {
    let (registry, _target) = start_with(ON).await;
    let content = random(11, 300_000);
    let digest = registry.push_blob("a/b", &content).await;

    let answer = registry.get(format!("/v2/a/b/blobs/{digest}")).send().await;

    let answer = answer.expect_status(307);
    assert_eq!(answer.header("docker-content-digest"), Some(&*digest));
    // A URL that ends is not kept.
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.body.is_empty());
    let url = answer.header("location").unwrap();
    let whole = fetch(url, "").await.expect_status(200);
    assert_eq!(whole.body, content);
    assert_eq!(
        whole.header("content-type"),
        Some("application/octet-stream")
    );
    let part = fetch(url, "Range: bytes=1000-1009\r\n").await;
    assert_eq!(part.expect_status(206).body, &content[1000..1010]);
    let other = url.replace("application/octet-stream", "text/html");
    assert_ne!(other, url);
    fetch(&other, "").await.expect_status(403);
}

#[tokio::test]
async fn what_is_no_get_of_a_blob_is_answered_here() {
    let (registry, _target) = start_with(ON).await;
    let image = Image::new(2);
    image.push(&registry, "a", "v1").await;
    let content = random(12, 5_000);
    let digest = registry.push_blob("a", &content).await;

    let head = registry.head(format!("/v2/a/blobs/{digest}")).send().await;
    let head = head.expect_status(200);
    assert_eq!(head.header("content-length"), Some("5000"));
    assert_eq!(head.header("location"), None);
    let known = registry.get(format!("/v2/a/blobs/{digest}"));
    let known = known.header("If-None-Match", format!("\"{digest}\""));
    known.send().await.expect_status(304);
    for reference in ["v1", &digest_of(image.manifest.as_bytes())] {
        let manifest = registry.get(format!("/v2/a/manifests/{reference}"));
        let manifest = manifest.send().await.expect_status(200);
        assert_eq!(manifest.body, image.manifest.as_bytes());
    }
}

/// lessons.md, 34 and 35.
#[tokio::test]
async fn no_url_is_given_for_what_may_not_be_read_or_is_not_there() {
    let (registry, target) = start_with(ON).await;
    let digest = registry.push_blob("a", b"of a alone").await;

    let elsewhere = registry.get(format!("/v2/b/blobs/{digest}")).send().await;
    let elsewhere = elsewhere.expect_error(404, "BLOB_UNKNOWN");
    assert_eq!(elsewhere.header("location"), None);
    let absent = digest_of(b"nobody's");
    let linked = absent.parse().unwrap();
    let a = "a".parse().unwrap();
    target.ports.links.add(&a, &linked).await.unwrap();
    let absent = registry.get(format!("/v2/a/blobs/{absent}")).send().await;
    absent.expect_error(404, "BLOB_UNKNOWN");

    let closed = TestRegistry::with(Setup {
        storage: target.ports.clone(),
        ..Setup::with_namespaces([("*", Setup::closed())])
    });
    let closed = closed.await;
    let denied = closed.get(format!("/v2/a/blobs/{digest}"));
    let denied = denied.send().await;
    assert!([401, 403].contains(&denied.status), "{denied:?}");
    assert_eq!(denied.header("location"), None);
}

/// lessons.md, 35: streamed while it is filled, in pieces that late readers
/// read back; a redirect once it is there.
#[tokio::test]
async fn a_mirrors_blob_is_streamed_first_and_redirected_to_then() {
    let target = super::target(ON).await;
    let hub = FakeUpstream::new("hub");
    let content = random(13, 20 << 20);
    let digest = hub.has_blob(&content);
    let registry = TestRegistry::with(Setup {
        storage: target.ports.clone(),
        ..Setup::with_namespaces([("hub", mirror_of(&[&hub], Duration::ZERO))])
    });
    let registry = registry.await;
    let path = format!("/v2/hub/app/blobs/{digest}");

    let pulls = (0..4).map(|number| {
        let call = registry.get(&path);
        async move {
            tokio::time::sleep(Duration::from_millis(100 * number)).await;
            call.send().await
        }
    });
    for pulled in futures_util::future::join_all(pulls).await {
        if pulled.status != 307 {
            assert!(pulled.expect_status(200).body == content);
        }
    }
    assert_eq!(hub.asked(), ["GET blob 0-"]);
    let mut stored = registry.get(&path).send().await;
    while stored.status != 307 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stored = registry.get(&path).send().await;
    }
    let whole = fetch(stored.header("location").unwrap(), "").await;
    assert!(whole.expect_status(200).body == content);
}

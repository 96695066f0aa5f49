//! Files: blobs that the kernel sends by itself, over a store of files.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use simple_registry::adapters::http::Settings;
use simple_registry::adapters::storage;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::support::{Answer, Setup, TestRegistry, random};

async fn start(settings: Settings) -> (TestRegistry, TempDir) {
    let root = TempDir::new().unwrap();
    let setup = Setup {
        storage: storage::open_files(root.path(), false, 256 << 10).unwrap(),
        ..Setup::with_settings(settings)
    };
    (TestRegistry::with(setup).await, root)
}

/// end-2; RFC 9110, section 14
#[tokio::test]
async fn large_blobs_come_back_whole_and_in_part() {
    let (registry, _root) = start(Settings::default()).await;
    let content = random(1, 3_000_001);
    let digest = registry.push_blob("a", &content).await;
    let path = format!("/v2/a/blobs/{digest}");

    let whole = registry.get(&path).send().await.expect_status(200);
    assert_eq!(whole.body, content);

    for range in [0..1_000_000, 999_999..3_000_001, 262_143..524_289] {
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let part = registry.get(&path).header("Range", &header).send().await;
        assert_eq!(part.expect_status(206).body, content[range]);
    }
}

/// What one connection is asked for at once is answered in that order, also
/// where small and large take different ways.
#[tokio::test]
async fn answers_on_one_connection_do_not_mix() {
    let (registry, _root) = start(Settings::default()).await;
    let contents = [700_000, 100, 65_536, 300_000, 1].map(|length| random(2, length));
    let mut requests = Vec::new();
    let mut expected = Vec::new();
    for content in &contents {
        let digest = registry.push_blob("a", content).await;
        requests.push(format!(
            "GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\n\r\n"
        ));
        expected.push(content);
    }
    requests.push("GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n".to_owned());
    let mut stream = registry.raw(&requests.concat()).await;

    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();

    let mut rest = &received[..];
    for content in expected {
        let end = rest.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
        assert!(rest[end..].starts_with(content), "{}", content.len());
        rest = &rest[end + content.len()..];
    }
    assert!(rest.starts_with(b"HTTP/1.1 200 "));
}

/// HTTP/2 puts bytes into frames: there the kernel sends no files.
#[tokio::test]
async fn streams_carry_the_same_bytes() {
    let (registry, _root) = start(Settings::default()).await;
    let content = random(3, 3_000_001);
    let digest = registry.push_blob("a", &content).await;
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http::<Empty<Bytes>>();
    let pull = format!("http://{}/v2/a/blobs/{digest}", registry.address);
    let pull = Request::get(pull).body(Empty::new()).unwrap();

    let answer = client.request(pull).await.unwrap();

    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, content);
}

/// lessons.md, correctness 25
#[tokio::test]
async fn a_client_that_takes_a_file_slowly_gets_all_of_it() {
    let (registry, _root) = start(Settings {
        query_timeout: Duration::from_secs(1),
        ..Settings::default()
    })
    .await;
    let content = random(4, 20_000_000);
    let digest = registry.push_blob("a", &content).await;
    let pull = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n");
    let mut stream = registry.raw(&pull).await;

    let mut received = Vec::new();
    let mut buffer = vec![0; 1_000_000];
    while let length @ 1.. = stream.read(&mut buffer).await.unwrap() {
        received.extend(&buffer[..length]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    assert_eq!(Answer::parse(&received, false).body, content);
}

/// semantics.md, "Limits"
#[tokio::test]
async fn a_client_that_does_not_take_a_file_is_cut() {
    let (registry, _root) = start(Settings {
        query_timeout: Duration::from_secs(1),
        ..Settings::default()
    })
    .await;
    let digest = registry.push_blob("a", &random(5, 50_000_000)).await;
    let pull = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\n\r\n");
    let mut stream = registry.raw(&pull).await;

    tokio::time::sleep(Duration::from_secs(3)).await;

    let mut received = Vec::new();
    let ended = stream.read_to_end(&mut received);
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    let _ = ended.expect("the server closes the connection");
    assert!(received.len() < 50_000_000);
}

/// What is gone nobody can send; nothing else goes out in its place.
#[tokio::test]
async fn a_file_that_is_cut_short_breaks_the_transfer() {
    let (registry, root) = start(Settings::default()).await;
    let content = random(6, 30_000_000);
    let digest = registry.push_blob("a", &content).await;
    let pull = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\n\r\n");
    let mut stream = registry.raw(&pull).await;
    let mut first = [0; 1];
    stream.read_exact(&mut first).await.unwrap();

    let hex = digest.strip_prefix("sha256:").unwrap();
    let file = format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(root.path().join(file))
        .unwrap();
    file.set_len(1000).unwrap();

    let mut received = first.to_vec();
    let ended = stream.read_to_end(&mut received);
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    let _ = ended.expect("the server closes the connection");
    assert!(received.len() < content.len());
}

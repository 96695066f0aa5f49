//! Shutdown: what runs may finish, what does not end is cut.

use std::time::{Duration, Instant};

use simple_registry::adapters::http::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Setup, TestRegistry, digest_of, random};

const PAUSE: Duration = Duration::from_millis(100);

fn push(digest: &str, length: usize) -> String {
    format!(
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: r\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_running_push_finishes() {
    let mut registry = TestRegistry::start().await;
    let content = random(1, 100_000);
    let digest = digest_of(&content);
    let mut stream = registry.raw(&push(&digest, content.len())).await;
    stream.write_all(&content[..50_000]).await.unwrap();
    tokio::time::sleep(PAUSE).await;

    registry.shutdown.cancel();
    tokio::time::sleep(PAUSE).await;
    assert!(TcpStream::connect(registry.address).await.is_err());
    stream.write_all(&content[50_000..]).await.unwrap();

    Answer::read(&mut stream, false).await.expect_status(201);
    registry.stopped().await;
}

#[tokio::test]
async fn a_running_pull_finishes() {
    let mut registry = TestRegistry::start().await;
    let content = random(2, 20_000_000);
    let digest = registry.push_blob("a", &content).await;
    let pull = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\n\r\n");
    let mut stream = registry.raw(&pull).await;
    tokio::time::sleep(PAUSE).await;

    registry.shutdown.cancel();
    tokio::time::sleep(PAUSE).await;

    let answer = Answer::read(&mut stream, false).await.expect_status(200);
    assert_eq!(answer.body, content);
    registry.stopped().await;
}

#[tokio::test]
async fn idle_connections_close_at_once() {
    let mut registry = TestRegistry::start().await;
    let request = "GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n";
    let mut used = registry.raw(request).await;
    let mut buffer = [0; 1000];
    let length = used.read(&mut buffer).await.unwrap();
    assert!(length > 0);
    let mut fresh = registry.raw("").await;
    tokio::time::sleep(PAUSE).await;

    let started = Instant::now();
    registry.shutdown.cancel();

    assert_eq!(used.read(&mut buffer).await.unwrap_or(0), 0);
    assert_eq!(fresh.read(&mut buffer).await.unwrap_or(0), 0);
    registry.stopped().await;
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn what_does_not_end_is_cut_after_the_grace_period() {
    let settings = Settings {
        grace_period: Duration::from_millis(300),
        ..Settings::default()
    };
    let mut registry = TestRegistry::with(Setup::with_settings(settings)).await;
    let mut stream = registry.raw(&push(&digest_of(b"x"), 1000)).await;
    stream.write_all(b"some of it").await.unwrap();
    tokio::time::sleep(PAUSE).await;

    let started = Instant::now();
    registry.shutdown.cancel();
    registry.stopped().await;

    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(started.elapsed() < Duration::from_secs(2));
}

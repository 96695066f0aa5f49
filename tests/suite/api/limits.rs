//! Limits: slow and vanishing clients, and too many of them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use simple_registry::adapters::http::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Setup, TestRegistry, digest_of, random};

/// Deadlines that a test can wait for.
fn impatient() -> Settings {
    Settings {
        query_timeout: Duration::from_secs(1),
        header_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(2),
        ..Settings::default()
    }
}

async fn start(settings: Settings) -> TestRegistry {
    TestRegistry::with(Setup::with_settings(settings)).await
}

fn patch(location: &str, length: usize) -> String {
    format!(
        "PATCH {location} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// Whether the server closes the connection soon; what it said before that.
async fn closes(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    let _ = read.expect("the server closes the connection");
    rest
}

/// Asks until the session stands so, for things that happen after a client left.
async fn session_stands(registry: &TestRegistry, location: &str, range: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let answer = registry.get(location).send().await.expect_status(204);
        if answer.header("range") == Some(range) {
            return;
        }
        assert!(Instant::now() < deadline, "{:?}", answer.header("range"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// semantics.md, "Limits"
#[tokio::test]
async fn a_client_that_stops_sending_is_told_and_its_session_is_unharmed() {
    let registry = start(impatient()).await;
    let location = registry.start_upload("a").await;

    let mut stream = registry.raw(&patch(&location, 1000)).await;
    stream.write_all(b"some of it").await.unwrap();
    Answer::read(&mut stream, false).await.expect_status(408);

    session_stands(&registry, &location, "0-0").await;
    registry
        .patch(&location)
        .body(b"content")
        .send()
        .await
        .expect_status(202);
}

/// semantics.md, "Progress": a trickle does not hold a place for ever.
#[tokio::test]
async fn a_client_that_trickles_is_cut() {
    let registry = start(impatient()).await;
    let location = registry.start_upload("a").await;
    let mut stream = registry.raw(&patch(&location, 1_000_000)).await;
    let (mut reader, mut writer) = stream.split();

    let trickle = async {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = tokio::select! {
        answer = Answer::read(&mut reader, false) => answer,
        () = trickle => panic!("no answer"),
    };

    answer.expect_status(408);
}

/// semantics.md, "Limits"; lessons.md, correctness 25
#[tokio::test]
async fn a_slow_transfer_that_moves_is_never_cut() {
    let registry = start(impatient()).await;
    let content = random(1, 1_000_000);
    let location = registry.start_upload("a").await;
    let mut stream = registry.raw(&patch(&location, content.len())).await;

    for chunk in content.chunks(100_000) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        stream.write_all(chunk).await.unwrap();
    }
    Answer::read(&mut stream, false).await.expect_status(202);

    let digest = digest_of(&content);
    registry
        .put(format!("{location}?digest={digest}"))
        .send()
        .await
        .expect_status(201);
}

/// end-5: a chunk counts whole or not at all.
#[tokio::test]
async fn a_client_that_vanishes_leaves_its_session_as_it_was() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    registry
        .patch(&location)
        .body(b"12345")
        .send()
        .await
        .expect_status(202);

    let mut stream = registry.raw(&patch(&location, 1_000_000)).await;
    stream.write_all(&random(1, 500_000)).await.unwrap();
    drop(stream);

    session_stands(&registry, &location, "0-4").await;
    let digest = digest_of(b"1234567890");
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        // The write that was broken off may still hold the session.
        let call = registry.put(format!("{location}?digest={digest}"));
        let answer = call.body(b"67890").send().await;
        if answer.status == 201 {
            break;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// end-4b
#[tokio::test]
async fn a_push_that_breaks_off_leaves_no_blob() {
    let registry = TestRegistry::start().await;
    let content = random(2, 100_000);
    let digest = digest_of(&content);

    let mut stream = registry
        .raw(&format!(
            "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: r\r\n\
             Content-Length: 100000\r\n\r\n"
        ))
        .await;
    stream.write_all(&content[..50_000]).await.unwrap();
    drop(stream);

    tokio::time::sleep(Duration::from_millis(100)).await;
    registry
        .head(format!("/v2/a/blobs/{digest}"))
        .send()
        .await
        .expect_status(404);
}

/// A client that leaves does not stop a write half-way.
#[tokio::test]
async fn a_push_that_was_received_is_done_although_nobody_waits() {
    let registry = TestRegistry::start().await;
    let content = random(3, 1_000_000);
    let digest = digest_of(&content);

    let mut stream = registry
        .raw(&format!(
            "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: r\r\n\
             Content-Length: 1000000\r\n\r\n"
        ))
        .await;
    stream.write_all(&content).await.unwrap();
    stream.shutdown().await.unwrap();

    let deadline = Instant::now() + Duration::from_secs(5);
    let path = format!("/v2/a/blobs/{digest}");
    while registry.head(&path).send().await.status != 200 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// lessons.md, security 32; hyper itself waits for ever here.
#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let registry = start(impatient()).await;

    for beginning in ["", "P", "PRI * HT", "GET /v2/ HTTP/1.1\r\nHost: "] {
        let mut stream = registry.raw(beginning).await;
        let started = Instant::now();

        assert_eq!(closes(&mut stream).await, b"", "{beginning:?}");
        assert!(started.elapsed() >= Duration::from_millis(900));
    }
}

#[tokio::test]
async fn a_connection_without_another_request_is_closed() {
    let registry = start(impatient()).await;
    let mut stream = registry.raw("GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n").await;
    let started = Instant::now();

    let said = closes(&mut stream).await;

    assert!(said.starts_with(b"HTTP/1.1 200"));
    assert!(started.elapsed() >= Duration::from_millis(1900));
}

/// semantics.md, "Limits": 50 MB fit no buffer on the way.
#[tokio::test]
async fn a_client_that_does_not_take_its_response_is_cut() {
    let registry = start(Settings {
        max_concurrent_requests: 1,
        ..impatient()
    })
    .await;
    let digest = registry.push_blob("a", &random(4, 50_000_000)).await;
    let pull = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\n\r\n");
    let mut stream = registry.raw(&pull).await;

    // Its place is free again after a while.
    tokio::time::sleep(Duration::from_secs(2)).await;
    registry.get("/v2/").send().await.expect_status(200);
    assert!(closes(&mut stream).await.len() < 50_000_000);
}

/// lessons.md, correctness 25
#[tokio::test]
async fn a_client_that_takes_its_response_slowly_gets_all_of_it() {
    let registry = start(impatient()).await;
    let content = random(5, 20_000_000);
    let digest = registry.push_blob("a", &content).await;
    let pull = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n");
    let mut stream = registry.raw(&pull).await;

    let mut received = Vec::new();
    let mut buffer = vec![0; 1_000_000];
    loop {
        let length = stream.read(&mut buffer).await.unwrap();
        if length == 0 {
            break;
        }
        received.extend(&buffer[..length]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    assert_eq!(Answer::parse(&received, false).body, content);
}

/// The same over HTTP/2, where one stream can stand still and the connection not.
#[tokio::test]
async fn a_stream_that_is_not_taken_is_cut() {
    let registry = start(Settings {
        max_concurrent_requests: 1,
        ..impatient()
    })
    .await;
    let digest = registry.push_blob("a", &random(6, 20_000_000)).await;
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http::<Empty<Bytes>>();
    let pull = format!("http://{}/v2/a/blobs/{digest}", registry.address);
    let pull = Request::get(pull).body(Empty::new()).unwrap();
    let answer = client.request(pull).await.unwrap();
    assert_eq!(answer.status(), 200);

    tokio::time::sleep(Duration::from_secs(2)).await;

    registry.get("/v2/").send().await.expect_status(200);
    assert!(answer.into_body().collect().await.is_err());
}

/// semantics.md, "Limits": a transfer holds its place while it runs.
#[tokio::test]
async fn a_transfer_holds_its_place_until_it_ends() {
    let registry = start(Settings {
        max_concurrent_requests: 1,
        ..impatient()
    })
    .await;
    let digest = registry.push_blob("a", &random(7, 50_000_000)).await;
    let pull = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n");
    let mut stream = registry.raw(&pull).await;
    let slowly = async {
        let mut buffer = vec![0; 500_000];
        while stream.read(&mut buffer).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };

    let answer = tokio::select! {
        answer = registry.get("/v2/").send() => answer,
        () = slowly => panic!("the transfer was to take longer"),
    };
    answer.expect_error(429, "TOOMANYREQUESTS");

    drop(stream);
    registry.get("/v2/").send().await.expect_status(200);
}

/// A push that goes on and on, until it is told to end.
async fn busy(registry: &TestRegistry) -> tokio::task::JoinHandle<()> {
    let location = registry.start_upload("busy").await;
    let mut stream = registry.raw(&patch(&location, 1_000_000_000)).await;
    let piece = vec![0; 70_000];
    tokio::spawn(async move {
        while stream.write_all(&piece).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}

/// code-14; semantics.md, "Limits"
#[tokio::test]
async fn whoever_finds_no_place_is_told_to_come_back() {
    let registry = start(Settings {
        max_concurrent_requests: 1,
        ..impatient()
    })
    .await;
    let busy = busy(&registry).await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    let answer = registry.get("/v2/").send().await;

    let answer = answer.expect_error(429, "TOOMANYREQUESTS");
    assert_eq!(answer.header("retry-after"), Some("5"));
    busy.abort();
}

/// semantics.md, "Limits"
#[tokio::test]
async fn whoever_waits_gets_the_next_place() {
    let registry = start(Settings {
        max_concurrent_requests: 1,
        ..Settings::default()
    })
    .await;
    let busy = busy(&registry).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let end = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        busy.abort();
    };

    let (answer, ()) = tokio::join!(registry.get("/v2/").send(), end);

    answer.expect_status(200);
}

/// semantics.md, "Reload": nobody who waits is sent away, and nobody inside is cut.
#[tokio::test]
async fn a_limit_that_changes_while_requests_wait_drops_nobody() {
    let registry = start(Settings {
        max_concurrent_requests: 2,
        ..Settings::default()
    })
    .await;
    let (first, second) = (busy(&registry).await, busy(&registry).await);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waits: Vec<_> = (0..20)
        .map(|_| tokio::spawn(registry.get("/v2/").send()))
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let limit = |places| {
        registry.swap(|serving| serving.settings.max_concurrent_requests = places);
    };

    limit(1);
    // One of two places is gone, and the other one is taken.
    first.abort();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waits.iter().any(tokio::task::JoinHandle::is_finished));
    limit(2);

    for wait in waits {
        wait.await.unwrap().expect_status(200);
    }
    assert!(!second.is_finished());
    second.abort();
}

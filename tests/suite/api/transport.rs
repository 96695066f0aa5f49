//! How requests travel: protocols, expectations, malformed text.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Answer, Setup, TestRegistry, digest_of, random};

#[tokio::test]
async fn http_2_pushes_and_pulls() {
    let registry = TestRegistry::start().await;
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http::<Full<Bytes>>();
    let content = random(1, 3_000_000);
    let digest = digest_of(&content);
    let base = format!("http://{}/v2/a/blobs", registry.address);

    let push = Request::post(format!("{base}/uploads/?digest={digest}"))
        .body(Full::from(content.clone()))
        .unwrap();
    let answer = client.request(push).await.unwrap();
    assert_eq!(answer.status(), 201);

    let head = Request::head(format!("{base}/{digest}"))
        .body(Full::default())
        .unwrap();
    let answer = client.request(head).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "3000000");

    let pull = Request::get(format!("{base}/{digest}"))
        .body(Full::default())
        .unwrap();
    let answer = client.request(pull).await.unwrap();
    assert_eq!(answer.status(), 200);
    let pulled = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(pulled, content);
}

/// A client that asks and does not read makes the server keep what it asked
/// for: a megabyte for each stream that is allowed on its connection.
#[tokio::test]
async fn http_2_allows_few_streams_on_one_connection() {
    const SETTINGS: u8 = 4;
    const MAX_CONCURRENT_STREAMS: u16 = 3;

    let registry = TestRegistry::start().await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    let mut stream = registry.raw(preface).await;

    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], SETTINGS);
    let mut settings = vec![0; usize::from(head[2])];
    stream.read_exact(&mut settings).await.unwrap();

    let streams = settings
        .chunks(6)
        .find(|it| it[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes())
        .map(|it| u32::from_be_bytes(it[2..].try_into().unwrap()));
    assert!(streams.is_some_and(|it| it <= 16), "{streams:?}");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", b"content").await;
    let pull = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: r\r\n");
    let mut stream = registry.raw("").await;

    let mut buffer = vec![0; 10_000];
    for _ in 0..10 {
        stream
            .write_all(format!("{pull}\r\n").as_bytes())
            .await
            .unwrap();
        let mut length = 0;
        while !buffer[..length].ends_with(b"content") {
            length += stream.read(&mut buffer[length..]).await.unwrap();
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"));
    }
}

/// A client that waits for leave to send gets it, or the reason why not.
#[tokio::test]
async fn a_client_may_ask_before_it_sends() {
    let setup = Setup::with_namespaces([("open", Setup::open()), ("closed", Setup::closed())]);
    let registry = TestRegistry::with(setup).await;
    let digest = digest_of(b"content");
    let ask = |repository: &str| {
        format!(
            "POST /v2/{repository}/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: r\r\n\
             Connection: close\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n"
        )
    };

    let mut stream = registry.raw(&ask("open")).await;
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"content").await.unwrap();
    Answer::read(&mut stream, false).await.expect_status(201);

    let mut stream = registry.raw(&ask("closed")).await;
    Answer::read(&mut stream, false)
        .await
        .expect_error(403, "DENIED");
}

/// A client that is refused while it sends can go on to the end of what it
/// sends, and then read why: no reset in between, which on some systems takes
/// the answer away.
#[tokio::test]
async fn an_early_refusal_is_no_reset() {
    let registry = TestRegistry::with(Setup::with_namespaces([("*", Setup::closed())])).await;
    let content = vec![0; 16 * 1024 * 1024];
    let head = format!(
        "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: r\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    let mut stream = registry.raw(&head).await;

    stream.write_all(&content).await.unwrap();

    Answer::read(&mut stream, false)
        .await
        .expect_error(403, "DENIED");
}

/// containerd 1.6 waits for ever when it is answered before it has written a
/// manifest; Go's server reads little bodies first, and so clients rely on it.
#[tokio::test]
async fn a_little_body_is_read_before_it_is_refused() {
    let registry = TestRegistry::with(Setup::with_namespaces([("*", Setup::closed())])).await;
    let head = "PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: r\r\nContent-Length: 7\r\n\r\n";
    let mut stream = registry.raw(head).await;
    let early = tokio::time::timeout(Duration::from_millis(300), stream.read_u8());
    assert!(early.await.is_err(), "answered before the body was there");

    // Nothing is left of it: the connection can be used again.
    let rest = "contentGET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n";
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 403").count(), 2, "{answers}");
}

/// code-8, code-13; 404 without JSON where the spec has no code.
#[tokio::test]
async fn malformed_requests_are_refused_as_what_they_are() {
    let registry = TestRegistry::start().await;

    let answer = registry.get("/v2/UPPER/tags/list").send().await;
    answer.expect_error(400, "NAME_INVALID");
    let answer = registry.get("/v2/a/manifests/-bad").send().await;
    answer.expect_error(400, "NAME_INVALID");
    let answer = registry.get("/v2/../../etc/passwd/tags/list").send().await;
    answer.expect_error(400, "NAME_INVALID");
    let answer = registry.get("/v2/%2e%2e/blobs/x").send().await;
    answer.expect_error(400, "NAME_INVALID");
    let answer = registry.get("/v2/a%2fb/tags/list").send().await;
    answer.expect_error(400, "NAME_INVALID");

    let answer = registry.post("/v2/a/tags/list").send().await;
    let answer = answer.expect_error(405, "UNSUPPORTED");
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));

    let answer = registry.get("/elsewhere").send().await.expect_status(404);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
}

/// containerd's mirrors; there are none yet.
#[tokio::test]
async fn a_registry_that_nothing_mirrors_is_unknown() {
    let registry = TestRegistry::start().await;

    let answer = registry
        .get("/v2/library/nginx/manifests/latest?ns=docker.io")
        .send()
        .await;

    answer.expect_error(404, "NAME_UNKNOWN");
}

/// lessons.md, security 13 and 16: a page of another origin gets no leave to
/// read, and no cookie could speak for its reader.
#[tokio::test]
async fn another_origin_is_told_nothing() {
    let registry = TestRegistry::start().await;
    registry.push_blob("a", b"content").await;
    for path in ["/v2/", "/v2/_catalog", "/v2/a/tags/list"] {
        let call = registry.get(path).header("Origin", "http://elsewhere");
        let answer = call.send().await;

        for name in ["access-control-allow-origin", "set-cookie"] {
            assert_eq!(answer.header(name), None, "{path}");
        }
    }
}

/// lessons.md, security 32: a proxy in front may believe the other length, and
/// take what follows for the next request.
#[tokio::test]
async fn a_body_of_two_lengths_ends_its_connection() {
    let registry = TestRegistry::start().await;
    let hidden = "GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n";
    let lengths = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked, identity",
    ];
    for lengths in lengths {
        let text = format!(
            "PUT /v2/a/manifests/x HTTP/1.1\r\nHost: r\r\n{lengths}\r\n\r\n0\r\n\r\n{hidden}"
        );
        let mut stream = registry.raw(&text).await;
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();

        assert!(answers.starts_with("HTTP/1.1 400"), "{lengths}: {answers}");
        assert_eq!(
            answers.matches("HTTP/1.1").count(),
            1,
            "{lengths}: {answers}"
        );
    }
}

/// Whatever comes, the server stands.
#[tokio::test]
async fn garbage_ends_its_connection_and_nothing_else() {
    let registry = TestRegistry::start().await;
    let garbage = [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET /v2/ HTTP/9.9\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage garbage garbage garbage",
        "OPTIONS * HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n",
    ];
    for text in garbage {
        let mut stream = registry.raw(text).await;
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 5"), "{text:?}");

        registry.get("/v2/").send().await.expect_status(200);
    }
}

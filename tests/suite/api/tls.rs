//! TLS: what is encrypted, for whom, and who is told why not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ServerConfig};
use simple_registry::adapters::http::Settings;
use simple_registry::domain::access::AccessPolicy;
use simple_registry::domain::model::{AccessRequest, Caller};
use simple_registry::domain::namespaces::Namespace;
use simple_registry::ports::{AccessRule, RuleError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Answer, Authority, Setup, TestRegistry, TlsClient, digest_of, random};

/// A registry over TLS.
async fn start(tls: Arc<ServerConfig>, setup: Setup) -> TestRegistry {
    let tls = Some(tls);
    TestRegistry::with(Setup { tls, ..setup }).await
}

/// True for bob of the organization admin.
struct BobOfAdmin;

impl AccessRule for BobOfAdmin {
    fn matches(&self, caller: &Caller, _: &AccessRequest) -> Result<bool, RuleError> {
        let certificate = &caller.certificate;
        Ok(certificate.common_names == ["bob"] && certificate.organizations == ["admin"])
    }

    fn asks_for_the_tag(&self) -> bool {
        false
    }
}

/// A registry for bob alone.
fn for_bob() -> Setup {
    let access_policy = AccessPolicy {
        default_allow: false,
        rules: vec![Arc::new(BobOfAdmin)],
    };
    let namespace = Namespace {
        access_policy,
        ..Namespace::default()
    };
    Setup::with_namespaces([("*", namespace)])
}

#[tokio::test]
async fn http_1_pushes_and_pulls_over_every_version() {
    let authority = Authority::new();
    let registry = start(authority.serves(None), Setup::default()).await;
    let content = random(1, 3_000_000);
    let digest = digest_of(&content);
    for version in [&TLS12, &TLS13] {
        for protocols in [&["http/1.1"][..], &[]] {
            let client = TlsClient::of_versions(&authority, None, &[version]).speaking(protocols);
            let connect = || async { client.connect(registry.address).await.unwrap() };

            registry
                .post(format!("/v2/a/blobs/uploads/?digest={digest}"))
                .body(&content)
                .send_on(connect().await)
                .await
                .expect_status(201);
            let stream = connect().await;
            let pull = registry.get(format!("/v2/a/blobs/{digest}"));
            let answer = pull.send_on(stream).await.expect_status(200);

            assert_eq!(answer.body, content);
        }
    }
}

#[tokio::test]
async fn http_2_is_preferred_and_pushes_and_pulls() {
    let authority = Authority::new();
    let registry = start(authority.serves(None), Setup::default()).await;
    let client = TlsClient::new(&authority, None).speaking(&["http/1.1", "h2"]);
    let stream = client.connect(registry.address).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let content = random(2, 3_000_000);
    let digest = digest_of(&content);
    let base = "https://localhost/v2/a/blobs";

    let push = Request::post(format!("{base}/uploads/?digest={digest}"));
    let push = push.body(Full::from(content.clone())).unwrap();
    assert_eq!(sender.send_request(push).await.unwrap().status(), 201);
    let pull = Request::get(format!("{base}/{digest}"));
    let pull = pull.body(Full::<Bytes>::default()).unwrap();
    let answer = sender.send_request(pull).await.unwrap();

    assert_eq!(answer.status(), 200);
    let pulled = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(pulled, content);
}

/// semantics.md, "Identity": CN and O come from the leaf. A session that is
/// resumed has the certificate that it began with.
#[tokio::test]
async fn the_names_of_a_client_certificate_reach_the_policy() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let registry = start(authority.serves(Some(&clients)), for_bob()).await;
    let path = "/v2/a/tags/list";
    for (shown, status) in [
        (None, 403),
        (Some(clients.client("bob", "admin")), 404),
        (Some(clients.client("bob", "guests")), 403),
        (Some(clients.client("alice", "admin")), 403),
    ] {
        let client = TlsClient::new(&authority, shown.as_ref());
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let stream = client.connect(registry.address).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));

            let answer = registry.get(path).send_on(stream).await;

            answer.expect_status(status);
        }
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_ends_the_handshake() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let registry = start(authority.serves(Some(&clients)), Setup::default()).await;
    let stranger = Authority::new().client("bob", "admin");
    for version in [&TLS12, &TLS13] {
        let client = TlsClient::of_versions(&authority, Some(&stranger), &[version]);

        // With TLS 1.3 a client has done its part before its certificate is looked at.
        let refused = async {
            let mut stream = client.connect(registry.address).await?;
            stream
                .write_all(b"GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n")
                .await?;
            stream.read_u8().await
        };

        let error = refused.await.unwrap_err().to_string();
        assert!(error.contains("alert"), "{error}");
    }
}

/// lessons.md, correctness 44
#[tokio::test]
async fn a_stalled_handshake_holds_up_nobody_and_ends() {
    let authority = Authority::new();
    let settings = Settings {
        header_timeout: Duration::from_millis(500),
        ..Settings::default()
    };
    let registry = start(authority.serves(None), Setup::with_settings(settings)).await;
    let begun = Instant::now();
    let mut stalled = Vec::new();
    for text in ["", "\u{16}", "\u{16}\u{3}\u{1}\u{2}\0\u{1}"] {
        stalled.push(registry.raw(text).await);
    }

    let client = TlsClient::new(&authority, None);
    let stream = client.connect(registry.address).await.unwrap();
    registry
        .get("/v2/")
        .send_on(stream)
        .await
        .expect_status(200);
    assert!(begun.elapsed() < Duration::from_millis(500));

    for mut stream in stalled {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
        let _ = closed.await.expect("it is closed");
    }
}

#[tokio::test]
async fn who_speaks_in_the_clear_is_told_so() {
    let authority = Authority::new();
    let registry = start(authority.serves(None), Setup::default()).await;

    let answer = registry
        .post("/v2/a/blobs/uploads/")
        .body(vec![0; 1_000_000]);
    let answer = answer.send().await.expect_status(400);

    let text = String::from_utf8(answer.body).unwrap();
    assert_eq!(text, "this port speaks TLS: use an https:// URL\n");
    let stream = TlsClient::new(&authority, None)
        .connect(registry.address)
        .await;
    let answer = registry.get("/v2/").send_on(stream.unwrap()).await;
    answer.expect_status(200);
}

/// Our own TLS has no older version to try with, so this writes the first
/// message of one.
#[tokio::test]
async fn versions_before_1_2_are_refused() {
    const PROTOCOL_VERSION: u8 = 70;
    let authority = Authority::new();
    let registry = start(authority.serves(None), Setup::default()).await;
    for minor in [1, 2] {
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        // No session, one cipher suite, no compression, one kind of signatures.
        hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
        hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
        let length = u8::try_from(hello.len()).unwrap();
        let mut stream = registry.raw("").await;
        stream
            .write_all(&[22, 3, 1, 0, length + 4, 1, 0, 0, length])
            .await
            .unwrap();
        stream.write_all(&hello).await.unwrap();

        let mut alert = Vec::new();
        stream.read_to_end(&mut alert).await.unwrap();

        assert_eq!(alert[0], 21, "{alert:?}");
        assert_eq!(alert[6], PROTOCOL_VERSION, "{alert:?}");
    }
}

/// An answer that comes while the client still sends is not lost by a reset.
#[tokio::test]
async fn an_early_refusal_over_tls_is_no_reset() {
    let authority = Authority::new();
    let setup = Setup::with_namespaces([("*", Setup::closed())]);
    let registry = start(authority.serves(None), setup).await;
    let stream = TlsClient::new(&authority, None)
        .connect(registry.address)
        .await;
    let mut stream = stream.unwrap();
    let head = "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: r\r\nContent-Length: 8000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..8 {
        stream.write_all(&vec![0; 1_000_000]).await.unwrap();
    }

    let answer = Answer::read(&mut stream, false).await;

    answer.expect_error(403, "DENIED");
}

/// semantics.md, "Reload": nobody is cut off.
#[tokio::test]
async fn a_new_certificate_serves_new_connections_and_old_ones_live_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let registry = start(old.serves(None), Setup::default()).await;
    let (of_old, of_new) = (TlsClient::new(&old, None), TlsClient::new(&new, None));
    let living = of_old.connect(registry.address).await.unwrap();

    registry.swap(|serving| serving.tls = Some(new.serves(None)));

    registry
        .get("/v2/")
        .send_on(living)
        .await
        .expect_status(200);
    let stream = of_new.connect(registry.address).await.unwrap();
    registry
        .get("/v2/")
        .send_on(stream)
        .await
        .expect_status(200);
    assert!(of_old.connect(registry.address).await.is_err());
}

/// Else a client would get in by the authority that was taken away.
#[tokio::test]
async fn a_session_of_earlier_authorities_is_not_resumed() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let registry = start(authority.serves(Some(&clients)), for_bob()).await;
    let client = TlsClient::new(&authority, Some(&clients.client("bob", "admin")));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let stream = client.connect(registry.address).await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
        let answer = registry.get("/v2/a/tags/list").send_on(stream).await;
        answer.expect_status(404);
    }

    let others = authority.serves(Some(&Authority::new()));
    registry.swap(|serving| serving.tls = Some(others));

    let refused = async {
        let mut stream = client.connect(registry.address).await?;
        assert_ne!(
            stream.get_ref().1.handshake_kind(),
            Some(HandshakeKind::Resumed)
        );
        stream.read_u8().await
    };
    refused.await.unwrap_err();
}

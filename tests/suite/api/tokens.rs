//! Tokens: who gets which, and what they open.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use simple_registry::adapters::clock::SystemClock;
use simple_registry::adapters::http::Settings;
use simple_registry::adapters::units::HttpUrl;
use simple_registry::domain::model::Timestamp;
use simple_registry::domain::namespaces::Namespace;
use simple_registry::ports::Clock;

use super::access::everything;
use super::identities::{alice, identity};
use crate::support::{Answer, Authority, Call, Setup, TestRegistry, TlsClient, digest_of};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Everybody pulls, alice pushes, and nobody deletes.
fn mixed() -> Namespace {
    Setup::ruled(
        false,
        &[
            "request.action in ['get-api-version', 'get-blob', 'get-manifest', 'get-referrers', 'list-tags', 'list-catalog']",
            "identity.username == 'alice' && !request.action.startsWith('delete-')",
        ],
    )
}

/// A namespace for alice alone.
fn for_alice() -> Namespace {
    Setup::ruled(false, &["identity.username == 'alice'"])
}

fn setup(namespaces: impl IntoIterator<Item = (&'static str, Namespace)>) -> Setup {
    Setup {
        identities: Some(alice()),
        ..Setup::with_namespaces(namespaces)
    }
}

/// The token of an answer, which is as clients expect it.
#[track_caller]
fn token_of(answer: Answer) -> String {
    let answer = answer.expect_status(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = answer.json();
    assert_eq!(json["token"], json["access_token"]);
    assert_eq!(json["expires_in"], 300);
    assert!(json["issued_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(json.get("refresh_token"), None);
    json["token"].as_str().unwrap().to_owned()
}

/// A token for this scope: alice's, or anybody's.
async fn token(registry: &TestRegistry, is_alice: bool, scope: &str) -> String {
    let scope = scope.replace(' ', "&scope=");
    let call = registry.get(format!("/token?service=test&scope={scope}"));
    let call = if is_alice {
        call.login("alice", "secret")
    } else {
        call
    };
    token_of(call.send().await)
}

/// The scope that a token says it is for.
fn scope_of(token: &str) -> String {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap());
    let payload: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    payload["scope"].as_str().unwrap().to_owned()
}

trait Bears {
    fn bear(self, token: &str) -> Self;
}

impl Bears for Call {
    fn bear(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }
}

#[track_caller]
fn assert_asked(answer: &Answer, scope: &str, error: &str) {
    let mut expected = r#"Bearer realm="http://registry/token",service="test""#.to_owned();
    for (name, value) in [("scope", scope), ("error", error)] {
        if !value.is_empty() {
            expected.extend([",", name, "=\"", value, "\""]);
        }
    }
    assert_eq!(answer.status, 401);
    assert_eq!(answer.all("www-authenticate"), [expected]);
}

fn push(registry: &TestRegistry, repository: &str) -> Call {
    let body = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[]}}"#);
    let call = registry.put(format!("/v2/{repository}/manifests/latest"));
    call.body(body).header("Content-Type", INDEX)
}

/// lessons.md, users ask 10: anonymous pull, authenticated push, by the way that Docker goes.
#[tokio::test]
async fn anybody_pulls_by_a_token_and_only_alice_pushes() {
    let registry = TestRegistry::with(setup([("*", mixed())])).await;
    let asked = registry.get("/v2/").send().await;
    assert_asked(&asked, "", "");

    let hers = token(&registry, true, "repository:a:pull,push").await;
    let pushed = push(&registry, "a").bear(&hers).send().await;
    pushed.expect_status(201);

    let anybodys = token(&registry, false, "repository:a:pull,push").await;
    let pull = || registry.get("/v2/a/manifests/latest");
    pull().bear(&anybodys).send().await.expect_status(200);
    registry
        .get("/v2/")
        .bear(&anybodys)
        .send()
        .await
        .expect_status(200);
    let refused = push(&registry, "a").bear(&anybodys).send().await;
    assert_asked(&refused, "repository:a:pull,push", "insufficient_scope");
    let refused = push(&registry, "a").send().await;
    assert_asked(&refused, "repository:a:pull,push", "");
    // Without a token as well, where nobody asked.
    pull().send().await.expect_status(200);
    pull()
        .login("alice", "secret")
        .send()
        .await
        .expect_status(200);
}

#[tokio::test]
async fn a_token_is_for_what_was_asked_as_far_as_the_policy_may_allow_it() {
    let registry = TestRegistry::with(setup([("*", mixed()), ("hers", for_alice())])).await;
    for (is_alice, asked, granted) in [
        (false, "repository:a:pull,push", "repository:a:pull"),
        (true, "repository:a:pull,push", "repository:a:pull,push"),
        (true, "repository:a:*", "repository:a:pull,push"),
        (true, "repository:a:admin", ""),
        (false, "repository:hers/a:pull", ""),
        (
            true,
            "repository:hers/a:push repository:b:pull repository:c:nonsense",
            "repository:hers/a:push repository:b:pull",
        ),
        // One parameter for all, as some clients have it.
        (
            true,
            "repository:hers/a:push+repository:b:pull",
            "repository:hers/a:push repository:b:pull",
        ),
        (false, "registry:catalog:*", "registry:catalog:*"),
    ] {
        let token = token(&registry, is_alice, asked).await;
        assert_eq!(scope_of(&token), granted, "{asked}");
    }
}

/// lessons.md, security 11 (GHSA-qg67-7m6v-qg25): every endpoint, with tokens for everything else.
#[tokio::test]
async fn no_token_does_what_it_is_not_for() {
    let registry = TestRegistry::with(setup([("*", for_alice())])).await;
    let pull = token(&registry, true, "repository:a:pull").await;
    let pushing = token(&registry, true, "repository:a:push").await;
    let deleting = token(&registry, true, "repository:a:delete").await;
    let other = token(&registry, true, "repository:b:* registry:catalog:*").await;
    let empty = token(&registry, true, "").await;
    for (method, path) in everything("a") {
        let is_upload = path.contains("/uploads/");
        let (own, scope) = match method {
            "GET" | "HEAD" if !is_upload => (&pull, "repository:a:pull"),
            "DELETE" if !is_upload => (&deleting, "repository:a:delete"),
            _ => (&pushing, "repository:a:pull,push"),
        };
        for token in [&pull, &pushing, &deleting, &other, &empty] {
            let answer = registry.call(method, &path).bear(token).send().await;
            if token == own && !path.contains("from=a") {
                assert!(!matches!(answer.status, 401 | 403), "{method} {path}");
            } else {
                assert_asked(&answer, scope, "insufficient_scope");
            }
        }
    }
}

/// 403 for what is denied to whom the token names, whatever the token is for.
#[tokio::test]
async fn what_the_policy_denies_no_token_opens() {
    let registry = TestRegistry::with(setup([("*", mixed()), ("closed", Setup::closed())])).await;
    let hers = token(&registry, true, "repository:a:* repository:closed:*").await;
    for (method, path) in [
        ("DELETE", "/v2/a/manifests/latest"),
        ("GET", "/v2/closed/manifests/latest"),
        ("POST", "/v2/closed/blobs/uploads/"),
    ] {
        let answer = registry.call(method, path).bear(&hers).send().await;
        let answer = answer.expect_error(403, "DENIED");
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

/// lessons.md, security 9: tokens that were given are judged by what is configured now.
#[tokio::test]
async fn a_token_outlives_neither_its_policy_nor_its_identity() {
    let first = setup([("*", for_alice())]);
    let identities = first.identities.clone();
    let before = |policy| Setup {
        identities: identities.clone(),
        ..setup([("*", policy)])
    };
    let registry = TestRegistry::with(first).await;
    let hers = token(&registry, true, "repository:a:*").await;
    let status = || async {
        let answer = registry.get("/v2/a/tags/list").bear(&hers).send().await;
        answer.status
    };
    assert_eq!(status().await, 404);

    let replace = |setup: Setup| registry.swap(|serving| serving.registry = setup.registry());
    replace(before(Setup::closed()));
    assert_eq!(status().await, 403);

    for (id, username, password) in [
        ("id-of-alice", "alice", "changed"),
        // The hash has a salt, so the same password is another hash.
        ("id-of-alice", "alice", "secret"),
        ("another-id", "alice", "secret"),
        ("id-of-alice", "bob", "secret"),
    ] {
        replace(Setup {
            identities: Some(identity(id, username, password)),
            ..before(for_alice())
        });
        let answer = registry.get("/v2/a/tags/list").bear(&hers).send().await;
        assert_asked(&answer, "repository:a:pull", "invalid_token");
    }

    replace(before(for_alice()));
    assert_eq!(status().await, 404);
}

#[tokio::test]
async fn what_is_no_token_is_told_so_everywhere() {
    let registry = TestRegistry::with(setup([("*", Setup::open())])).await;
    let hers = token(&registry, true, "repository:a:*").await;
    let unsigned = hers.rsplit_once('.').unwrap().0;
    let huge = "a".repeat(20_000);
    for token in ["", "x", "a.b.c", unsigned, &huge] {
        let answer = registry.get("/v2/a/tags/list").bear(token).send().await;
        answer.expect_error(401, "UNAUTHORIZED");
    }
    let answer = registry.get("/v2/").bear("x").send().await;
    assert_asked(&answer, "", "invalid_token");
}

/// lessons.md, security 30: a token endpoint is as slow to guess at as any other.
#[tokio::test]
async fn guesses_at_the_token_service_are_counted() {
    let form = |password: &str| format!("grant_type=password&username=alice&password={password}");
    for by_form in [false, true] {
        let setup = setup([("*", for_alice())]);
        let identities = setup.identities.clone().unwrap();
        let registry = TestRegistry::with(setup).await;
        let guess = |password: &str| {
            let call = if by_form {
                registry.post("/token").body(form(password))
            } else {
                registry.get("/token").login("alice", password)
            };
            call.send()
        };
        for _ in 0..5 {
            let answer = guess("wrong").await.expect_error(401, "UNAUTHORIZED");
            let asked = answer.all("www-authenticate");
            assert_eq!(asked, [r#"Basic realm="Simple-Registry""#]);
        }
        let answer = guess("wrong").await.expect_error(429, "TOOMANYREQUESTS");
        assert!(answer.header("retry-after").is_some());
        guess("secret").await.expect_status(429);
        assert_eq!(identities.hashed(), 5);
    }
}

/// `OAuth2`, as Docker and containerd ask first where they have a password.
#[tokio::test]
async fn a_form_gets_a_token_too() {
    let registry = TestRegistry::with(setup([("*", for_alice())])).await;
    let post = |form: String| {
        let call = registry.post("/token").body(form);
        call.header("Content-Type", "application/x-www-form-urlencoded")
    };
    let form = "grant_type=password&username=alice&password=secret&service=test&client_id=x&access_type=offline\
                &scope=repository%3Aa%3Apull%2Cpush+repository%3Ab%3Apull";
    let token = token_of(post(form.to_owned()).send().await);
    assert_eq!(scope_of(&token), "repository:a:pull,push repository:b:pull");
    push(&registry, "a")
        .bear(&token)
        .send()
        .await
        .expect_status(201);

    for form in [
        "",
        "grant_type=password&username=alice",
        "grant_type=refresh_token&refresh_token=x",
        "username=alice&password=secret",
        "%ff=x",
    ] {
        post(form.to_owned()).send().await.expect_status(400);
    }
    // lessons.md, security 1
    post("a".repeat(17_000)).send().await.expect_status(413);
    post("a".repeat(17_000))
        .chunked()
        .send()
        .await
        .expect_status(413);
}

#[tokio::test]
async fn a_token_buys_no_other_token() {
    let registry = TestRegistry::with(setup([("*", for_alice())])).await;
    let hers = token(&registry, true, "repository:a:pull").await;

    let answer = registry
        .get("/token?scope=repository:a:*")
        .bear(&hers)
        .send()
        .await;

    answer.expect_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn without_identities_there_are_no_tokens() {
    let registry = TestRegistry::with(Setup::default()).await;

    registry.get("/token").send().await.expect_status(404);
    registry.post("/token").send().await.expect_status(404);
    registry
        .get("/v2/")
        .bear("x")
        .send()
        .await
        .expect_status(200);
}

/// end-11: with a token for both, without the token, and without the right.
#[tokio::test]
async fn a_mount_needs_a_token_for_its_source_too() {
    let registry =
        TestRegistry::with(setup([("*", for_alice()), ("secret", Setup::closed())])).await;
    let both = token(
        &registry,
        true,
        "repository:a:pull,push repository:b:pull,push",
    )
    .await;
    let digest = digest_of(b"content");
    let pushed = registry.post(format!("/v2/a/blobs/uploads/?digest={digest}"));
    pushed
        .body("content")
        .bear(&both)
        .send()
        .await
        .expect_status(201);
    let target = token(&registry, true, "repository:b:pull,push").await;
    let mount = |from: &str| registry.post(format!("/v2/b/blobs/uploads/?mount={digest}{from}"));

    let answer = mount("&from=a").bear(&target).send().await;
    assert_asked(
        &answer,
        "repository:b:pull,push repository:a:pull",
        "insufficient_scope",
    );
    mount("&from=secret")
        .bear(&target)
        .send()
        .await
        .expect_status(202);
    mount("&from=a").bear(&both).send().await.expect_status(201);
    // No scope can name what the client does not know: the policy decides.
    mount("").bear(&target).send().await.expect_status(201);
    let answer = mount("&from=a").send().await;
    assert_asked(&answer, "repository:b:pull,push repository:a:pull", "");
}

#[tokio::test]
async fn the_catalog_is_for_whom_was_asked_to_log_in() {
    let registry = TestRegistry::with(setup([("*", mixed()), ("hers", for_alice())])).await;
    let all = token(&registry, true, "repository:a:push repository:hers/a:push").await;
    for repository in ["a", "hers/a"] {
        push(&registry, repository)
            .bear(&all)
            .send()
            .await
            .expect_status(201);
    }
    let catalog = || registry.get("/v2/_catalog");
    assert_asked(&catalog().send().await, "registry:catalog:*", "");
    let answer = catalog().bear(&all).send().await;
    assert_asked(&answer, "registry:catalog:*", "insufficient_scope");
    for (is_alice, names) in [(true, &["a", "hers/a"][..]), (false, &["a"])] {
        let token = token(&registry, is_alice, "registry:catalog:*").await;
        let answer = catalog().bear(&token).send().await.expect_status(200);
        assert_eq!(answer.json()["repositories"], serde_json::json!(names));
    }
    let answer = catalog().login("alice", "secret").send().await;
    assert_eq!(answer.json()["repositories"].as_array().unwrap().len(), 2);
}

/// The system's clock, so much later.
struct Later(AtomicI64);

#[async_trait]
impl Clock for Later {
    fn now(&self) -> Timestamp {
        let later = Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs());
        SystemClock.now().after(later)
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}

/// A push that outlives its token goes on where it stood with the next one.
#[tokio::test]
async fn a_push_that_outlives_its_token_goes_on_with_another() {
    let clock = Arc::new(Later(AtomicI64::new(0)));
    let setup = Setup {
        tokens: Some(Setup::tokens("k".repeat(32), clock.clone())),
        ..setup([("*", for_alice())])
    };
    let registry = TestRegistry::with(setup).await;
    let first = token(&registry, true, "repository:a:pull,push").await;
    let started = registry
        .post("/v2/a/blobs/uploads/")
        .bear(&first)
        .send()
        .await;
    let location = started
        .expect_status(202)
        .header("location")
        .unwrap()
        .to_owned();
    let half = registry
        .patch(&location)
        .bear(&first)
        .body("con")
        .send()
        .await;
    half.expect_status(202);

    clock.0.store(301, Ordering::SeqCst);
    // Nothing of the body is waited for.
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\nContent-Length: 1000\r\n\
         Authorization: Bearer {first}\r\n\r\n"
    );
    let answer = Answer::read(&mut registry.raw(&head).await, false).await;
    assert_asked(&answer, "repository:a:pull,push", "invalid_token");

    let second = token(&registry, true, "repository:a:pull,push").await;
    let status = registry.get(&location).bear(&second).send().await;
    assert_eq!(status.expect_status(204).header("range"), Some("0-2"));
    let rest = registry.patch(&location).bear(&second);
    rest.header("Content-Range", "3-6")
        .body("tent")
        .send()
        .await
        .expect_status(202);
    let digest = digest_of(b"content");
    let done = registry
        .put(format!("{location}?digest={digest}"))
        .bear(&second);
    done.send().await.expect_status(201);
}

/// Two servers with one key believe each other; and with a key of the store, too (`contracts/token_keys`).
#[tokio::test]
async fn a_token_of_one_replica_opens_the_other() {
    let first = setup([("*", for_alice())]);
    let second = Setup {
        identities: first.identities.clone(),
        storage: first.storage.clone(),
        ..setup([("*", for_alice())])
    };
    let other_key = Setup {
        identities: first.identities.clone(),
        tokens: Some(Setup::tokens("o".repeat(32), Arc::new(SystemClock))),
        ..setup([("*", for_alice())])
    };
    let first = TestRegistry::with(first).await;
    let token = token(&first, true, "repository:a:pull").await;
    for (setup, status) in [(second, 404), (other_key, 401)] {
        let other = TestRegistry::with(setup).await;
        let answer = other.get("/v2/a/tags/list").bear(&token).send().await;
        answer.expect_status(status);
    }
}

/// The realm is what the client calls us, and never more than a host.
#[tokio::test]
async fn the_realm_is_where_the_client_is() {
    let proxied = Settings {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..Settings::default()
    };
    let told = Settings {
        external_url: Some(HttpUrl::parse("https://registry.example/prefix/").unwrap()),
        ..Settings::default()
    };
    let headers = [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "outer.example"),
    ];
    for (settings, realm) in [
        (Settings::default(), "http://registry/token"),
        (proxied, "https://outer.example/token"),
        (told, "https://registry.example/prefix/token"),
    ] {
        let setup = Setup {
            settings,
            ..setup([("*", for_alice())])
        };
        let registry = TestRegistry::with(setup).await;
        let mut call = registry.get("/v2/");
        for (name, value) in headers {
            call = call.header(name, value);
        }
        let answer = call.send().await;
        let expected = format!(r#"Bearer realm="{realm}",service="test""#);
        assert_eq!(answer.all("www-authenticate"), [expected]);
    }
    let registry = TestRegistry::with(setup([("*", for_alice())])).await;
    for host in ["Host: a\",x=\"b\r\n", "Host: a b\r\n", ""] {
        let text = format!("GET /v2/ HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        let answer = Answer::read(&mut registry.raw(&text).await, false).await;
        answer.expect_status(400);
    }
}

/// A certificate is the connection's, at both ends of a token's life.
#[tokio::test]
async fn a_token_and_a_certificate_combine() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let rule = "identity.username == 'alice' && 'admin' in identity.certificate.organizations";
    let registry = TestRegistry::with(Setup {
        tls: Some(authority.serves(Some(&clients))),
        ..setup([("*", Setup::ruled(false, &[rule]))])
    })
    .await;
    let certificate = clients.client("bob", "admin");
    let with = TlsClient::new(&authority, Some(&certificate));
    let without = TlsClient::new(&authority, None);
    let call = registry
        .get("/token?scope=repository:a:pull")
        .login("alice", "secret");
    let stream = with.connect(registry.address).await.unwrap();
    let token = token_of(call.send_on(stream).await);
    assert_eq!(scope_of(&token), "repository:a:pull");
    for (client, status) in [(&with, 404), (&without, 403)] {
        let stream = client.connect(registry.address).await.unwrap();
        let call = registry.get("/v2/a/tags/list").bear(&token);
        call.send_on(stream).await.expect_status(status);
    }
    let stream = without.connect(registry.address).await.unwrap();
    let asked = registry.get("/v2/").send_on(stream).await;
    let challenge = asked.header("www-authenticate").unwrap();
    assert!(challenge.starts_with(r#"Bearer realm="https://registry/token""#));
}

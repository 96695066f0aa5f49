//! Identities: who is asked for credentials, and what they open.

use std::collections::BTreeMap;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use simple_registry::adapters::http::Settings;
use simple_registry::adapters::identities::Identities;
use simple_registry::adapters::identities::config::IdentityConfig;
use simple_registry::domain::access::AccessPolicy;
use simple_registry::domain::model::{AccessRequest, Caller, Secret};
use simple_registry::domain::namespaces::Namespace;
use simple_registry::ports::{AccessRule, RuleError};

use super::access::everything;
use crate::support::{Answer, Authority, Call, Setup, TestRegistry, TlsClient};

/// `alice`, whose password is `secret`.
pub fn alice() -> Identities {
    identity("id-of-alice", "alice", "secret")
}

/// One identity, with a hash that costs next to nothing.
pub fn identity(id: &str, username: &str, password: &str) -> Identities {
    let argon2 = Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(8, 1, 1, None).unwrap(),
    );
    let hash = argon2
        .hash_password(password.as_bytes())
        .unwrap()
        .to_string();
    let config = IdentityConfig {
        username: username.to_owned(),
        password: Secret::new(hash),
    };
    let identities = BTreeMap::from([(id.to_owned(), config)]);
    Identities::new(&identities).unwrap().unwrap()
}

/// True for alice.
struct IsAlice;

impl AccessRule for IsAlice {
    fn matches(&self, caller: &Caller, _: &AccessRequest) -> Result<bool, RuleError> {
        let identity = caller.identity.as_ref();
        Ok(identity.is_some_and(|it| it.id == "id-of-alice" && it.username == "alice"))
    }

    fn asks_for_the_tag(&self) -> bool {
        false
    }
}

/// A namespace for alice alone.
pub fn for_alice() -> Namespace {
    let access_policy = AccessPolicy {
        default_allow: false,
        rules: vec![Arc::new(IsAlice)],
    };
    Namespace {
        access_policy,
        ..Namespace::default()
    }
}

fn setup(namespaces: impl IntoIterator<Item = (&'static str, Namespace)>) -> Setup {
    Setup {
        identities: Some(alice()),
        ..Setup::with_namespaces(namespaces)
    }
}

#[track_caller]
fn assert_asked(answer: &Answer, what: &str) {
    let asked = answer.all("www-authenticate");
    if answer.status == 401 {
        // One scheme: Docker would take Basic for the only one (protocol.md, "Auth").
        assert_eq!(asked.len(), 1, "{what}");
        let (scheme, rest) = asked[0].split_once(' ').unwrap();
        assert_eq!(scheme, "Bearer", "{what}");
        assert!(
            rest.contains("://registry/token\",service=\"test\""),
            "{what}: {rest}"
        );
    } else {
        assert_eq!(asked, [""; 0], "{what}");
    }
}

/// How a caller shows who it is.
type Show = fn(Call) -> Call;

/// semantics.md, "Identity": 401 for callers without credentials and for wrong
/// ones, 403 for who is known; 404 is what the handler says of who is let in.
#[tokio::test]
async fn who_may_not_is_asked_or_denied_by_what_it_shows() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let bob = clients.client("bob", "admin");
    let nothing: Show = |call| call;
    let right: Show = |call| call.login("alice", "secret");
    let callers: [(&str, Option<_>, Show, [u16; 3]); 8] = [
        ("anonymous", None, nothing, [404, 401, 401]),
        ("a certificate only", Some(&bob), nothing, [404, 401, 401]),
        (
            "a wrong password",
            None,
            |it| it.login("alice", "x"),
            [401, 401, 401],
        ),
        (
            "an unknown user",
            None,
            |it| it.login("mallory", "x"),
            [401, 401, 401],
        ),
        (
            "no Basic",
            None,
            |it| it.header("Authorization", "Bearer x"),
            [401, 401, 401],
        ),
        (
            "no base64",
            None,
            |it| it.header("Authorization", "Basic ?"),
            [401, 401, 401],
        ),
        ("alice", None, right, [404, 403, 404]),
        (
            "alice with a certificate",
            Some(&bob),
            right,
            [404, 403, 404],
        ),
    ];
    for (who, certificate, show, statuses) in callers {
        for (namespace, status) in ["open", "closed", "alice"].into_iter().zip(statuses) {
            // One for each row: failures are counted.
            let registry = TestRegistry::with(Setup {
                tls: Some(authority.serves(Some(&clients))),
                ..setup([
                    ("open", Setup::open()),
                    ("closed", Setup::closed()),
                    ("alice", for_alice()),
                ])
            })
            .await;
            let client = TlsClient::new(&authority, certificate);
            for method in ["GET", "HEAD", "DELETE"] {
                let path = format!("/v2/{namespace}/manifests/latest");
                let stream = client.connect(registry.address).await.unwrap();
                let what = format!("{who}, {method} {path}");

                let answer = show(registry.call(method, path)).send_on(stream).await;

                assert_eq!(answer.status, status, "{what}");
                assert_asked(&answer, &what);
                let code = match status {
                    401 => "UNAUTHORIZED",
                    403 => "DENIED",
                    _ => "MANIFEST_UNKNOWN",
                };
                if method != "HEAD" {
                    assert_eq!(answer.json()["errors"][0]["code"], code, "{what}");
                }
            }
        }
    }
}

/// lessons.md, security 7: every verb, and nothing of the body is waited for.
#[tokio::test]
async fn wrong_credentials_are_refused_at_every_endpoint() {
    let registry = TestRegistry::with(setup([("*", Setup::open())])).await;

    for (method, path) in everything("a") {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\
             Authorization: nonsense\r\nContent-Length: 1000\r\n\r\n"
        );
        let mut stream = registry.raw(&text).await;
        let answer = Answer::read(&mut stream, method == "HEAD").await;

        assert_eq!(answer.status, 401, "{method} {path}");
        assert_asked(&answer, &path);
    }
}

/// Without identities nobody has credentials, and nobody is asked for them.
#[tokio::test]
async fn without_identities_nobody_is_asked() {
    let namespaces = [("*", Setup::open()), ("closed", Setup::closed())];
    let registry = TestRegistry::with(Setup::with_namespaces(namespaces)).await;
    for (path, status) in [("/v2/", 200), ("/v2/closed/tags/list", 403)] {
        for show in [|it: Call| it, |it: Call| it.login("alice", "secret")] {
            let answer = show(registry.get(path)).send().await;

            assert_eq!(answer.status, status, "{path}");
            assert_asked(&answer, path);
        }
    }
}

/// semantics.md, "Identity": Docker sends credentials only after such a challenge.
#[tokio::test]
async fn the_root_of_the_api_asks_unless_everything_is_open_to_everybody() {
    let open_but = || {
        let mut namespace = for_alice();
        namespace.access_policy.default_allow = true;
        namespace
    };
    for (namespaces, anonymous, known) in [
        (vec![("*", Setup::open()), ("a", Setup::open())], 200, 200),
        (vec![("*", Setup::open()), ("a", Setup::closed())], 401, 200),
        (vec![("*", Setup::open()), ("a", open_but())], 401, 200),
        (vec![("a", for_alice())], 401, 200),
        (vec![("*", Setup::closed())], 401, 403),
        (vec![("*", for_alice())], 401, 200),
    ] {
        let registry = TestRegistry::with(setup(namespaces)).await;
        for method in ["GET", "HEAD"] {
            let call = || registry.call(method, "/v2/");

            let answer = call().send().await;
            assert_eq!(answer.status, anonymous);
            assert_asked(&answer, method);
            let answer = call().login("alice", "secret").send().await;
            assert_eq!(answer.status, known);
            let answer = call().login("alice", "x").send().await;
            assert_eq!(answer.status, 401);
        }
    }
}

/// issue 4: a pull costs no second argon2.
#[tokio::test]
async fn a_push_and_a_pull_hash_the_password_once() {
    let setup = setup([("*", for_alice())]);
    let identities = setup.identities.clone().unwrap();
    let registry = TestRegistry::with(setup).await;
    let pushed = push(&registry).login("alice", "secret").send().await;
    pushed.expect_status(201);
    for _ in 0..10 {
        let pull = registry.get("/v2/a/manifests/latest");
        pull.login("alice", "secret")
            .send()
            .await
            .expect_status(200);
    }

    assert_eq!(identities.hashed(), 1);
}

/// lessons.md, correctness 40 and security 30
#[tokio::test]
async fn who_guesses_is_told_to_wait_and_others_are_not() {
    let setup = Setup {
        settings: Settings {
            trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
            ..Settings::default()
        },
        ..setup([("*", for_alice())])
    };
    let identities = setup.identities.clone().unwrap();
    let registry = TestRegistry::with(setup).await;
    let call = |username: &str, password: &str, from: &str| {
        let call = registry.get("/v2/a/tags/list").login(username, password);
        call.header("X-Forwarded-For", from).send()
    };
    call("alice", "secret", "203.0.113.1")
        .await
        .expect_status(404);
    for name in ["alice", "mallory"] {
        for _ in 0..5 {
            call(name, "x", "203.0.113.1").await.expect_status(401);
        }
    }
    assert_eq!(identities.hashed(), 11);

    for name in ["alice", "mallory"] {
        let answer = call(name, "x", "203.0.113.1").await;
        let answer = answer.expect_error(429, "TOOMANYREQUESTS");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(answer.json()["errors"][0]["detail"]["retry_after"], wait);
        assert_asked(&answer, name);
    }
    assert_eq!(identities.hashed(), 11, "who has to wait costs nothing");
    call("alice", "secret", "203.0.113.1")
        .await
        .expect_status(404);
    call("alice", "x", "203.0.113.2").await.expect_status(401);
    registry
        .get("/v2/a/tags/list")
        .send()
        .await
        .expect_status(401);
}

/// The users' first wish: anonymous pull, authenticated push.
#[tokio::test]
async fn an_identity_pushes_where_everybody_pulls() {
    let mut everybody_reads = for_alice();
    everybody_reads.access_policy.rules.push(Arc::new(Reads));
    let registry = TestRegistry::with(setup([("*", everybody_reads)])).await;

    let refused = push(&registry).send().await;
    refused.expect_error(401, "UNAUTHORIZED");
    let pushed = push(&registry).login("alice", "secret").send().await;
    pushed.expect_status(201);

    let pull = registry.get("/v2/a/manifests/latest").send().await;
    pull.expect_status(200);
}

/// A push of an index that lists nothing.
fn push(registry: &TestRegistry) -> Call {
    let index = "application/vnd.oci.image.index.v1+json";
    let body = format!(r#"{{"schemaVersion":2,"mediaType":"{index}","manifests":[]}}"#);
    let call = registry.put("/v2/a/manifests/latest").body(body);
    call.header("Content-Type", index)
}

/// True for what only reads.
struct Reads;

impl AccessRule for Reads {
    fn matches(&self, _: &Caller, request: &AccessRequest) -> Result<bool, RuleError> {
        Ok(request.action.as_str().starts_with("get-"))
    }

    fn asks_for_the_tag(&self) -> bool {
        false
    }
}

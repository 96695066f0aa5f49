//! Permissions: every request, by everybody, under every kind of policy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use simple_registry::adapters::http::Settings;
use simple_registry::adapters::identities::Identities;
use simple_registry::adapters::identities::config::IdentityConfig;
use simple_registry::adapters::storage;
use simple_registry::domain::model::Secret;
use simple_registry::ports::StoragePorts;

use super::every_request::{EVERY_REQUEST, INDEX, Request};
use crate::support::{
    Answer, Authority, Call, Fault, Flaky, Setup, TestRegistry, TlsClient, digest_of,
};

/// How the challenge begins: the scheme that is offered.
const CHALLENGE: &str = r#"Bearer realm=""#;

/// The token service has answers of its own: see `tokens`.
fn requests() -> impl Iterator<Item = &'static Request> {
    EVERY_REQUEST.iter().filter(|it| !it.0.starts_with("Token"))
}

/// Who asks, and what they show.
#[derive(Clone, Copy, Debug)]
struct Caller {
    certificate: bool,
    shows: Shows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Nothing,
    /// Something that opens nothing.
    Wrong(&'static str, &'static str),
    /// The password of this user.
    Right(&'static str),
}

/// Everybody: alone, and with the certificate of bob of ops.
fn everybody() -> impl Iterator<Item = Caller> {
    let shows = [
        Shows::Nothing,
        Shows::Wrong("alice", "guess"),
        Shows::Wrong("nobody", "secret"),
        Shows::Wrong("", ""),
        Shows::Right("alice"),
        Shows::Right("carol"),
    ];
    let with = |certificate| shows.map(|shows| Caller { certificate, shows });
    with(false).into_iter().chain(with(true))
}

/// A policy, and whom it allows everything that a request needs.
struct Policy {
    default_allow: bool,
    rules: Vec<String>,
    allows: fn(Caller) -> bool,
}

fn policies(needs: &[&str]) -> [Policy; 7] {
    let policy = |default_allow, rule: &str, allows| Policy {
        default_allow,
        rules: (!rule.is_empty())
            .then(|| rule.to_owned())
            .into_iter()
            .collect(),
        allows,
    };
    let is_needed = format!("request.action in {needs:?}");
    let is_alice = |it: Caller| it.shows == Shows::Right("alice");
    let nobody = |_: Caller| false;
    let has_certificate = |it: Caller| it.certificate;
    [
        policy(false, "", nobody),
        policy(true, "", |_| true),
        policy(
            false,
            &format!("{is_needed} && identity.username == 'alice'"),
            is_alice,
        ),
        policy(
            true,
            &format!("{is_needed} && identity.username != 'alice'"),
            is_alice,
        ),
        policy(
            false,
            "identity.certificate.common_names == ['bob']",
            has_certificate,
        ),
        policy(
            true,
            "!identity.certificate.organizations.contains('ops')",
            has_certificate,
        ),
        // A rule that fails: lessons.md, correctness 42.
        policy(true, "1 / 0 == 1", nobody),
    ]
}

/// `alice` and `carol`, whose password is `secret`, by hashes that cost next to nothing.
fn identities() -> Identities {
    let params = Params::new(8, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let identities = ["alice", "carol"].map(|name| {
        let hash = argon2.hash_password(b"secret").unwrap().to_string();
        let identity = IdentityConfig {
            username: name.to_owned(),
            password: Secret::new(hash),
        };
        (format!("id-of-{name}"), identity)
    });
    Identities::new(&BTreeMap::from(identities))
        .unwrap()
        .unwrap()
}

/// A registry over TLS for those, and clients with and without a certificate.
struct World {
    registry: TestRegistry,
    anonymous: TlsClient,
    bob: TlsClient,
    identities: Identities,
    guesses: AtomicU32,
}

impl World {
    async fn start() -> Self {
        let (authority, clients) = (Authority::new(), Authority::new());
        let tls = authority.serves(Some(&clients));
        let settings = Settings {
            trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
            ..Settings::default()
        };
        let registry = TestRegistry::with(Setup {
            tls: Some(tls),
            ..Setup::with_settings(settings)
        })
        .await;
        Self {
            registry,
            anonymous: TlsClient::new(&authority, None),
            bob: TlsClient::new(&authority, Some(&clients.client("bob", "ops"))),
            identities: identities(),
            guesses: AtomicU32::new(0),
        }
    }

    /// Serves this storage under this policy from now on.
    fn govern(&self, policy: &Policy, storage: StoragePorts) {
        let rules: Vec<&str> = policy.rules.iter().map(String::as_str).collect();
        let entry = Setup::ruled(policy.default_allow, &rules);
        let setup = Setup {
            storage,
            identities: Some(self.identities.clone()),
            ..Setup::with_namespaces([("*", entry)])
        };
        self.registry
            .swap(|serving| serving.registry = setup.registry());
    }

    async fn ask(&self, (route, method, url, ..): Request, caller: Caller) -> Answer {
        let url = url.replace("{d}", &digest_of(INDEX.as_bytes()));
        let url = url.replace("{id}", "01234567-89ab-cdef-0123-456789abcdef");
        let mut call = Call::new(self.address(), method, url);
        call = call.header("Content-Type", "application/vnd.oci.image.index.v1+json");
        if matches!(route, "PutManifest" | "PushBlob") {
            call = call.body(INDEX);
        }
        call = match caller.shows {
            Shows::Nothing => call,
            Shows::Right(name) => call.login(name, "secret"),
            // Each from an address of its own, because failures are counted.
            Shows::Wrong(name, password) => {
                let number = self.guesses.fetch_add(1, Ordering::Relaxed);
                let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).to_string();
                call.login(name, password)
                    .header("X-Forwarded-For", address)
            }
        };
        let client = if caller.certificate {
            &self.bob
        } else {
            &self.anonymous
        };
        call.send_on(client.connect(self.address()).await.unwrap())
            .await
    }

    fn address(&self) -> SocketAddr {
        self.registry.address
    }
}

/// semantics.md, "Identity" and "Access policy": the status, the code and the challenge of each.
#[tokio::test]
async fn everybody_gets_what_is_documented_of_every_request() {
    let world = World::start().await;
    for request in requests() {
        let (route, method, _, needs, status, code) = *request;
        for policy in policies(needs) {
            let is_open = policy.default_allow && policy.rules.is_empty();
            for caller in everybody() {
                world.govern(&policy, storage::open_memory().unwrap());

                let answer = world.ask(*request, caller).await;

                let is_known = matches!(caller.shows, Shows::Right(_));
                // These ask everybody to log in, where anybody would have to.
                let is_greeted = matches!(route, "Version" | "Catalog") && !is_known && !is_open;
                let may = needs.is_empty() || (policy.allows)(caller);
                let (status, code) = match caller.shows {
                    Shows::Wrong(..) => (401, "UNAUTHORIZED"),
                    _ if may && !is_greeted => (status, code),
                    Shows::Right(_) => (403, "DENIED"),
                    Shows::Nothing => (401, "UNAUTHORIZED"),
                };
                let what = format!("{request:?} by {caller:?} under {:?}", policy.rules);
                assert_eq!(answer.status, status, "{what}");
                let challenges = answer.all("www-authenticate");
                assert_eq!(challenges.len(), usize::from(status == 401), "{what}");
                assert!(
                    challenges.iter().all(|it| it.starts_with(CHALLENGE)),
                    "{challenges:?}"
                );
                if status >= 400 && method != "HEAD" {
                    assert_eq!(answer.json()["errors"][0]["code"], code, "{what}");
                }
                if route == "Catalog" && method == "GET" && status == 200 {
                    assert_eq!(answer.json()["repositories"].as_array().unwrap().len(), 0);
                }
            }
        }
    }
}

/// lessons.md, security 7 (CVE-2026-41888): one point authorises every verb, and nothing comes before it.
#[tokio::test]
async fn no_request_that_is_refused_reaches_the_store() {
    let world = World::start().await;
    for request in requests() {
        let (route, _, _, needs, status, _) = *request;
        for policy in policies(needs) {
            for caller in everybody() {
                let flaky = Flaky::over(storage::open_memory().unwrap(), Fault::Outage);
                world.govern(&policy, flaky.ports());

                let answer = world.ask(*request, caller).await;

                let what = format!("{request:?} by {caller:?} under {:?}", policy.rules);
                let asks_nothing = matches!(route, "Version" | "Extensions");
                if matches!(answer.status, 401 | 403) || asks_nothing {
                    assert_eq!(flaky.calls(), 0, "{what}");
                } else {
                    // So a call would have been seen.
                    assert_eq!(answer.status, status, "{what}");
                    assert!(flaky.calls() > 0, "{what}");
                }
            }
        }
    }
}

use std::sync::atomic::{AtomicI64, Ordering};

use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};

use super::*;

/// A clock that stands still until it is set.
pub(super) struct SetClock(AtomicI64);

impl SetClock {
    pub(super) fn at_noon() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_700_000_000_500)))
    }

    pub(super) fn pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, _: Duration) {}
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn tokens_with(keys: &str, service: &str, clock: &Arc<SetClock>) -> SignedTokens {
    let keys = Keys::configured(&Secret::new(keys.to_owned())).unwrap();
    let lifetime = Duration::from_mins(5);
    SignedTokens::new(service.to_owned(), lifetime, keys, clock.clone())
}

fn tokens() -> SignedTokens {
    tokens_with(KEY, "test", &SetClock::at_noon())
}

fn claims() -> Claims {
    Claims {
        bearer: Some(Bearer {
            username: "al\"ice é".into(),
            stamp: u64::MAX,
        }),
        scope: Arc::new(Scope::parse(["repository:a/b:pull registry:catalog:*"])),
    }
}

pub(super) async fn issue(tokens: &SignedTokens, claims: &Claims) -> String {
    tokens
        .issue(claims)
        .await
        .unwrap()
        .token
        .expose()
        .to_owned()
}

/// A token of this header and payload, signed by a key of ours.
fn forged(header: &Value, payload: &Value) -> String {
    let encode = |value: &Value| BASE64.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(signature))
}

fn payload() -> Value {
    json!({ "aud": "test", "sub": "alice", "ver": 7, "iat": 1_700_000_000, "exp": 1_700_000_300, "scope": "" })
}

#[tokio::test]
async fn a_token_says_what_it_was_given_for() {
    let tokens = tokens();
    let anonymous = Claims {
        bearer: None,
        scope: Arc::default(),
    };
    for claims in [claims(), anonymous] {
        let token = issue(&tokens, &claims).await;

        assert_eq!(tokens.read(token.as_bytes()), Some(claims));
    }
}

#[tokio::test]
async fn a_token_lives_as_long_as_was_said_and_no_longer() {
    let clock = SetClock::at_noon();
    let tokens = tokens_with(KEY, "test", &clock);
    let issued = tokens.issue(&claims()).await.unwrap();
    assert_eq!(issued.lifetime, Duration::from_mins(5));

    clock.pass(Duration::from_secs(299));
    assert!(tokens.read(issued.token.expose().as_bytes()).is_some());
    clock.pass(Duration::from_secs(1));
    assert!(tokens.read(issued.token.expose().as_bytes()).is_none());
}

/// lessons.md, security 4 (CVE-2025-24976, CVE-2026-27962): the signature is good in each of these, and only the first is
/// believed.
#[test]
fn nothing_in_a_token_chooses_how_it_is_verified() {
    let tokens = tokens();
    let ours = json!({ "alg": "HS256", "typ": "JWT" });
    assert!(tokens.read(forged(&ours, &payload()).as_bytes()).is_some());
    for header in [
        json!({ "alg": "none", "typ": "JWT" }),
        json!({ "alg": "None" }),
        json!({ "alg": "HS512", "typ": "JWT" }),
        json!({ "alg": "RS256", "typ": "JWT" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "HS256", "typ": "JWT", "jwk": { "kty": "oct", "k": BASE64.encode(KEY) } }),
        json!({ "alg": "HS256", "typ": "JWT", "x5c": ["MIIB"] }),
        json!({ "alg": "HS256", "typ": "JWT", "jku": "https://evil.example/keys" }),
        json!({ "alg": "HS256", "typ": "JWT", "kid": "../../dev/null" }),
        json!({ "alg": "HS256", "typ": "JWT", "crit": ["b64"], "b64": false }),
        json!([]),
    ] {
        let token = forged(&header, &payload());

        assert!(tokens.read(token.as_bytes()).is_none(), "{header}");
    }
}

#[test]
fn a_payload_that_is_not_for_us_is_not_believed() {
    let tokens = tokens();
    let ours = json!({ "alg": "HS256", "typ": "JWT" });
    for (key, value) in [
        ("aud", json!("other")),
        ("aud", json!(["test"])),
        ("exp", json!(1_700_000_000)),
        ("exp", json!("1700000300")),
        ("exp", Value::Null),
        ("sub", Value::Null),
        ("ver", Value::Null),
        ("ver", json!(-1)),
        ("scope", Value::Null),
    ] {
        let mut payload = payload();
        payload[key] = value;

        assert!(
            tokens.read(forged(&ours, &payload).as_bytes()).is_none(),
            "{payload}"
        );
    }
}

#[tokio::test]
async fn a_token_that_was_changed_is_none() {
    let tokens = tokens();
    let token = issue(&tokens, &claims()).await;
    for end in 0..token.len() {
        assert!(tokens.read(&token.as_bytes()[..end]).is_none(), "{end}");
    }
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(tokens.read(changed.as_bytes()).is_none(), "{at}");
    }
    for odd in [
        format!("{token}="),
        format!("{token}A"),
        format!(" {token}"),
        format!("{token}."),
    ] {
        assert!(tokens.read(odd.as_bytes()).is_none(), "{odd}");
    }
    let unsigned = token.rsplit_once('.').unwrap().0;
    assert!(tokens.read(format!("{unsigned}.").as_bytes()).is_none());
    let clock = SetClock::at_noon();
    assert!(
        tokens_with(OTHER, "test", &clock)
            .read(token.as_bytes())
            .is_none()
    );
    assert!(
        tokens_with(KEY, "other", &clock)
            .read(token.as_bytes())
            .is_none()
    );
}

#[test]
fn a_huge_token_is_not_looked_at() {
    let ours = json!({ "alg": "HS256", "typ": "JWT" });
    let mut payload = payload();
    payload["scope"] = json!(" ".repeat(LONGEST));

    assert!(tokens().read(forged(&ours, &payload).as_bytes()).is_none());
}

/// Rotation, where the configuration has the key: the new one is made known to all servers, then it signs, then the old
/// one goes.
#[tokio::test]
async fn every_configured_key_verifies_and_the_first_one_signs() {
    let clock = SetClock::at_noon();
    let old = tokens_with(KEY, "test", &clock);
    let both = tokens_with(&format!(" {OTHER}\n{KEY} "), "test", &clock);
    let new = tokens_with(OTHER, "test", &clock);

    let token = issue(&both, &claims()).await;
    assert!(new.read(token.as_bytes()).is_some() && old.read(token.as_bytes()).is_none());
    assert!(both.read(issue(&old, &claims()).await.as_bytes()).is_some());
}

#[test]
fn a_short_key_is_refused_and_not_shown() {
    for text in ["", " ", "too short", &KEY[1..], &format!("{KEY} short")] {
        let error = Keys::configured(&Secret::new(text.to_owned()))
            .err()
            .unwrap();

        assert!(text.trim().is_empty() || !error.to_string().contains(text));
        assert!(error.to_string().contains("openssl rand -base64 32"));
    }
}

/// lessons.md, security 29: what is remembered is of the whole token.
#[tokio::test]
async fn a_remembered_token_ends_all_the_same_and_opens_nothing_else() {
    let clock = SetClock::at_noon();
    let tokens = tokens_with(KEY, "test", &clock);
    let token = issue(&tokens, &claims()).await;
    for _ in 0..2 {
        assert_eq!(tokens.read(token.as_bytes()), Some(claims()));
    }

    for position in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[position] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(tokens.read(changed.as_bytes()), None, "{changed}");
    }
    assert_eq!(
        tokens_with(OTHER, "test", &clock).read(token.as_bytes()),
        None
    );
    clock.pass(Duration::from_mins(5));

    assert_eq!(tokens.read(token.as_bytes()), None);
}

/// Anybody can ask for tokens.
#[tokio::test]
async fn so_many_tokens_are_remembered_and_no_more() {
    let clock = SetClock::at_noon();
    let tokens = tokens_with(KEY, "test", &clock);
    let for_repository = async |number: usize| {
        let scope = Scope::parse([&*format!("repository:a{number}:pull")]);
        let claims = Claims {
            bearer: None,
            scope: Arc::new(scope),
        };
        let token = issue(&tokens, &claims).await;
        assert_eq!(tokens.read(token.as_bytes()), Some(claims));
    };
    let remembered = || tokens.verified.lock().unwrap().len();
    for number in 0..REMEMBERED + 10 {
        for_repository(number).await;
    }
    assert_eq!(remembered(), REMEMBERED);

    clock.pass(Duration::from_mins(5));
    for_repository(0).await;

    assert_eq!(remembered(), 1);
}

proptest! {
    #[test]
    fn no_token_panics(text in "[ -~]{0,300}", payload in "[ -~]{0,100}") {
        let tokens = tokens();
        let _ = tokens.read(text.as_bytes());
        let _ = tokens.read(format!("{HEADER}{text}").as_bytes());
        let signed = format!("{HEADER}{}", BASE64.encode(payload));
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
        let signature = BASE64.encode(hmac::sign(&key, signed.as_bytes()));
        let token = format!("{signed}.{signature}");
        prop_assert!(tokens.read(token.as_bytes()).is_none());
    }
}

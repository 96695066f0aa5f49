//! Tokens: who gives them, for what, how often they are asked for, and who may know our password.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use simple_registry::ports::UpstreamError;

use super::{image, in_full, latest, open, open_with, tokens};
use crate::support::{Asked, Reply, Script};

const BOB: &str = "username = 'bob'\npassword = 'hush'";
const BASIC: &str = "Basic Ym9iOmh1c2g=";
const SCOPE: &str = "repository:image:pull";

/// Wants a token that the service at `realm` gives.
fn wants_token(realm: &str, more: &str) -> Reply {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"r\",scope=\"{SCOPE}\"{more}");
    Reply::new("401 Unauthorized", &[("WWW-Authenticate", &challenge)], "")
}

fn own_realm(asked: &Asked) -> String {
    format!("http://{}/token", asked.header("host").unwrap())
}

/// A registry with a token service of its own, that gives `t1`, `t2` and so on, and lets in whom `is_good` lets.
async fn registry(
    more: &'static str,
    is_good: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> Script {
    let given = AtomicUsize::new(0);
    Script::start(move |asked| {
        if asked.path.starts_with("/token") {
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            return Reply::ok(&[], format!("{{\"token\":\"t{number}\"{more}}}"));
        }
        let shown = asked
            .authorization()
            .and_then(|it| it.strip_prefix("Bearer "));
        match shown {
            Some(token) if is_good(token) => Reply::ok(&[], "{}"),
            Some(_) => wants_token(&own_realm(asked), ",error=\"invalid_token\""),
            None => wants_token(&own_realm(asked), ""),
        }
    })
    .await
}

fn url(of: &Script) -> String {
    format!("http://{}", of.address)
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_who_wait_for_it() {
    let registry = registry("", |_| true).await;
    let upstream = open(&url(&registry), BOB);

    let (image, latest) = (image(), latest());
    let all = (0..20).map(|_| upstream.get_manifest(&image, &latest));
    for answer in join_all(all).await {
        answer.unwrap().unwrap();
    }

    assert_eq!(registry.count("/token"), 1);
    let asked = registry.asked();
    let fetched = asked
        .iter()
        .find(|it| it.path.starts_with("/token"))
        .unwrap();
    assert_eq!(
        fetched.path,
        "/token?service=r&scope=repository%3Aimage%3Apull"
    );
    assert_eq!(fetched.authorization(), Some(BASIC));
    // And with it there is no question too many.
    let before = registry.asked().len();
    upstream
        .get_manifest(&image, &latest)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(registry.asked().len(), before + 1);
}

/// lessons.md, correctness 36
#[tokio::test]
async fn a_token_belongs_to_one_credential_and_outlives_a_client() {
    let registry = registry("", |_| true).await;
    let tokens = tokens();
    let others = "username = 'bob'\npassword = 'other'";
    for (more, fetched) in [(BOB, 1), (BOB, 1), (others, 2), ("", 3), ("", 3), (BOB, 3)] {
        let upstream = open_with(&url(&registry), more, &tokens);
        upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(registry.count("/token"), fetched, "{more}");
    }
    let given = registry.asked();
    let given = given.iter().filter(|it| it.path.starts_with("/token"));
    let shown: Vec<_> = given
        .map(|it| it.authorization().map(str::to_owned))
        .collect();
    assert_eq!(shown[2], None, "nobody's token");
    let last = registry.asked().last().unwrap().clone();
    assert_eq!(last.authorization(), Some("Bearer t1"));
}

#[tokio::test]
async fn a_token_that_is_not_good_any_more_is_fetched_once_more() {
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    let registry = registry("", move |token| {
        let least = 1 + counted.load(Ordering::SeqCst);
        token[1..].parse::<usize>().unwrap() >= least
    });
    let registry = registry.await;
    let upstream = open(&url(&registry), "");
    upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(registry.count("/token"), 1);

    // The one that is kept is revoked.
    refused.store(1, Ordering::SeqCst);
    upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(registry.count("/token"), 2);

    // No token is good any more.
    refused.store(1000, Ordering::SeqCst);
    let error = upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();
    assert!(matches!(error, UpstreamError::Denied { .. }), "{error:?}");
    assert_eq!(registry.count("/token"), 3);
}

/// Docker Hub's word for a repository that does not exist. lessons.md, security 28
#[tokio::test]
async fn a_token_that_is_good_but_not_for_this_is_not_fetched_again() {
    let registry = Script::start(|asked| match asked.authorization() {
        _ if asked.path.starts_with("/token") => Reply::ok(&[], r#"{"token":"t"}"#),
        None => wants_token(&own_realm(asked), ""),
        Some(_) => wants_token(&own_realm(asked), ",error=\"insufficient_scope\""),
    });
    let registry = registry.await;
    let upstream = open(&url(&registry), "");
    for _ in 0..5 {
        let error = upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap_err();
        assert!(matches!(error, UpstreamError::Denied { .. }), "{error:?}");
    }
    assert_eq!(registry.count("/token"), 1);
}

#[tokio::test]
async fn who_always_wants_another_token_does_not_get_one_for_ever() {
    let number = AtomicUsize::new(0);
    let registry = Script::start(move |asked| {
        if asked.path.starts_with("/token") {
            return Reply::ok(&[], r#"{"access_token":"t"}"#);
        }
        let number = number.fetch_add(1, Ordering::SeqCst);
        wants_token(&format!("{}?{number}", own_realm(asked)), "")
    });
    let registry = registry.await;
    let upstream = open(&url(&registry), "");

    let error = upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();

    assert!(matches!(error, UpstreamError::Denied { .. }), "{error:?}");
    assert!(registry.asked().len() <= 6, "{}", registry.asked().len());
}

#[tokio::test]
async fn a_token_is_kept_for_no_longer_than_it_is_good() {
    let registry = registry(",\"expires_in\":5", |_| true).await;
    let upstream = open(&url(&registry), "");
    for fetched in 1..=3 {
        upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(registry.count("/token"), fetched, "too short to be kept");
    }
}

/// lessons.md, security 5: the one who answers names the realm, and must not get our password by that.
#[tokio::test]
async fn a_realm_elsewhere_gets_neither_name_nor_password() {
    let thief = Script::start(|_| Reply::ok(&[], r#"{"token":"t"}"#)).await;
    let realm = format!("http://{}/token?account=x", thief.address);
    let registry = Script::start(move |asked| match asked.authorization() {
        Some("Bearer t") => Reply::ok(&[], "{}"),
        _ => wants_token(&realm, ""),
    });
    let registry = registry.await;
    let upstream = open(
        &format!("http://localhost:{}", registry.address.port()),
        BOB,
    );

    // A token for anybody is asked for all the same.
    upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap()
        .unwrap();

    let seen = thief.asked();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].path,
        "/token?account=x&service=r&scope=repository%3Aimage%3Apull"
    );
    assert!(!format!("{seen:?}").contains("Ym9i"), "{seen:?}");
    assert_eq!(seen[0].authorization(), None);
}

#[tokio::test]
async fn a_realm_on_the_same_host_may_have_another_port() {
    let service = Script::start(|_| Reply::ok(&[], r#"{"token":"t"}"#)).await;
    let realm = format!("http://{}/token", service.address);
    let registry = Script::start(move |asked| match asked.authorization() {
        Some("Bearer t") => Reply::ok(&[], "{}"),
        _ => wants_token(&realm, ""),
    });
    let registry = registry.await;
    let upstream = open(&url(&registry), BOB);

    upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap()
        .unwrap();

    assert_eq!(service.asked()[0].authorization(), Some(BASIC));
}

#[tokio::test]
async fn a_redirect_of_the_realm_takes_no_password_along() {
    let thief = Script::start(|_| Reply::ok(&[], r#"{"token":"t"}"#)).await;
    let location = format!("http://{}/token", thief.address);
    let registry = Script::start(move |asked| match asked.authorization() {
        _ if asked.path.starts_with("/token") => Reply::redirect(&location),
        Some("Bearer t") => Reply::ok(&[], "{}"),
        _ => wants_token(&own_realm(asked), ""),
    });
    let registry = registry.await;
    let upstream = open(&url(&registry), BOB);

    upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap()
        .unwrap();

    assert_eq!(thief.asked().len(), 1);
    assert_eq!(thief.asked()[0].authorization(), None);
}

#[tokio::test]
async fn a_service_that_gives_no_token_is_told_by_what_it_did() {
    for (reply, expected) in [
        ("200 OK|<html>", "the answer has no token"),
        ("200 OK|{}", "the answer has no token"),
        ("200 OK|{\"token\":\"\"}", "the answer has no token"),
        ("200 OK|{\"token\":\"a\\nb\"}", "it is no text for a header"),
        ("404 Not Found|", "its realm does not exist"),
        ("401 Unauthorized|", "access is denied"),
        ("403 Forbidden|", "access is denied"),
        ("429 Too Many Requests|", "too many requests"),
        ("500 Internal Server Error|", "the answer is 500"),
        ("400 Bad Request|", "the answer is 400"),
    ] {
        let registry = Script::start(move |asked| {
            if !asked.path.starts_with("/token") {
                return wants_token(&own_realm(asked), "");
            }
            let (status, body) = reply.split_once('|').unwrap();
            Reply::new(status, &[], body)
        });
        let registry = registry.await;
        let upstream = open(&url(&registry), BOB);

        let error = upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap_err();

        let text = in_full(&error);
        assert!(text.contains(expected), "{reply}: {text}");
        assert!(!text.contains("hush") && !text.contains("Ym9i"), "{text}");
    }
}

#[tokio::test]
async fn a_realm_that_is_none_is_refused() {
    for (realm, why) in [
        ("", "its realm is no URL"),
        ("nowhere", "its realm is no URL"),
        ("http://bob:hush@127.0.0.1/token", "its realm is no URL"),
        ("ftp://127.0.0.1/token", "its realm: it leads out of TLS"),
    ] {
        let registry = Script::start(move |_| wants_token(realm, "")).await;
        let upstream = open(&url(&registry), BOB);

        let error = upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap_err();

        let text = in_full(&error);
        assert!(text.contains(why), "{text}");
    }
}

#[tokio::test]
async fn an_endless_token_is_not_read_to_its_end() {
    let registry = Script::start(|asked| {
        if asked.path.starts_with("/token") {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            return Reply::Endless(head.to_vec());
        }
        wants_token(&own_realm(asked), "")
    });
    let registry = registry.await;
    let upstream = open(&url(&registry), "");

    let error = upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();

    assert!(error.to_string().contains("it is longer than"), "{error}");
}

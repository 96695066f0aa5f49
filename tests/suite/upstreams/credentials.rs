//! Name and password: shown when they are asked for, where they belong.

use super::{image, in_full, latest, open};
use crate::support::{Reply, Script};
use simple_registry::ports::UpstreamError;

const CREDENTIALS: &str = "username = 'bob'\npassword = 'hush'";
const BASIC: &str = "Basic Ym9iOmh1c2g=";

fn asks_for_basic() -> Reply {
    Reply::new(
        "401 Unauthorized",
        &[("WWW-Authenticate", "Basic realm=\"r\"")],
        "{}",
    )
}

#[tokio::test]
async fn nothing_is_shown_before_it_is_asked_for_and_then_at_once() {
    let origin = Script::start(|asked| match asked.authorization() {
        Some(BASIC) => Reply::ok(&[], "{}"),
        _ => asks_for_basic(),
    });
    let origin = origin.await;
    let upstream = open(&format!("http://{}", origin.address), CREDENTIALS);

    for _ in 0..2 {
        upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap()
            .unwrap();
    }

    let shown: Vec<_> = origin
        .asked()
        .iter()
        .map(|it| it.authorization().map(str::to_owned))
        .collect();
    let basic = || Some(BASIC.to_owned());
    assert_eq!(shown, [None, basic(), basic()]);
    assert_eq!(origin.connections(), 1, "it is used again");
}

#[tokio::test]
async fn without_credentials_a_challenge_is_a_denial() {
    let origin = Script::start(|_| asks_for_basic()).await;
    let upstream = open(&format!("http://{}", origin.address), "");

    let error = upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();

    assert!(matches!(error, UpstreamError::Denied { .. }), "{error:?}");
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn credentials_that_are_refused_are_shown_once_and_never_told() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let origin = Script::start(move |asked| match asked.authorization() {
            None => asks_for_basic(),
            Some(_) => Reply::new(status, &[("WWW-Authenticate", "Basic")], "hush"),
        });
        let origin = origin.await;
        let upstream = open(&format!("http://{}", origin.address), CREDENTIALS);

        let error = upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap_err();

        assert!(matches!(error, UpstreamError::Denied { .. }), "{error:?}");
        assert_eq!(origin.asked().len(), 2);
        let text = format!("{} {error:?}", in_full(&error));
        assert!(text.contains(&origin.address.to_string()), "{text}");
        assert!(text.contains("manifests/latest of image"), "{text}");
        assert!(!text.contains("hush") && !text.contains("Ym9i"), "{text}");
    }
}

#[tokio::test]
async fn a_scheme_that_nobody_knows_is_a_denial() {
    for challenge in ["Negotiate", "Digest realm=\"x\"", ""] {
        let origin = Script::start(move |_| {
            Reply::new("401 Unauthorized", &[("WWW-Authenticate", challenge)], "")
        });
        let origin = origin.await;
        let upstream = open(&format!("http://{}", origin.address), CREDENTIALS);

        let error = upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap_err();

        assert!(matches!(error, UpstreamError::Denied { .. }), "{error:?}");
    }
}

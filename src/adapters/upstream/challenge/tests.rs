use proptest::prelude::*;
use reqwest::header::HeaderValue;

use super::*;

fn challenged(fields: &[&str]) -> Option<Challenged> {
    let fields = fields.iter();
    let fields = fields.map(|it| (WWW_AUTHENTICATE, HeaderValue::from_str(it).unwrap()));
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    challenge(&headers)
}

fn bearer(realm: &str, service: &str, scope: &str) -> Challenge {
    Challenge::Bearer(Bearer {
        realm: realm.to_owned(),
        service: service.to_owned(),
        scope: scope.to_owned(),
    })
}

#[test]
fn challenges_are_read_as_registries_write_them() {
    let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull""#;
    let of_hub = bearer(
        "https://auth.docker.io/token",
        "registry.docker.io",
        "repository:library/nginx:pull",
    );
    for (fields, expected) in [
        (&[hub][..], of_hub.clone()),
        (&[r#"Basic realm="x""#, hub], of_hub.clone()),
        (&[&format!(r#"Basic realm="x", {hub}"#)], of_hub.clone()),
        (&[&format!(r#"{hub}, Basic realm="x""#)], of_hub.clone()),
        (&[&format!("Negotiate abc==, {hub}")], of_hub),
        (
            &["BEARER Realm=https%3A,SCOPE=a"],
            bearer("https%3A", "", "a"),
        ),
        (
            &[r#"bearer realm = "a \"b\\" , service=s"#],
            bearer("a \"b\\", "s", ""),
        ),
        (&[r#"Bearer realm="a"#], bearer("a", "", "")),
        (&[r#"Basic realm="Registry""#], Challenge::Basic),
        (&["basic"], Challenge::Basic),
    ] {
        assert_eq!(
            challenged(fields).unwrap().challenge,
            expected,
            "{fields:?}"
        );
    }
    for fields in [
        &[][..],
        &[""],
        &["Negotiate"],
        &["Bearer"],
        &["Bearer service=a"],
        &["=,=\""],
    ] {
        assert_eq!(challenged(fields), None, "{fields:?}");
    }
}

#[test]
fn a_token_that_is_good_but_not_for_this_is_known_by_its_error() {
    let field = r#"Bearer realm="r",scope="s",error="insufficient_scope""#;
    assert!(challenged(&[field]).unwrap().insufficient_scope);
    let field = r#"Bearer realm="r",scope="s",error="invalid_token""#;
    assert!(!challenged(&[field]).unwrap().insufficient_scope);
}

proptest! {
    #[test]
    fn any_text_is_read_to_its_end(field in "\\PC*") {
        let _ = parse(&field);
    }

    #[test]
    fn marks_in_any_order_are_read_to_their_end(field in r#"[a=", \\]{0,40}"#) {
        let _ = parse(&field);
    }

    #[test]
    fn what_is_quoted_comes_out_as_it_was(realm in "[ -~]{0,30}", service in "[ -~]{0,30}") {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let field = format!("Bearer realm={}, service={}", quoted(&realm), quoted(&service));
        let challenged = challenged(&[&field]).unwrap();
        prop_assert_eq!(challenged.challenge, bearer(&realm, &service, ""));
    }
}

use super::super::document::Document;
use super::super::read::read;
use super::{resolve, resolved, secrets};
use crate::app::config::findings::Findings;

/// Every secret that the configuration knows.
const ALL: &str = r#"
storage.s3 = { access_key_id = "${V}", secret_key = "${V}", endpoint = "http://s3", bucket = "b", region = "r" }
lock_store.redis.url = "${V}"
cache_store.redis.url = "${V}"
token.key = "${V}"
[identity.alice]
username = "alice"
password = "${V}"
[[repository.a.upstream]]
url = "https://one"
[[repository.a.upstream]]
url = "https://two"
username = "u"
password = "${V}"
"#;

fn variable(name: &str) -> Option<String> {
    match name {
        "V" => Some("value".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

#[test]
fn every_secret_can_come_from_the_environment() {
    let document = Document::parse(ALL).unwrap();
    let mut config = read(&document).unwrap();
    let hidden = format!("{config:?}").matches('…').count();
    let mut findings = Findings::new(&document);

    resolve(&mut config, &variable, &mut findings);

    assert!(findings.finish().is_ok());
    let all = secrets(&mut config);
    assert!(all.iter().all(|(_, secret)| secret.expose() == "value"));
    assert_eq!(all.len(), hidden, "a secret is missing from the list");
}

#[test]
fn a_missing_variable_is_named_with_its_key() {
    let text = ALL.replace("password = \"${V}\"", "password = \"${GONE}\"");
    let document = Document::parse(&text).unwrap();
    let mut config = read(&document).unwrap();
    let mut findings = Findings::new(&document);

    resolve(&mut config, &variable, &mut findings);

    let problems: Vec<String> = findings
        .finish()
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        problems,
        [
            "8:1: identity.alice.password: the environment variable GONE is not set",
            "14:1: repository.a.upstream[1].password: the environment variable GONE is not set",
        ]
    );
}

#[test]
fn a_text_is_a_name_as_a_whole_or_not_at_all() {
    assert_eq!(resolved("plain $ {text}", &variable), Ok(None));
    assert_eq!(resolved("$argon2id$v=19$x", &variable), Ok(None));
    assert_eq!(resolved("${V}", &variable), Ok(Some("value".to_owned())));
    for bad in [
        "a${V}", "${V}b", "${V", "${}", "${1A}", "${A B}", "${V}${V}",
    ] {
        assert!(
            resolved(bad, &variable)
                .unwrap_err()
                .contains("the whole value"),
            "{bad}"
        );
    }
}

#[test]
fn an_empty_variable_is_no_secret() {
    assert_eq!(
        resolved("${EMPTY}", &variable),
        Err("the environment variable EMPTY is empty".to_owned())
    );
}

use std::path::PathBuf;

use serde::Deserialize;

use super::{ByteSize, HttpUrl, Seconds};
use crate::domain::model::Secret;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fields {
    size: Option<ByteSize>,
    time: Option<Seconds>,
    url: Option<HttpUrl>,
    #[serde(deserialize_with = "super::filled")]
    text: String,
    #[serde(deserialize_with = "super::optional_path")]
    path: Option<PathBuf>,
    #[serde(deserialize_with = "super::optional_port")]
    port: Option<u16>,
    #[serde(deserialize_with = "super::optional_secret")]
    secret: Option<Secret>,
}

fn read(toml: &str) -> Result<Fields, String> {
    toml::from_str(toml).map_err(|error: toml::de::Error| error.message().to_owned())
}

#[test]
fn numbers_and_texts_say_the_same() {
    assert_eq!(
        read("size = 5_000_000").unwrap().size,
        read("size = '5MB'").unwrap().size
    );
    assert_eq!(
        read("time = 300").unwrap().time,
        read("time = '5m'").unwrap().time
    );
}

#[test]
fn fields_that_are_left_out_are_absent() {
    let fields = read("").unwrap();

    assert!(fields.size.is_none() && fields.time.is_none() && fields.url.is_none());
    assert!(
        fields.text.is_empty()
            && fields.path.is_none()
            && fields.port.is_none()
            && fields.secret.is_none()
    );
}

#[test]
fn a_bad_value_is_named_with_what_was_expected() {
    for (toml, expected) in [
        ("size = -1", "integer `-1`, expected a size"),
        ("size = '5 apples'", "string \"5 apples\", expected a size"),
        ("size = 1.5", "floating point `1.5`, expected a size"),
        ("size = true", "boolean `true`, expected a size"),
        ("time = -1", "integer `-1`, expected a duration"),
        ("time = 'soon'", "string \"soon\", expected a duration"),
        (
            "time = 9223372036854775807",
            "expected a duration of at most",
        ),
        (
            "port = 70000",
            "integer `70000`, expected a port number from 0 to 65535",
        ),
        (
            "port = -1",
            "integer `-1`, expected a port number from 0 to 65535",
        ),
        (
            "port = 'abc'",
            "string \"abc\", expected a port number from 0 to 65535",
        ),
        ("text = ''", "expected a text that is not empty"),
        ("path = ''", "expected a path"),
        ("path = 1", "integer `1`, expected a path"),
    ] {
        let message = read(toml).unwrap_err();

        assert!(message.contains(expected), "{toml}: {message}");
    }
}

#[test]
fn a_secret_of_the_wrong_type_is_not_repeated() {
    for toml in [
        "secret = 31337",
        "secret = -31337",
        "secret = 31337.5",
        "secret = 31337313373133731337",
        "secret = ['31337']",
        "secret = { a = '31337' }",
        "secret = true",
        "secret = ''",
    ] {
        let message = read(toml).unwrap_err();

        assert!(
            message.contains("a text that is not empty") && !message.contains("31337"),
            "{toml}: {message}"
        );
    }
    assert_eq!(
        read("secret = '31337'").unwrap().secret,
        Some(Secret::new("31337".to_owned()))
    );
}

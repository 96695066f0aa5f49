//! Deserialisers for single fields: ports, paths, texts that may not be empty, secrets.
//!
//! They exist for their messages: serde's own would say `u16` where a reader wants "a port number".

use std::fmt;
use std::path::PathBuf;

use serde::de::{self, Deserializer, Unexpected, Visitor};

use crate::domain::model::Secret;

/// A text that `parse` turns into a value; `expected` says what it should have been.
///
/// # Errors
/// What is no text, and what `parse` answers with `None`.
pub fn text<'de, D, T, P>(deserializer: D, expected: &'static str, parse: P) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    P: FnOnce(&str) -> Option<T>,
{
    struct Text<P>(&'static str, P);

    impl<T, P: FnOnce(&str) -> Option<T>> Visitor<'_> for Text<P> {
        type Value = T;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            let Self(expected, parse) = self;
            parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &expected))
        }
    }

    deserializer.deserialize_str(Text(expected, parse))
}

/// A text with at least one character.
///
/// # Errors
/// What is no text, and the empty one.
pub fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "a text that is not empty", |text| {
        (!text.is_empty()).then(|| text.to_owned())
    })
}

/// The path of a file or directory.
///
/// # Errors
/// What is no text, and the empty one.
pub fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    text(deserializer, "a path", |text| {
        (!text.is_empty()).then(|| PathBuf::from(text))
    })
}

/// [`path`], for a key that may be left out.
///
/// # Errors
/// As for [`path`].
pub fn optional_path<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    path(deserializer).map(Some)
}

/// A port number.
///
/// # Errors
/// What is no integer from 0 to 65535.
pub fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    struct Port;

    impl Visitor<'_> for Port {
        type Value = u16;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a port number from 0 to 65535")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<u16, E> {
            u16::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
        }
    }

    deserializer.deserialize_any(Port)
}

/// [`port`], for a key that may be left out.
///
/// # Errors
/// As for [`port`].
pub fn optional_port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    port(deserializer).map(Some)
}

/// A text that is never shown: not even an error about its type repeats it.
///
/// # Errors
/// What is no text, and the empty one.
pub fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    struct Hidden;

    impl Visitor<'_> for Hidden {
        type Value = Secret;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a text that is not empty")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
            match text {
                "" => Err(E::invalid_value(Unexpected::Other("an empty one"), &self)),
                _ => Ok(Secret::new(text.to_owned())),
            }
        }

        // serde's own versions of these put the value into the message: a password of digits, written without
        // quotes, would be in the log.
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
            Err(E::invalid_type(Unexpected::Other("true or false"), &self))
        }

        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
            Err(E::invalid_type(Unexpected::Other("a number"), &self))
        }

        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
            Err(E::invalid_type(Unexpected::Other("a number"), &self))
        }

        fn visit_i128<E: de::Error>(self, _: i128) -> Result<Secret, E> {
            Err(E::invalid_type(Unexpected::Other("a number"), &self))
        }

        fn visit_u128<E: de::Error>(self, _: u128) -> Result<Secret, E> {
            Err(E::invalid_type(Unexpected::Other("a number"), &self))
        }

        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
            Err(E::invalid_type(Unexpected::Other("a number"), &self))
        }
    }

    deserializer.deserialize_any(Hidden)
}

/// [`secret`], for a key that may be left out.
///
/// # Errors
/// As for [`secret`].
pub fn optional_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret>, D::Error> {
    secret(deserializer).map(Some)
}

//! From serde's messages to ones that a reader of the configuration understands.

use crate::adapters::units::nearest;

/// What serde complains of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Complaint {
    /// A section has no such key.
    Unknown { valid: Vec<String> },
    /// A section lacks a key.
    Missing { key: String },
    /// A value is not what it should be.
    Value { message: String },
}

/// The longest part of a value that a message repeats.
const EXCERPT: usize = 60;

/// Sorts one of serde's messages.
pub(super) fn understand(message: &str) -> Complaint {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let valid = rest
            .rsplit_once("`, expected ")
            .map_or(Vec::new(), |(_, names)| quoted(names));
        return Complaint::Unknown { valid };
    }
    if let Some(key) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        return Complaint::Missing {
            key: key.to_owned(),
        };
    }
    Complaint::Value {
        message: reworded(message),
    }
}

impl Complaint {
    /// Of an unknown key of that name, the valid one that was probably meant.
    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        match self {
            Self::Unknown { valid } => nearest(name, valid),
            Self::Missing { .. } | Self::Value { .. } => None,
        }
    }

    /// What to tell about the key of that name.
    pub(super) fn message(&self, name: &str) -> String {
        match self {
            Self::Unknown { valid } => match nearest(name, valid) {
                Some(near) => format!("unknown key; did you mean \"{near}\"?"),
                None => format!("unknown key; the keys here are {}", valid.join(", ")),
            },
            Self::Missing { key } if key == "storage" => {
                "missing; a file names exactly one storage: add [storage.fs] or [storage.s3]"
                    .to_owned()
            }
            Self::Missing { .. } => "missing".to_owned(),
            Self::Value { message } => message.clone(),
        }
    }
}

/// `invalid type: X, expected Y` → `expected Y, found X`; what is already in our words stays.
fn reworded(message: &str) -> String {
    if let Some((variant, names)) = message
        .strip_prefix("unknown variant `")
        .and_then(|rest| rest.rsplit_once("`, expected "))
    {
        let names: Vec<String> = quoted(names)
            .iter()
            .map(|name| format!("{name:?}"))
            .collect();
        return format!(
            "expected {}, found {:?}",
            names.join(" or "),
            excerpt(variant)
        );
    }
    let split = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "));
    match split {
        Some((found, expected)) => {
            format!("expected {}, found {}", what(expected), found_words(found))
        }
        None if message == "wanted string or table" => "expected a text in quotes".to_owned(),
        None => message.to_owned(),
    }
}

/// serde's names of types, in words.
fn what(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        _ if expected.starts_with("struct ") => "a table",
        _ => expected,
    }
}

/// serde's description of a value, as the value would be written.
fn found_words(found: &str) -> String {
    match found {
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        _ => match found.strip_prefix("string ") {
            Some(text) => excerpt(text),
            None => match quoted(found).as_slice() {
                [number] => number.clone(),
                _ => excerpt(found),
            },
        },
    }
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;

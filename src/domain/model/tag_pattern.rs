//! Tag patterns: which tags a setting is about.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::Tag;

/// A pattern such as `v*`. It stands for whole tags: `*` for any characters,
/// `?` for one, and everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TagPattern(Box<str>);

/// Why a text is no pattern: no tag could match it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a tag in which * stands for any characters and ? for one, such as \"v*\", found {0:?}"
)]
pub struct InvalidTagPattern(String);

impl TagPattern {
    /// Whether it stands for this tag.
    #[must_use]
    pub fn matches(&self, tag: &Tag) -> bool {
        let (pattern, tag) = (self.0.as_bytes(), tag.as_str().as_bytes());
        let (mut at, mut read) = (0, 0);
        // Behind the last star, and how far the tag was read when it took its
        // last character. No star before that one need ever take more.
        let mut star = None;
        while let Some(byte) = tag.get(read) {
            match (pattern.get(at), star) {
                (Some(b'*'), _) => {
                    at += 1;
                    star = Some((at, read));
                }
                (Some(expected), _) if *expected == b'?' || expected == byte => {
                    (at, read) = (at + 1, read + 1);
                }
                (_, Some((behind, taken))) => {
                    (at, read) = (behind, taken + 1);
                    star = Some((behind, taken + 1));
                }
                (_, None) => return false,
            }
        }
        pattern.iter().skip(at).all(|rest| *rest == b'*')
    }
}

impl TryFrom<String> for TagPattern {
    type Error = InvalidTagPattern;

    fn try_from(text: String) -> Result<Self, InvalidTagPattern> {
        // What a star stands for may be nothing, and so may count as one letter.
        if text.replace(['*', '?'], "x").parse::<Tag>().is_err() {
            return Err(InvalidTagPattern(text));
        }
        Ok(Self(text.into()))
    }
}

impl Serialize for TagPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;

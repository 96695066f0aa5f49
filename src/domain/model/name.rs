//! Repository names: the spec's `<name>`.

use std::fmt;
use std::str::FromStr;

/// The scope of blobs, manifests and tags.
///
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`,
/// at most 255 bytes (many clients cap host and name together at 255).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Box<str>);

/// Why a text is not a repository name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Longer than [`RepositoryName::MAX_LEN`].
    #[error("a repository name has at most 255 characters")]
    TooLong,
    /// Not the spec's grammar.
    #[error(
        "a repository name is made of path components of lower-case letters and digits, \
         joined inside by one '.', one or two '_' or any number of '-'"
    )]
    Grammar,
}

impl RepositoryName {
    /// The most bytes a name may have.
    pub const MAX_LEN: usize = 255;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` is one path component of a name.
    #[must_use]
    pub fn is_component(text: &str) -> bool {
        let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let mut rest = text.as_bytes();
        loop {
            let word = rest.iter().take_while(|b| alphanumeric(b)).count();
            if word == 0 {
                return false;
            }
            rest = &rest[word..];
            if rest.is_empty() {
                return true;
            }
            let joint = rest.iter().take_while(|b| !alphanumeric(b)).count();
            match &rest[..joint] {
                b"." | b"_" | b"__" => {}
                dashes if dashes.iter().all(|b| *b == b'-') => {}
                _ => return false,
            }
            rest = &rest[joint..];
        }
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.len() > Self::MAX_LEN {
            return Err(InvalidName::TooLong);
        }
        if !text.split('/').all(Self::is_component) {
            return Err(InvalidName::Grammar);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;

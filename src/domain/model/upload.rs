//! Upload sessions: a blob push in progress.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Hasher, Timestamp};

/// Names a session: a UUID in its usual lower-case form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(Box<str>);

/// A text that is not an upload id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upload id is a UUID")]
pub struct InvalidUploadId;

impl UploadId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    fn from_str(text: &str) -> Result<Self, InvalidUploadId> {
        let well_formed = text.len() == 36
            && text.bytes().enumerate().all(|(at, b)| match at {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
            });
        if well_formed {
            Ok(Self(text.into()))
        } else {
            Err(InvalidUploadId)
        }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a push has come: what the session's record says.
///
/// The value is the truth about the session, not the bytes in the store: those
/// may go beyond it (a broken PATCH), and are cut off or overwritten then.
#[derive(Clone, Debug)]
pub struct UploadSession {
    /// Its name.
    pub id: UploadId,
    /// When the push began, by the registry's clock.
    pub started_at: Timestamp,
    /// What was received, hashed; its count is the session's offset.
    pub hasher: Hasher,
    /// The pieces in which it was received, for stores that cannot append and
    /// keep each piece for itself. Empty elsewhere.
    pub pieces: Vec<Piece>,
    /// What a newer version of this program has noted besides; it is kept.
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// Some of a session's bytes, in an object of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The object's name among the session's. No two writes share one: what a
    /// broken request still has on its way cannot end up in another's piece.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
}

impl UploadSession {
    /// How many bytes are committed.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.hasher.hashed()
    }
}

#[cfg(test)]
mod tests;

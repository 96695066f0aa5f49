//! The record of an upload session, `_session`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::records::{self, Moment, Unknown, VERSION};
use crate::domain::model::{Algorithm, Hasher, Piece, Timestamp, UploadId, UploadSession};
use crate::ports::StoreError;

/// What the record says. It never runs ahead of the bytes: where those may be
/// lost by a power cut, the record carries the boot under which it was written,
/// and another boot hashes the bytes again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    started_at: Moment,
    pub(super) offset: u64,
    algorithm: String,
    /// Names the format of `state`: see [`Hasher::FORMAT`].
    format: String,
    state: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pieces: Vec<Piece>,
    /// Absent where the bytes are durable before the record is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

impl Record {
    pub(super) fn of(session: &UploadSession, boot: Option<&str>) -> Self {
        Self {
            version: VERSION,
            started_at: Moment(session.started_at),
            offset: session.offset(),
            algorithm: session.hasher.algorithm().to_string(),
            format: Hasher::FORMAT.to_owned(),
            state: STANDARD_NO_PAD.encode(session.hasher.suspend()),
            pieces: session.pieces.clone(),
            boot: boot.map(str::to_owned),
            unknown: session.unknown.clone(),
        }
    }

    /// Reads the record; one that cannot be read ends the session.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        records::decode(bytes).ok()
    }

    pub(super) fn encode(&self, what: &str) -> Result<bytes::Bytes, StoreError> {
        records::encode(what, self)
    }

    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm.parse().ok()
    }

    pub(super) fn started_at(&self) -> Timestamp {
        self.started_at.0
    }

    /// The hasher as it was put down under `boot`; `None` where it must not
    /// be trusted, and the bytes must be hashed again.
    pub(super) fn hasher(&self, boot: Option<&str>) -> Option<Hasher> {
        let trusted = self.boot.is_none() || self.boot.as_deref() == boot;
        if !trusted || self.format != Hasher::FORMAT {
            return None;
        }
        let state = STANDARD_NO_PAD.decode(&self.state).ok()?;
        Hasher::resume(self.algorithm()?, self.offset, &state)
    }

    pub(super) fn session(&self, id: &UploadId, hasher: Hasher) -> UploadSession {
        UploadSession {
            id: id.clone(),
            started_at: self.started_at(),
            hasher,
            pieces: self.pieces.clone(),
            unknown: self.unknown.clone(),
        }
    }
}

/// A new random session.
pub(super) fn begin(algorithm: Algorithm, now: Timestamp) -> Result<UploadSession, StoreError> {
    let id = uuid::Uuid::new_v4().hyphenated().to_string();
    Ok(UploadSession {
        id: id
            .parse()
            .map_err(|e| records::corrupt("a new upload id", e))?,
        started_at: now,
        hasher: Hasher::new(algorithm),
        pieces: Vec::new(),
        unknown: Unknown::new(),
    })
}

#[cfg(test)]
mod tests;

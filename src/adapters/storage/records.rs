//! Our own records: small JSON objects, each with a version.
//!
//! A record that is written again and again keeps the fields that this version
//! does not know, so that an older replica beside a newer one loses nothing;
//! the others are written once.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::model::Timestamp;
use crate::ports::StoreError;

/// The version that this program writes. A reader takes any version: fields
/// are only ever added; another meaning would be another path.
pub(super) const VERSION: u32 = 1;

/// A record's fields that this version does not know.
pub(super) type Unknown = serde_json::Map<String, serde_json::Value>;

/// The record as the store keeps it.
pub(super) fn encode(what: &str, record: &impl Serialize) -> Result<Bytes, StoreError> {
    serde_json::to_vec(record)
        .map(Bytes::from)
        .map_err(|source| corrupt(what, source))
}

/// The record, where these bytes are one. The caller decides what a record
/// means that cannot be read.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(bytes)
}

pub(super) fn corrupt(
    what: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt {
        what: what.to_owned(),
        source: source.into(),
    }
}

/// A moment, written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(pub(super) Timestamp);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A moment beyond the calendar cannot come from a clock; it is written
        // as the epoch rather than lost with its record.
        let moment = jiff::Timestamp::from_millisecond(self.0.as_millis()).unwrap_or_default();
        moment.fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(Timestamp::from_millis(moment.as_millisecond())))
    }
}

#[cfg(test)]
mod tests;

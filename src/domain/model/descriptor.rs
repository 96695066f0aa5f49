//! Descriptors: what kind of content, under which digest, how large.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, MediaType};

/// An OCI descriptor, as far as a registry looks into one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: MediaType,
    /// The content's name.
    pub digest: Digest,
    /// The content's length in bytes.
    pub size: u64,
    /// What the artifact is, where the content is a manifest of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "annotations_are_absent")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Where else the content may be fetched from.
    #[serde(default, skip_serializing)]
    pub urls: Option<Vec<String>>,
}

#[allow(clippy::ref_option)] // serde hands over a reference to the field
fn annotations_are_absent(annotations: &Option<BTreeMap<String, String>>) -> bool {
    annotations.as_ref().is_none_or(BTreeMap::is_empty)
}

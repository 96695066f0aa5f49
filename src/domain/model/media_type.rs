//! Media types, and the ones that OCI and Docker gave a meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A media type without parameters, as pushed (`type/subtype`, case kept).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaType(Box<str>);

impl MediaType {
    /// An OCI image manifest.
    pub const OCI_MANIFEST: &'static str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI image index.
    pub const OCI_INDEX: &'static str = "application/vnd.oci.image.index.v1+json";
    /// Docker's image manifest, version 2, schema 2.
    pub const DOCKER_MANIFEST: &'static str =
        "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's manifest list: an index.
    pub const DOCKER_LIST: &'static str =
        "application/vnd.docker.distribution.manifest.list.v2+json";
    /// What a config says that has no content.
    pub const OCI_EMPTY: &'static str = "application/vnd.oci.empty.v1+json";

    /// The media type that a `Content-Type` or a `mediaType` names: parameters
    /// and surrounding blanks go. `None` where there is no `type/subtype` in
    /// printable ASCII, or it is longer than 255 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        let token = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !b"/,\"\\".contains(&b))
        };
        let (kind, subtype) = essence.split_once('/')?;
        if essence.len() > 255 || !token(kind) || !token(subtype) {
            return None;
        }
        Some(Self(essence.into()))
    }

    /// One of the constants above as a media type.
    #[must_use]
    pub fn known(constant: &'static str) -> Self {
        Self(constant.into())
    }

    /// The media type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether content of this type is a manifest that lists manifests.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(self.as_str(), Self::OCI_INDEX | Self::DOCKER_LIST)
    }

    /// Whether content of this type is an image manifest.
    #[must_use]
    pub fn is_image(&self) -> bool {
        matches!(self.as_str(), Self::OCI_MANIFEST | Self::DOCKER_MANIFEST)
    }

    /// Whether a layer of this type may be absent from a registry: its licence
    /// forbids passing it on (image-spec, "Non-distributable Layers").
    #[must_use]
    pub fn is_nondistributable(&self) -> bool {
        self.as_str()
            .starts_with("application/vnd.oci.image.layer.nondistributable.")
            || self
                .as_str()
                .starts_with("application/vnd.docker.image.rootfs.foreign.")
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;

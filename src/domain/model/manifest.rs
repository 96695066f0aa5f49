//! Manifests: an image or an index, read just far enough to know what it needs.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Descriptor, Digest, MediaType};

/// What a manifest says, apart from its bytes: those are kept and served as
/// they were pushed, never as this type would write them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What it is served as.
    pub media_type: MediaType,
    /// Image or index, and what it lists.
    pub content: ManifestContent,
    /// The manifest that this one says something about.
    pub subject: Option<Descriptor>,
    /// `artifactType` as written; see [`Manifest::referrer_type`].
    pub artifact_type: Option<String>,
    /// Free text by key, shown in referrers lists.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// The two shapes of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestContent {
    /// One config and any number of layers.
    Image {
        /// The config.
        config: Descriptor,
        /// The layers, in the order of the manifest.
        layers: Vec<Descriptor>,
    },
    /// A list of manifests (or, from `BuildKit`, of blobs).
    Index {
        /// The children, in the order of the index.
        children: Vec<Descriptor>,
    },
}

/// What kind of need a manifest has of something it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A config or a layer: a blob that must be here.
    Blob,
    /// A layer that may be elsewhere: non-distributable, or with `urls`.
    OptionalBlob,
    /// An index's child: a manifest, or a blob (`BuildKit` cache exports).
    Child,
}

/// One thing that a manifest keeps alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement<'a> {
    /// What it names.
    pub digest: &'a Digest,
    /// How much it needs it.
    pub need: Need,
}

/// Why bytes are not a manifest that can be stored.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    /// Not JSON, or not of a manifest's shape.
    #[error("the manifest is not valid: {0}")]
    Json(String),
    /// Docker's signed schema 1.
    #[error("schema 1 manifests are not supported; push a Docker schema 2 or an OCI manifest")]
    Schema1,
    /// `schemaVersion` is something else than 2.
    #[error("schemaVersion must be 2")]
    SchemaVersion,
    /// It could be read as two different things (CVE-2021-41190).
    #[error("a manifest has either `manifests` or `config` and `layers`, never both")]
    Ambiguous,
    /// It has neither.
    #[error("a manifest needs `config` (an image) or `manifests` (an index)")]
    Shapeless,
    /// Header and body disagree.
    #[error("the Content-Type is {header}, but the manifest's mediaType is {body}")]
    MediaTypeMismatch {
        /// What the request said.
        header: MediaType,
        /// What the manifest says.
        body: MediaType,
    },
    /// A type that means one shape on content of the other.
    #[error("the media type {0} does not fit the manifest's content")]
    WrongShape(MediaType),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
    #[serde(rename = "fsLayers")]
    schema1_layers: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// The largest manifest. The spec wants 4 MiB at least; clients stop there too.
    pub const MAX_BYTES: u64 = 8 * 1024 * 1024;

    /// Reads a manifest that was pushed as `content_type`.
    ///
    /// Types that say nothing about manifests (`application/json`,
    /// `application/octet-stream`, `text/plain`) and no type at all leave the
    /// word to the body: its `mediaType`, else its shape.
    ///
    /// # Errors
    ///
    /// [`InvalidManifest`] says what is wrong in a sentence for the client.
    pub fn parse(content_type: Option<&MediaType>, bytes: &[u8]) -> Result<Self, InvalidManifest> {
        let raw: Raw =
            serde_json::from_slice(bytes).map_err(|e| InvalidManifest::Json(e.to_string()))?;
        if raw.schema_version == Some(1) || raw.schema1_layers.is_some() {
            return Err(InvalidManifest::Schema1);
        }
        if raw.schema_version != Some(2) {
            return Err(InvalidManifest::SchemaVersion);
        }

        let content = match (raw.config, raw.layers, raw.manifests) {
            (None, None, Some(children)) => ManifestContent::Index { children },
            (Some(config), layers, None) => ManifestContent::Image {
                config,
                layers: layers.unwrap_or_default(),
            },
            (_, _, Some(_)) => return Err(InvalidManifest::Ambiguous),
            (None, _, None) => return Err(InvalidManifest::Shapeless),
        };
        let media_type = media_type(content_type, raw.media_type.as_deref(), &content)?;

        Ok(Self {
            media_type,
            content,
            subject: raw.subject,
            artifact_type: raw.artifact_type.filter(|text| !text.is_empty()),
            annotations: raw.annotations,
        })
    }

    /// What to serve stored bytes as when nobody wrote down their media type:
    /// what they say themselves, else what their shape says. Lenient, because
    /// other registries took manifests that this one would refuse.
    #[must_use]
    pub fn media_type_of(bytes: &[u8]) -> MediaType {
        const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape {
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
            fs_layers: Option<serde::de::IgnoredAny>,
        }
        let by_shape = |shape: &Shape| match shape {
            Shape {
                fs_layers: Some(_), ..
            } => MediaType::known(SCHEMA1),
            Shape {
                manifests: Some(_), ..
            } => MediaType::known(MediaType::OCI_INDEX),
            Shape { .. } => MediaType::known(MediaType::OCI_MANIFEST),
        };
        match serde_json::from_slice::<Shape>(bytes) {
            Ok(shape) => (shape.media_type.as_deref().and_then(MediaType::parse))
                .unwrap_or_else(|| by_shape(&shape)),
            Err(_) => MediaType::known(MediaType::OCI_MANIFEST),
        }
    }

    /// Everything that this manifest names and a registry keeps for it, each
    /// digest once. The subject is not among it: it may be absent (spec,
    /// "Pushing Manifests with Subject").
    #[must_use]
    pub fn needs(&self) -> Vec<Requirement<'_>> {
        let mut seen = std::collections::HashSet::new();
        let mut needs = Vec::new();
        let mut add = |digest, need| {
            if seen.insert(digest) {
                needs.push(Requirement { digest, need });
            }
        };
        match &self.content {
            ManifestContent::Image { config, layers } => {
                add(&config.digest, Need::Blob);
                for layer in layers {
                    let elsewhere = layer.media_type.is_nondistributable()
                        || layer.urls.as_ref().is_some_and(|urls| !urls.is_empty());
                    let need = if elsewhere {
                        Need::OptionalBlob
                    } else {
                        Need::Blob
                    };
                    add(&layer.digest, need);
                }
            }
            ManifestContent::Index { children } => {
                for child in children {
                    add(&child.digest, Need::Child);
                }
            }
        }
        needs
    }

    /// The artifact type under which it appears in a referrers list: its own,
    /// else an image's config media type, else none (spec, "Listing Referrers").
    #[must_use]
    pub fn referrer_type(&self) -> Option<&str> {
        match (&self.artifact_type, &self.content) {
            (Some(artifact_type), _) => Some(artifact_type),
            (None, ManifestContent::Image { config, .. }) => Some(config.media_type.as_str()),
            (None, ManifestContent::Index { .. }) => None,
        }
    }
}

fn media_type(
    header: Option<&MediaType>,
    body: Option<&str>,
    content: &ManifestContent,
) -> Result<MediaType, InvalidManifest> {
    const SILENT: [&str; 3] = ["application/json", "application/octet-stream", "text/plain"];

    let header = header.filter(|header| !SILENT.contains(&header.as_str()));
    let body = match body.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(
            MediaType::parse(text)
                .ok_or_else(|| InvalidManifest::Json("mediaType is not a media type".to_owned()))?,
        ),
    };
    let media_type = match (header, body) {
        (Some(header), Some(body)) if *header != body => {
            return Err(InvalidManifest::MediaTypeMismatch {
                header: header.clone(),
                body,
            });
        }
        (_, Some(body)) => body,
        (Some(header), None) => header.clone(),
        (None, None) => match content {
            ManifestContent::Image { .. } => MediaType::known(MediaType::OCI_MANIFEST),
            ManifestContent::Index { .. } => MediaType::known(MediaType::OCI_INDEX),
        },
    };
    let wrong_shape = match content {
        ManifestContent::Image { .. } => media_type.is_index(),
        ManifestContent::Index { .. } => media_type.is_image(),
    };
    if wrong_shape {
        return Err(InvalidManifest::WrongShape(media_type));
    }
    Ok(media_type)
}

#[cfg(test)]
mod tests;

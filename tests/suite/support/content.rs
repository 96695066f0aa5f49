//! Content: blobs, and manifests that name them.

use serde_json::{Value, json};
use simple_registry::domain::model::{Algorithm, Hasher, MediaType};

use super::registry::TestRegistry;

/// The sha256 digest.
pub fn digest_of(content: &[u8]) -> String {
    Hasher::digest_of(Algorithm::Sha256, content).to_string()
}

/// Bytes without a pattern, the same ones for the same seed. They repeat, but
/// not at any size that buffers have.
pub fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let block: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(length.min(65_521))
    .collect();
    let mut bytes = block.repeat(length / block.len().max(1) + 1);
    bytes.truncate(length);
    bytes
}

/// An image manifest with additional fields.
pub fn manifest(config: &[u8], layers: &[&[u8]], more: &Value) -> String {
    let descriptor = |content: &[u8], media_type: &str| {
        json!({
            "mediaType": media_type,
            "digest": digest_of(content),
            "size": content.len(),
        })
    };
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| descriptor(layer, "application/vnd.oci.image.layer.v1.tar"))
        .collect();
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
        "layers": layers,
    });
    if let (Some(manifest), Some(more)) = (manifest.as_object_mut(), more.as_object()) {
        manifest.extend(more.clone());
    }
    // Odd on purpose: a manifest must come back byte for byte.
    format!("{manifest:#}\n")
}

/// An image: a config, a layer, and the manifest that names them.
pub struct Image {
    pub config: Vec<u8>,
    pub layer: Vec<u8>,
    pub manifest: String,
    pub digest: String,
}

impl Image {
    /// The image number `seed`.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, &json!({}))
    }

    /// With additional fields in its manifest.
    pub fn with(seed: u64, more: &Value) -> Self {
        let config = format!("{{\"seed\":{seed}}}").into_bytes();
        let layer = random(seed, 2048);
        let manifest = manifest(&config, &[&layer], more);
        Self {
            digest: digest_of(manifest.as_bytes()),
            config,
            layer,
            manifest,
        }
    }

    /// Pushes its blobs.
    pub async fn push_blobs(&self, registry: &TestRegistry, repository: &str) {
        registry.push_blob(repository, &self.config).await;
        registry.push_blob(repository, &self.layer).await;
    }

    /// Pushes all of it.
    pub async fn push(&self, registry: &TestRegistry, repository: &str, reference: &str) {
        self.push_blobs(registry, repository).await;
        registry
            .push_manifest(repository, reference, &self.manifest)
            .await;
    }

    /// What others point at it with.
    pub fn descriptor(&self) -> Value {
        json!({
            "mediaType": MediaType::OCI_MANIFEST,
            "digest": self.digest,
            "size": self.manifest.len(),
        })
    }
}

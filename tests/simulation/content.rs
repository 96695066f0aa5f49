//! What clients push: a few images that share layers, indexes over them, and artifacts that refer to them.

use bytes::Bytes;
use serde_json::{Value, json};
use simple_registry::domain::model::{Algorithm, Digest, Hasher, MediaType, RepositoryName, Tag};

/// Everything that can be pushed. Who names a thing names it by its place here.
pub struct Content {
    pub repositories: Vec<RepositoryName>,
    pub tags: Vec<Tag>,
    pub blobs: Vec<Blob>,
    pub items: Vec<Item>,
}

pub struct Blob {
    pub digest: Digest,
    pub bytes: Bytes,
}

/// A manifest.
pub struct Item {
    pub digest: Digest,
    pub bytes: Bytes,
    pub media_type: MediaType,
    pub blobs: Vec<usize>,
    pub children: Vec<usize>,
    pub subject: Option<usize>,
}

fn sha256(bytes: &[u8]) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, bytes)
}

impl Content {
    pub fn new() -> Self {
        let blob = |text: String| Blob {
            digest: sha256(text.as_bytes()),
            bytes: Bytes::from(text),
        };
        let configs = (0..3).map(|n| blob(format!("{{\"config\":{n}}}")));
        let layers = (0..4).map(|n| blob(format!("layer {n} ").repeat(4 + 7 * n)));
        let mut content = Self {
            repositories: ["a", "a/b"].map(|it| it.parse().unwrap()).into(),
            tags: ["v1", "latest"].map(|it| it.parse().unwrap()).into(),
            blobs: configs.chain(layers).collect(),
            items: Vec::new(),
        };
        let first = content.image(0, &[3, 4], None);
        let second = content.image(1, &[4, 5], None);
        let third = content.image(2, &[5], None);
        let index = content.index(&[first, second]);
        content.index(&[second, third]);
        content.index(&[index]);
        content.image(0, &[6], Some(first));
        content.image(0, &[3], Some(index));
        content
    }

    fn describe(&self, blob: usize, media_type: &str) -> Value {
        let Blob { digest, bytes } = &self.blobs[blob];
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
    }

    fn refer(&self, item: usize) -> Value {
        let item = &self.items[item];
        json!({
            "mediaType": item.media_type.as_str(),
            "digest": item.digest.to_string(),
            "size": item.bytes.len(),
        })
    }

    fn image(&mut self, config: usize, layers: &[usize], subject: Option<usize>) -> usize {
        let layer = |it: &usize| self.describe(*it, "application/vnd.oci.image.layer.v1.tar");
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "config": self.describe(config, "application/vnd.oci.image.config.v1+json"),
            "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        });
        if let Some(subject) = subject {
            manifest["subject"] = self.refer(subject);
        }
        let blobs = std::iter::once(config).chain(layers.iter().copied());
        let blobs = blobs.collect();
        self.add(
            &manifest,
            MediaType::OCI_MANIFEST,
            blobs,
            Vec::new(),
            subject,
        )
    }

    fn index(&mut self, children: &[usize]) -> usize {
        let manifests: Vec<_> = children.iter().map(|child| self.refer(*child)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_INDEX,
            "manifests": manifests,
        });
        self.add(
            &manifest,
            MediaType::OCI_INDEX,
            Vec::new(),
            children.to_vec(),
            None,
        )
    }

    fn add(
        &mut self,
        manifest: &Value,
        media_type: &'static str,
        blobs: Vec<usize>,
        children: Vec<usize>,
        subject: Option<usize>,
    ) -> usize {
        let bytes = Bytes::from(manifest.to_string());
        self.items.push(Item {
            digest: sha256(&bytes),
            bytes,
            media_type: MediaType::known(media_type),
            blobs,
            children,
            subject,
        });
        self.items.len() - 1
    }

    /// The blob of that digest, or the item.
    pub fn blob_of(&self, digest: &Digest) -> Option<usize> {
        self.blobs.iter().position(|it| it.digest == *digest)
    }

    pub fn item_of(&self, digest: &Digest) -> Option<usize> {
        self.items.iter().position(|it| it.digest == *digest)
    }
}

//! Another registry, from which a namespace is filled.

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::model::{ByteStream, Digest, MediaType, Reference, RepositoryName};
use crate::ports::UpstreamError;

/// A registry that is asked for what is not here. It speaks our names; how they
/// are called there is the adapter's business.
///
/// `None` is the upstream's own word that it has no such thing; whatever else
/// keeps it from answering is an error.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Upstream: Send + Sync {
    /// What it is called in logs and messages: its host.
    fn name(&self) -> &str;

    /// The digest that `reference` has there now, without fetching the manifest
    /// where the upstream can tell.
    async fn resolve_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<Digest>, UpstreamError>;

    /// The manifest, byte for byte; its digest is the one that was asked for,
    /// or that the upstream names.
    async fn get_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<UpstreamManifest>, UpstreamError>;

    /// Size in bytes of the blob.
    async fn stat_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, UpstreamError>;

    /// Opens the blob from the byte `offset` on. Nobody has compared the bytes
    /// with the digest; the stream fails where it is cut short.
    async fn open_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        offset: u64,
    ) -> Result<Option<UpstreamBlob>, UpstreamError>;

    /// The image index of the referrers of `subject`, all of them and unfiltered,
    /// as bytes. `None` where it has no such lists, and clients may have kept
    /// one in a tag.
    async fn get_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Option<Bytes>, UpstreamError>;
}

/// A manifest as an upstream has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamManifest {
    /// The digest of `bytes`, computed here.
    pub digest: Digest,
    /// As which the upstream serves it.
    pub media_type: MediaType,
    /// The manifest.
    pub bytes: Bytes,
}

/// A blob on its way from an upstream.
pub struct UpstreamBlob {
    /// Size in bytes of the whole blob, whatever the offset.
    pub size: u64,
    /// Its bytes from the offset on.
    pub stream: ByteStream,
}

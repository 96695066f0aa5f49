//! Manifests: push, pull, delete.

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::error::RegistryError;
use crate::domain::model::{Caller, Digest, MediaType, Reference, RepositoryName, Tag};
use crate::domain::namespaces::Namespaces;
use crate::ports::{Clock, LockManager, StoragePorts};

/// Pushes, pulls and deletes of manifests.
pub struct Manifests {}

/// A manifest as a client pushes it.
pub struct ManifestPush {
    /// The request's `Content-Type`, if it has one.
    pub content_type: Option<MediaType>,
    /// The manifest, byte for byte.
    pub bytes: Bytes,
    /// Tags to set besides (end-7b `?tag=`).
    pub tags: Vec<Tag>,
    /// `If-Match`: what the URL's reference must point at now, if anything is said. An empty list of digests with `any` false never matches.
    pub if_match: Option<IfMatch>,
    /// Who pushes.
    pub caller: Caller,
}

/// The `If-Match` of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: anything must stand.
    Any,
    /// One of these must stand.
    Digests(Vec<Digest>),
}

/// A manifest that was stored.
#[derive(Debug)]
pub struct PushedManifest {
    /// Its digest: the one in the URL, or sha256 for a push by tag.
    pub digest: Digest,
    /// Its subject, for `OCI-Subject`.
    pub subject: Option<Digest>,
    /// Every tag that points at it now because of this push, the URL's first.
    pub tags: Vec<Tag>,
}

/// A manifest that was found, without its bytes.
#[derive(Clone, Debug)]
pub struct FoundManifest {
    /// Under which it was pushed.
    pub digest: Digest,
    /// As which it was pushed.
    pub media_type: MediaType,
    /// Its length in bytes.
    pub size: u64,
}

impl Manifests {
    pub(super) fn new(
        _storage: &StoragePorts,
        _locks: &Arc<dyn LockManager>,
        _clock: &Arc<dyn Clock>,
        _namespaces: Arc<Namespaces>,
    ) -> Self {
        Self {}
    }
    /// end-3 HEAD
    pub async fn stat(
        &self,
        _repository: &RepositoryName,
        _reference: &Reference,
    ) -> Result<FoundManifest, RegistryError> {
        unimplemented!()
    }
    /// end-3 GET
    pub async fn get(
        &self,
        _repository: &RepositoryName,
        _reference: &Reference,
    ) -> Result<(FoundManifest, Bytes), RegistryError> {
        unimplemented!()
    }
    /// end-7
    pub async fn put(
        &self,
        _repository: &RepositoryName,
        _reference: &Reference,
        _push: ManifestPush,
    ) -> Result<PushedManifest, RegistryError> {
        unimplemented!()
    }
    /// end-9
    pub async fn delete(
        &self,
        _repository: &RepositoryName,
        _reference: &Reference,
        _caller: &Caller,
    ) -> Result<(), RegistryError> {
        unimplemented!()
    }
}

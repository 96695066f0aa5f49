//! Blobs: pull and delete.

use std::sync::Arc;

use crate::domain::error::RegistryError;
use crate::domain::model::{Digest, RepositoryName};
use crate::ports::{BlobReader, LockManager, StoragePorts};

/// Pulls and deletes of blobs.
pub struct Blobs {}

impl Blobs {
    pub(super) fn new(_storage: &StoragePorts, _locks: &Arc<dyn LockManager>) -> Self {
        Self {}
    }
    /// end-2 HEAD: the blob's size. A promise: what was seen stays for the grace period.
    pub async fn stat(
        &self,
        _repository: &RepositoryName,
        _digest: &Digest,
    ) -> Result<u64, RegistryError> {
        unimplemented!()
    }
    /// end-2 GET: opens the blob.
    pub async fn open(
        &self,
        _repository: &RepositoryName,
        _digest: &Digest,
    ) -> Result<Box<dyn BlobReader>, RegistryError> {
        unimplemented!()
    }
    /// end-10
    pub async fn delete(
        &self,
        _repository: &RepositoryName,
        _digest: &Digest,
    ) -> Result<(), RegistryError> {
        unimplemented!()
    }
}

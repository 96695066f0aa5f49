//! Uploads: push blobs.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::error::RegistryError;
use crate::domain::model::{Algorithm, Body, Digest, RepositoryName, UploadId, UploadSession};
use crate::ports::{Clock, LockManager, StoragePorts};

/// Pushes of blobs.
pub struct Uploads {}

/// Where a chunk says it lies: `Content-Range: <first>-<last>`, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /** its first byte */
    pub first: u64,
    /** its last byte */
    pub last: u64,
}

/// Where to mount a blob from (end-11).
pub enum MountSource<'a> {
    /// `from=`.
    Repository(&'a RepositoryName),
    /// Any repository that the caller may read the blob in.
    Anywhere {
        /** whether it may read blobs of that repository */
        may_read: &'a (dyn Fn(&RepositoryName) -> bool + Sync),
    },
}

impl Uploads {
    pub(super) fn new(
        _storage: &StoragePorts,
        _locks: &Arc<dyn LockManager>,
        _clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {}
    }
    /// end-4a, end-4c: begins a session.
    pub async fn start(
        &self,
        _repository: &RepositoryName,
        _algorithm: Algorithm,
    ) -> Result<UploadSession, RegistryError> {
        unimplemented!()
    }
    /// end-13
    pub async fn status(
        &self,
        _repository: &RepositoryName,
        _id: &UploadId,
    ) -> Result<UploadSession, RegistryError> {
        unimplemented!()
    }
    /// end-5: counts whole or not at all.
    pub async fn append(
        &self,
        _repository: &RepositoryName,
        _id: &UploadId,
        _range: Option<ChunkRange>,
        _body: Body,
    ) -> Result<UploadSession, RegistryError> {
        unimplemented!()
    }
    /// end-6: appends the body (which may be empty), checks the digest, and the blob is there.
    pub async fn finish(
        &self,
        _repository: &RepositoryName,
        _id: &UploadId,
        _digest: &Digest,
        _range: Option<ChunkRange>,
        _body: Body,
    ) -> Result<(), RegistryError> {
        unimplemented!()
    }
    /// end-4b: the whole blob in one request.
    pub async fn push(
        &self,
        _repository: &RepositoryName,
        _digest: &Digest,
        _body: Body,
    ) -> Result<(), RegistryError> {
        unimplemented!()
    }
    /// end-11: true if the blob is now readable in `repository`; false: an ordinary upload is needed.
    pub async fn mount(
        &self,
        _repository: &RepositoryName,
        _digest: &Digest,
        _source: MountSource<'_>,
    ) -> Result<bool, RegistryError> {
        unimplemented!()
    }
    /// end-14
    pub async fn cancel(
        &self,
        _repository: &RepositoryName,
        _id: &UploadId,
    ) -> Result<(), RegistryError> {
        unimplemented!()
    }
    /// Removes sessions that were idle for longer than `max_age`; how many.
    pub async fn expire(&self, _max_age: Duration) -> Result<usize, RegistryError> {
        unimplemented!()
    }
}

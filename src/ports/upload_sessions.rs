//! Blob pushes in progress, and the one way in which bytes become a blob.

use async_trait::async_trait;

use crate::domain::model::{
    Algorithm, ByteStream, Digest, RepositoryName, Timestamp, UploadId, UploadSession,
};
use crate::ports::{AppendError, BlobReader, StoreError};

/// Sessions that survive restarts and belong to no replica.
///
/// A session is worth what its saved record says. Callers hold the session's
/// lock from `get` to `save`, `commit` or `remove`.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait UploadSessions: Send + Sync {
    /// Begins a session, hashing with `algorithm`.
    async fn create(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<UploadSession, StoreError>;

    /// The session as saved. `None` where there is none, or where its bytes
    /// did not survive a power cut as far as its record goes.
    async fn get(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<UploadSession>, StoreError>;

    /// Stores and hashes `stream` after the session's offset, over whatever an
    /// earlier append left there, and returns how the session would go on.
    /// Nothing counts until that is saved.
    async fn append(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        stream: ByteStream,
    ) -> Result<UploadSession, AppendError>;

    /// Makes `session` the record.
    async fn save(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<(), StoreError>;

    /// Opens what was appended before the session's offset; whether that was
    /// saved does not matter. `None` where there are no such bytes.
    async fn open(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<Option<Box<dyn BlobReader>>, StoreError>;

    /// The digest of the session's bytes; by another algorithm than the one
    /// hashed on the way, they are read again.
    async fn digest(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        algorithm: Algorithm,
    ) -> Result<Digest, StoreError>;

    /// Makes the session's bytes the blob `digest`, which the caller has
    /// checked. They are durable before they have the name. A blob of that
    /// name and size may stay as it is; one of another size is replaced. The
    /// session is over, but for [`UploadSessions::remove`].
    async fn commit(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        digest: &Digest,
    ) -> Result<(), StoreError>;

    /// Forgets the session and its bytes. Removing what is not there succeeds.
    async fn remove(&self, repository: &RepositoryName, id: &UploadId) -> Result<(), StoreError>;

    /// Every session of every repository.
    async fn list(&self) -> Result<Vec<IdleSession>, StoreError>;

    /// When something last happened to the session; `None` where there is none.
    async fn touched(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// Removes what writes that never ended left behind, if it is older than
    /// `before`: temporary files; or only counts it. How many there were.
    async fn sweep(&self, before: Timestamp, remove: bool) -> Result<usize, StoreError>;
}

/// A session as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleSession {
    /// Where it belongs.
    pub repository: RepositoryName,
    /// Its name.
    pub id: UploadId,
    /// When something last happened to it, by the store's clock.
    pub touched: Timestamp,
}

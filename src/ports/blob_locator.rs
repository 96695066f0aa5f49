//! Where content can be fetched without the registry.

use async_trait::async_trait;

use crate::domain::model::Digest;
use crate::ports::StoreError;

/// Gives clients a way of their own to a blob.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait BlobLocator: Send + Sync {
    /// A URL that answers, for some minutes, whoever knows it: with the blob,
    /// or a range of it, as `application/octet-stream`. It is given whether the
    /// blob is there or not, and to whomever: the caller has judged both.
    async fn locate(&self, digest: &Digest) -> Result<String, StoreError>;
}

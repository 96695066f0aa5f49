//! Which manifests have something to say about a subject.

use async_trait::async_trait;

use crate::domain::model::{Descriptor, Digest, RepositoryName};
use crate::ports::StoreError;

/// Referrers by repository and subject. The subject need not exist.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait ReferrerIndex: Send + Sync {
    /// Lists `referrer` under `subject`, in place of an entry of its digest.
    async fn add(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        referrer: &Descriptor,
    ) -> Result<(), StoreError>;

    /// Takes the entry away. Removing what is not there succeeds.
    async fn remove(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        referrer: &Digest,
    ) -> Result<(), StoreError>;

    /// Everything listed under `subject`, in order of digest.
    async fn list(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError>;
}

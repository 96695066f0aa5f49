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

    /// The entry of `referrer`; `None` where there is none that can be read.
    async fn get(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        referrer: &Digest,
    ) -> Result<Option<Descriptor>, StoreError>;

    /// Everything listed under `subject`, in order. Without the entries, which
    /// carry annotations and may be large.
    async fn list(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Digest>, StoreError>;
}

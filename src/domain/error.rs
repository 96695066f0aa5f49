//! What can go wrong for a client, in the spec's words.

use std::sync::Arc;

use crate::domain::model::{Digest, InvalidManifest, Tag, TagPattern, UploadSession};
use crate::ports::{LockError, StoreError, UpstreamError};

/// Why a request was not done: one variant per error code of the spec
/// (spec.md, "Error Codes"), and the few situations that have none.
///
/// A port's failure becomes [`RegistryError::Unavailable`] by `?` and nothing
/// else: an outage can never read as "unknown" (promise P5).
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// code-1: the repository has no such blob.
    #[error("the blob is not known to this repository")]
    BlobUnknown(Digest),
    /// code-2: a chunk that does not continue the session. The session stands
    /// where it stood: the value tells where.
    #[error(
        "the chunk does not continue the upload; ask the session where it stands and go on there"
    )]
    UploadInvalid(Box<UploadSession>),
    /// code-3: no such session, or it was finished, cancelled or has expired.
    #[error("the upload is not known to this repository; start it again")]
    UploadUnknown,
    /// code-4: not a digest, or not the digest of the content.
    #[error("{0}")]
    DigestInvalid(String),
    /// code-5: a manifest names what the repository does not have.
    #[error("the manifest names content that this repository does not have; push it first")]
    ManifestBlobUnknown(Digest),
    /// code-6: not a manifest that can be stored.
    #[error(transparent)]
    ManifestInvalid(#[from] InvalidManifest),
    /// code-6 as well: more bytes than a manifest may have.
    #[error("a manifest may have at most {limit} bytes")]
    ManifestTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// code-7: no such tag or manifest in the repository.
    #[error("the manifest is not known to this repository")]
    ManifestUnknown(String),
    /// code-8: not a repository name, tag or other part of a URL.
    #[error("{0}")]
    NameInvalid(String),
    /// code-9: no such repository.
    #[error("the repository is not known to this registry")]
    NameUnknown,
    /// code-10: a body of another length than declared.
    #[error("{0}")]
    SizeInvalid(String),
    /// code-11: allowed, but not what the token that was shown is for.
    #[error("the token is not for this; ask for one that is")]
    ScopeInsufficient,
    /// code-12: not allowed.
    #[error("access is denied by policy")]
    Denied,
    /// code-12 as well: the tag neither moves nor goes.
    #[error(
        "the tag {tag} is immutable, because it matches {pattern}; it can't be moved or deleted"
    )]
    TagImmutable {
        /// The tag.
        tag: Tag,
        /// What makes it immutable.
        pattern: TagPattern,
    },
    /// code-13: what this registry does not do, and why.
    #[error("{0}")]
    Unsupported(String),
    /// code-14: more at once than the server takes.
    #[error("too many requests; try again later")]
    TooManyRequests,
    /// A range that lies outside the blob (RFC 9110, 416).
    #[error("the range lies outside the blob")]
    RangeInvalid {
        /// The blob's size in bytes.
        size: u64,
    },
    /// `If-Match` names another manifest than the one that stands (RFC 9110, 412).
    #[error("the reference points at another manifest than If-Match names")]
    PreconditionFailed,
    /// More `tag` parameters than one push may set (end-7b, 414).
    #[error("one push may set at most {limit} tags")]
    TooManyTags {
        /// The limit.
        limit: usize,
    },
    /// The client's body broke off, or made no progress.
    #[error("the request's body ended early: {0}")]
    BodyBroken(#[source] std::io::Error),
    /// A registry that this repository mirrors did not answer as it should.
    #[error(transparent)]
    Upstream(Arc<UpstreamError>),
    /// Something that the registry rests on could not answer.
    #[error("the registry cannot answer now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<UpstreamError> for RegistryError {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(Arc::new(error))
    }
}

impl From<LockError> for RegistryError {
    fn from(error: LockError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl RegistryError {
    /// The tag is not there, or what it points at is gone.
    #[must_use]
    pub fn tag_unknown(tag: &Tag) -> Self {
        Self::ManifestUnknown(tag.to_string())
    }
}

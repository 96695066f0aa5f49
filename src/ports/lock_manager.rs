//! Locks by name, between everything that writes to one store.

use std::any::Any;
use std::fmt;

use async_trait::async_trait;

use crate::domain::model::{Digest, RepositoryName, Tag, Thing, UploadId};
use crate::ports::LockError;

/// What a lock is about. Whoever takes several takes them in the order of the
/// variants, at most one of each: then nobody waits in a circle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LockKey {
    /// One upload session.
    Session(UploadId),
    /// One manifest of one repository.
    Revision(RepositoryName, Digest),
    /// One repository's right to one blob.
    Link(RepositoryName, Digest),
    /// Content, in the whole store.
    Data(Digest),
    /// One tag of one repository.
    Tag(RepositoryName, Tag),
}

impl From<&Thing> for LockKey {
    fn from(thing: &Thing) -> Self {
        match thing {
            Thing::Data(digest) => Self::Data(digest.clone()),
            Thing::Link(repository, digest) => Self::Link(repository.clone(), digest.clone()),
            Thing::Revision(repository, digest) => {
                Self::Revision(repository.clone(), digest.clone())
            }
        }
    }
}

/// The name under which adapters keep the lock: no two keys share one.
impl fmt::Display for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session {id}"),
            Self::Revision(repository, digest) => write!(f, "revision {repository}@{digest}"),
            Self::Link(repository, digest) => write!(f, "link {repository}@{digest}"),
            Self::Data(digest) => write!(f, "data {digest}"),
            Self::Tag(repository, tag) => write!(f, "tag {repository}:{tag}"),
        }
    }
}

/// A lock that is held. Dropping it releases it, and nothing but it.
pub struct LockGuard(#[allow(dead_code)] Box<dyn Any + Send + Sync>);

impl LockGuard {
    /// A guard that releases by dropping `held`.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self(Box::new(held))
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockGuard")
    }
}

/// Mutual exclusion by name, as far as the store reaches: every process that
/// writes to it sees the same locks.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait LockManager: Send + Sync {
    /// Waits for the lock, first come first served within one process.
    /// [`LockError::Contended`] after longer than any holder should need.
    async fn acquire(&self, key: &LockKey) -> Result<LockGuard, LockError>;

    /// Takes the lock if nobody holds it; `None` if somebody does.
    async fn try_acquire(&self, key: &LockKey) -> Result<Option<LockGuard>, LockError>;
}

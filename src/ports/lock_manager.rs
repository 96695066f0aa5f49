//! Locks by name, between everything that writes to one store.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::domain::model::{Digest, RepositoryName, Tag, Thing, UploadId};
use crate::ports::LockError;

/// What a lock is about. Whoever takes several takes them in the order of the
/// variants, at most one of each: then nobody waits in a circle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LockKey {
    /// The collector: one of all servers runs it.
    Collector,
    /// Retention: one of all servers applies it.
    Retention,
    /// One repository's blob, while it is fetched from an upstream.
    Fill(RepositoryName, Digest),
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
    /// The keys that sign tokens.
    TokenKeys,
    /// Nothing: it is asked for to see whether locks can be had.
    Readiness,
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
            Self::Collector => f.write_str("collector"),
            Self::Retention => f.write_str("retention"),
            Self::Fill(repository, digest) => write!(f, "fill {repository}@{digest}"),
            Self::Session(id) => write!(f, "session {id}"),
            Self::Revision(repository, digest) => write!(f, "revision {repository}@{digest}"),
            Self::Link(repository, digest) => write!(f, "link {repository}@{digest}"),
            Self::Data(digest) => write!(f, "data {digest}"),
            Self::Tag(repository, tag) => write!(f, "tag {repository}:{tag}"),
            Self::TokenKeys => f.write_str("token-keys"),
            Self::Readiness => f.write_str("readiness"),
        }
    }
}

/// A lock that is held. Dropping it releases it, and nothing but it.
pub struct LockGuard {
    lease: Option<Box<dyn Lease>>,
    #[allow(dead_code)] // held, and dropped
    held: Vec<Box<dyn Any + Send + Sync>>,
    on_loss: Option<Box<dyn Fn() + Send + Sync>>,
}

/// A hold that may end before its holder lets go. Dropping it releases it, but
/// not at once.
pub trait Lease: Send + Sync {
    /// What is held.
    fn key(&self) -> &LockKey;

    /// Whether it still is.
    fn stands(&self) -> bool;

    /// Returns once it is held no more.
    fn lost(&self) -> BoxFuture<'static, ()>;

    /// Gives it back. When it returns, somebody else can have it; where that
    /// cannot be done, after the time that it lasts.
    fn release(&self) -> BoxFuture<'static, ()>;
}

impl LockGuard {
    /// A guard that releases by dropping `held`, and cannot be lost.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self {
            lease: None,
            held: vec![Box::new(held)],
            on_loss: None,
        }
    }

    /// A guard of a hold that may end by itself.
    pub fn leased(lease: impl Lease + 'static) -> Self {
        Self {
            lease: Some(Box::new(lease)),
            held: Vec::new(),
            on_loss: None,
        }
    }

    /// Keeps `more` until after the lock is released.
    #[must_use]
    pub fn keeping(mut self, more: impl Any + Send + Sync) -> Self {
        self.held.push(Box::new(more));
        self
    }

    /// Calls `told` where work that relies on the lock loses it.
    #[must_use]
    pub fn telling(self, told: impl Fn() + Send + Sync + 'static) -> Self {
        let on_loss = Some(Box::new(told) as Box<_>);
        Self { on_loss, ..self }
    }

    /// Does `work`, which relies on the lock. Where the lock is lost on the
    /// way, the work stops between two of its steps, and nothing of it goes on:
    /// also after the process was held up for longer than the lock lasts.
    ///
    /// The lock is free when it returns: a client's next request may reach
    /// another server before anything that is done in the background.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`], and those of the work. After the first, its last
    /// step may have been done or not.
    pub async fn during<T, E: From<LockError>>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let done = self.watching(work).await;
        self.release().await;
        done
    }

    /// As [`LockGuard::during`], but the lock is not given back.
    pub(crate) async fn watching<T, E: From<LockError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut lost = self.lease.as_ref().map(|lease| lease.lost());
        let mut work = pin!(work);
        poll_fn(|context| match self.loss(&mut lost, context) {
            Some(error) => Poll::Ready(Err(error.into())),
            None => work.as_mut().poll(context),
        })
        .await
    }

    /// That the lock is lost, if it is. `lost` is what its lease tells.
    fn loss(
        &self,
        lost: &mut Option<BoxFuture<'static, ()>>,
        context: &mut Context<'_>,
    ) -> Option<LockError> {
        let (lease, lost) = (self.lease.as_ref()?, lost.as_mut()?);
        if lease.stands() && lost.as_mut().poll(context).is_pending() {
            return None;
        }
        if let Some(told) = &self.on_loss {
            told();
        }
        Some(LockError::Lost(lease.key().to_string()))
    }

    /// Gives the lock back. One that was lost is not, and nobody waits for that.
    pub async fn release(self) {
        if let Some(lease) = self.lease.as_ref().filter(|it| it.stands()) {
            lease.release().await;
        }
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

#[cfg(test)]
mod tests;

//! How ports fail.

use std::error::Error;
use std::time::Duration;

/// A store that could not answer. There is no "not found": absence is `None`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It did not do what was asked: down, full, forbidden, broken.
    #[error("storage: {what}")]
    Unavailable {
        /// What was asked.
        what: String,
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What lies there cannot be what was put there.
    #[error("storage: {what} is damaged")]
    Corrupt {
        /// What lies there.
        what: String,
        /// How it shows.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A lock that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The lock store did not answer.
    #[error("locks: {what}")]
    Unavailable {
        /// What was asked.
        what: String,
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Somebody held it for longer than anybody waits.
    #[error("locks: {0} is held by somebody else for too long")]
    Contended(String),
    /// It was held, and then no more, before the work under it was done.
    #[error("locks: {0} was lost before the work under it was done")]
    Lost(String),
}

/// What a store does under a lock of its own fails with the lock.
impl From<LockError> for StoreError {
    fn from(error: LockError) -> Self {
        Self::Unavailable {
            what: "a lock that it takes".to_owned(),
            source: Box::new(error),
        }
    }
}

/// A cache that did not answer. Nobody needs it: what it would have known can
/// be asked for again where it came from.
#[derive(Debug, thiserror::Error)]
#[error("cache: {0}")]
pub struct CacheError(#[source] pub Box<dyn Error + Send + Sync>);

/// An upstream that did not answer with what it was asked for, nor with "no such thing".
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It is down, too slow, or answers 5xx.
    #[error("upstream {upstream} does not answer now: {what}")]
    Unavailable {
        /// Which one.
        upstream: String,
        /// What was asked.
        what: String,
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It wants to be asked less (429).
    #[error("upstream {upstream}: too many requests")]
    TooManyRequests {
        /// Which one.
        upstream: String,
        /// When it may be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// It does not let us (401, 403): what `username` and `password` are for.
    #[error("upstream {upstream}: {what}: access is denied to the credentials that are configured")]
    Denied {
        /// Which one.
        upstream: String,
        /// What was asked.
        what: String,
    },
    /// What it answered cannot be what was asked for: another digest, a page of
    /// HTML, too long.
    #[error("upstream {upstream}: {what}: {why}")]
    Invalid {
        /// Which one.
        upstream: String,
        /// What was asked.
        what: String,
        /// How it shows.
        why: String,
    },
}

/// Why an append did not happen. The session stands where it stood.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The body broke off, and nothing is wrong with the store.
    #[error("the body ended early")]
    Body(#[source] std::io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a rule of a policy has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// It stopped before its end.
    #[error("{0}")]
    Failed(String),
    /// Its value is of another type than boolean.
    #[error("its value is neither true nor false, but of type {0}")]
    NotBoolean(String),
}

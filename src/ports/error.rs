//! How ports fail.

use std::error::Error;

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

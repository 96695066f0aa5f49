//! The commands, and why one can fail.

pub mod about;
pub mod check_config;
pub mod hash_password;
mod man;
pub mod policy;
pub mod scrub;
pub mod server;
pub mod undelete;
pub mod why;

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use self::hash_password::PasswordError;
use super::config::ConfigError;
use super::wiring::BuildError;
use crate::domain::error::RegistryError;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum CommandError {
    /// A part of a scrub.
    #[error("scrub: not everything could be looked at")]
    Incomplete,
    /// The configuration makes no sense.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// There is no password to hash.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The arguments make no sense with this configuration.
    #[error("{0}")]
    Usage(String),
    /// It could be done, but must not be.
    #[error("{0}")]
    Refused(String),
    /// The registry rests on something that does not answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// TOML can't say what TOML said.
    #[error("the configuration can't be printed")]
    Unprintable(#[from] toml::ser::Error),
    /// The standard output takes nothing.
    #[error("can't print")]
    Print(#[source] io::Error),
    /// What a service manager handed over is no socket to listen on.
    #[error("can't listen on what the service manager opened (LISTEN_FDS)")]
    Inherited(#[source] io::Error),
    /// The operating system gives no threads, timers or signals.
    #[error("the runtime can't be started")]
    Runtime(#[source] io::Error),
    /// What the configuration asks for can't be had.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The address is taken, or not ours.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Another server may work on the store now, or nobody can tell.
    #[error(
        "storage.s3: the lease on the bucket was lost; this process stops rather than write beside another one"
    )]
    LeaseLost,
    /// A second signal came before the first was obeyed.
    #[error("stopped before everything was finished")]
    Interrupted,
}

impl CommandError {
    /// The error and what caused it, in one line.
    #[must_use]
    pub fn with_causes(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        line
    }
}

//! Outbound: other registries, asked over HTTP.

mod address;
mod auth;
mod challenge;
mod client;
pub mod config;
mod error;
mod reach;
mod referrers;
mod tls;
mod tokens;
mod transport;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

pub use address::{Address, BadPrefix};
pub use tokens::MemoryTokens;

use self::client::Client;
use self::config::UpstreamConfig;
use crate::ports::{TokenCache, Upstream};

/// How long an upstream may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// To take up a connection.
    pub connect: Duration,
    /// To say anything: from the question to the answer's head, and between two pieces of its body. However long a body
    /// is on its way, one that moves is not cut.
    pub silence: Duration,
}

impl Default for Patience {
    /// Half of what our own clients wait by default, so that there is time for the next upstream.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
        }
    }
}

/// An upstream that can't be asked as it is configured.
#[derive(Debug, Error)]
#[error("upstream {upstream}: {key}")]
pub struct OpenError {
    /// Its URL.
    pub upstream: String,
    /// The key that is to blame.
    pub key: &'static str,
    /// Why.
    #[source]
    pub source: Problem,
}

/// Why something can't be used.
type Problem = Box<dyn Error + Send + Sync>;

/// The upstream that `config` describes, from which the repositories of `namespace` are filled. Nothing is sent.
///
/// It keeps what its files held when it was opened: when [one of them](UpstreamConfig::files) changes, it is to be opened
/// anew. Tokens outlive that in their cache.
///
/// # Errors
/// The key that is to blame, and why.
pub fn open(
    namespace: &str,
    config: &UpstreamConfig,
    tokens: &Arc<dyn TokenCache>,
    patience: Patience,
) -> Result<Arc<dyn Upstream>, OpenError> {
    Ok(Arc::new(Client::open(namespace, config, tokens, patience)?))
}

//! Settings: what the server is told, as values.

use std::time::Duration;

use super::config::Network;
use crate::adapters::units::HttpUrl;

/// The limits of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many requests are done at once; the others wait.
    pub max_concurrent_requests: usize,
    /// How long a request may be without progress: in front of the door, until
    /// its response begins, and between two pieces of a body.
    pub query_timeout: Duration,
    /// How long requests may go on once the server is told to stop, and writes
    /// once they are in.
    pub grace_period: Duration,
    /// Whose word counts for where a request came from, and what it was sent to.
    pub trusted_proxies: Vec<Network>,
    /// What clients call the registry; `None` to believe each of them.
    pub external_url: Option<HttpUrl>,
    /// Whether `/metrics` is among what is served, and not only on a listener of its own.
    pub serves_metrics: bool,
    /// How long a new connection may be without a request, and take for its
    /// handshake before.
    pub header_timeout: Duration,
    /// How long a connection may be without another request.
    pub idle_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_concurrent_requests: 50,
            query_timeout: Duration::from_mins(1),
            grace_period: Duration::from_secs(30),
            trusted_proxies: Vec::new(),
            external_url: None,
            serves_metrics: false,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(90),
        }
    }
}

impl Settings {
    /// How often connections are looked at: often enough for the shortest of
    /// their deadlines to be about right.
    pub(super) fn check_interval(&self) -> Duration {
        let shortest = self
            .query_timeout
            .min(self.header_timeout)
            .min(self.idle_timeout);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(5))
    }
}

//! What is served now: swapped as one, while requests go on.

use std::sync::Arc;

use prometheus_client::registry::Registry as MetricsRegistry;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::Settings;
use super::admission::Admission;
use super::health::Health;
use super::metrics::{Exposition, Metrics};
use crate::domain::readiness::Readiness;
use crate::domain::registry::Registry;

/// What requests are answered from, and how.
#[derive(Clone)]
pub struct Serving {
    /// The registry.
    pub registry: Arc<Registry>,
    /// Whether it can be.
    pub readiness: Arc<Readiness>,
    /// What new connections are encrypted with; `None` where they are in the clear. A new value takes the tickets of
    /// earlier sessions along: none brings back a client certificate that the new authorities don't know.
    pub tls: Option<Arc<ServerConfig>>,
    /// The limits.
    pub settings: Settings,
}

/// Holds what is served now, and the door in front of it, which is never replaced: who waits there stays.
pub struct Current {
    serving: watch::Sender<Arc<Serving>>,
    admission: Admission,
    health: Health,
    metrics: Metrics,
    exposition: Exposition,
}

impl Current {
    /// Serves this from the beginning. What is counted of it is shown with what is in `metrics` already.
    #[must_use]
    pub fn new(serving: Serving, mut metrics: MetricsRegistry) -> Self {
        Self {
            health: Health::default(),
            metrics: Metrics::register(&mut metrics),
            exposition: Exposition::new(metrics),
            admission: Admission::new(serving.settings.max_concurrent_requests),
            serving: watch::Sender::new(Arc::new(serving)),
        }
    }

    /// What is served now.
    #[must_use]
    pub fn get(&self) -> Arc<Serving> {
        Arc::clone(&self.serving.borrow())
    }

    /// Serves this from now on. Once this returns, no request begins on what was served before; those that have begun
    /// end on it.
    pub fn replace(&self, serving: Serving) {
        let places = serving.settings.max_concurrent_requests;
        self.serving.send_replace(Arc::new(serving));
        self.admission.resize(places);
    }

    /// Whether it is ready, remembered.
    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// All metrics.
    pub(super) fn exposition(&self) -> &Exposition {
        &self.exposition
    }

    /// The door.
    pub(super) fn admission(&self) -> &Admission {
        &self.admission
    }
}

//! What needs no service: the files that the configuration names, its rules and identities.

use std::sync::Arc;

use rustls::ServerConfig;

use super::policies::namespaces_with;
use super::{BuildError, Caches, mirrors};
use crate::adapters::http::tls;
use crate::adapters::identities::Identities;
use crate::adapters::telemetry::upstreams::UpstreamMetrics;
use crate::app::config::Config;
use crate::domain::namespaces::Namespaces;
use crate::ports::Clock;

/// What is made of the configuration and the files that it names.
pub(super) struct Prepared {
    pub(super) config: Config,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) namespaces: Namespaces,
    pub(super) identities: Option<Identities>,
}

/// Files are read, and rules compiled: not on a thread that serves.
pub(super) async fn prepare(
    config: Config,
    before: Option<Identities>,
    clock: &Arc<dyn Clock>,
    caches: &Caches,
    upstreams: &UpstreamMetrics,
) -> Result<Prepared, BuildError> {
    let means = mirrors::Means {
        clock: Arc::clone(clock),
        tokens: Arc::clone(&caches.tokens),
        metrics: upstreams.clone(),
    };
    let prepared = tokio::task::spawn_blocking(move || {
        let tls = tls(&config)?;
        let namespaces = namespaces_with(&config, |namespace, entry| {
            mirrors::source(namespace, entry, &means)
        })?;
        let identities = identities(&config, before.as_ref())?;
        Ok(Prepared {
            config,
            tls,
            namespaces,
            identities,
        })
    });
    prepared.await.map_err(|panic| BuildError {
        section: "configuration",
        source: panic.into(),
    })?
}

/// What connections are encrypted with, if they are.
fn tls(config: &Config) -> Result<Option<Arc<ServerConfig>>, BuildError> {
    let files = config.server.tls.as_ref();
    files
        .map(tls::load)
        .transpose()
        .map_err(|error| BuildError {
            section: error.key,
            source: error.into(),
        })
}

fn identities(
    config: &Config,
    earlier: Option<&Identities>,
) -> Result<Option<Identities>, BuildError> {
    let identities = match earlier {
        None => Identities::new(&config.identity),
        Some(earlier) => earlier.replaced_by(&config.identity),
    };
    identities.map_err(|error| BuildError {
        section: "identity",
        source: error.into(),
    })
}

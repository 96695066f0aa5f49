//! Mirrors: what a namespace is filled from, opened.

use std::sync::Arc;

use super::BuildError;
use crate::adapters::telemetry::upstreams::UpstreamMetrics;
use crate::adapters::units::ByteSize;
use crate::adapters::upstream::{self, Address, OpenError, Patience};
use crate::app::config::RepositoryConfig;
use crate::domain::mirror::{AnswersFor, Source, canonical};
use crate::ports::{Clock, TokenCache};

/// What all upstreams share.
pub(super) struct Means {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tokens: Arc<dyn TokenCache>,
    pub(super) metrics: UpstreamMetrics,
}

/// What the entry mirrors, if it is a mirror.
pub(super) fn source(
    namespace: &str,
    entry: &RepositoryConfig,
    means: &Means,
) -> Result<Option<Arc<Source>>, BuildError> {
    if entry.upstream.is_empty() {
        return Ok(None);
    }
    let failed = |error: OpenError| BuildError {
        section: "repository",
        source: error.into(),
    };
    let mut upstreams = Vec::new();
    let mut answers_for = Vec::new();
    for config in &entry.upstream {
        let opened = upstream::open(namespace, config, &means.tokens, Patience::default());
        let opened = opened.map_err(failed)?;
        let circuit = means.metrics.circuit(opened, Arc::clone(&means.clock));
        upstreams.push(circuit as Arc<dyn crate::ports::Upstream>);

        let address = Address::new(namespace, &config.url).map_err(|error| BuildError {
            section: "repository",
            source: error.into(),
        })?;
        answers_for.extend(names_of(&address, entry.mirrors.as_deref()));
    }
    Ok(Some(Arc::new(Source {
        upstreams,
        revalidate_interval: entry.revalidate_interval.duration(),
        cache_max_size: entry.cache_max_size.map(ByteSize::bytes),
        answers_for,
    })))
}

/// The registries in whose names the upstream is asked. Another registry's
/// names may begin with its prefix, as this one's do, or lie below it.
fn names_of(address: &Address, mirrors: Option<&[String]>) -> Vec<AnswersFor> {
    let host = address.name();
    let own = [host.to_owned()];
    let mut names = Vec::new();
    for registry in mirrors.unwrap_or(&own) {
        let below = canonical(registry) != canonical(host) && !address.prefix().is_empty();
        let prefixes = [Some(address.prefix()), below.then_some("")];
        names.extend(prefixes.into_iter().flatten().map(|prefix| AnswersFor {
            registry: registry.clone(),
            prefix: prefix.to_owned(),
        }));
    }
    names
}

#[cfg(test)]
mod tests;

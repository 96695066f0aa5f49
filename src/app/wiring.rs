//! The composition root: every `Arc<dyn …>` of the program is made here and below.

mod mirrors;
mod policies;
mod prepare;
mod probe;
mod store;
mod upkeep;

use std::error::Error;
use std::num::NonZero;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::OptionFuture;
use rustls::ServerConfig;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::policies::namespaces;
use self::prepare::{Prepared, prepare};
pub use self::probe::probe;
use self::store::Store;
pub use self::upkeep::Upkeep;
use crate::adapters::clock::SystemClock;
use crate::adapters::http::{Serving, Settings};
use crate::adapters::identities::Identities;
use crate::adapters::redis::{Redis, RedisCache};
use crate::adapters::storage::StoreMetrics;
use crate::adapters::tasks::RuntimeTasks;
use crate::adapters::telemetry::config::TracingConfig;
use crate::adapters::telemetry::traces::{Exporting, TraceMetrics, Traces};
use crate::adapters::telemetry::upkeep::UpkeepMetrics;
use crate::adapters::telemetry::upstreams::UpstreamMetrics;
use crate::adapters::tokens::{Keys, SignedTokens};
use crate::adapters::units::HttpUrl;
use crate::adapters::upstream::MemoryTokens;
use crate::app::config::{CollectorConfig, Config};
use crate::domain::collector::{Collector, CollectorSettings};
use crate::domain::login::Login;
use crate::domain::model::Secret;
use crate::domain::readiness::Readiness;
use crate::domain::registry::Registry;
use crate::domain::retention::{Retention, RetentionSettings};
use crate::ports::{Clock, MountHints, StoragePorts, Tasks, TokenCache, Tokens};

/// How long the end of the server may wait for a store that does not answer.
const LAST_RELEASES: Duration = Duration::from_secs(10);

/// A part of the registry that can't be built as its section of the configuration asks.
#[derive(Debug, Error)]
#[error("{section}: can't be used")]
pub struct BuildError {
    /// The section, or the key in it where one is to blame.
    pub section: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// What a configuration describes, built.
pub struct Built {
    /// The configuration.
    pub config: Config,
    /// The registry.
    pub registry: Arc<Registry>,
    tls: Option<Arc<ServerConfig>>,
    identities: Option<Identities>,
    tokens: Arc<dyn Tokens>,
    caches: Caches,
    store: Arc<Store>,
}

/// What servers that share a cache tell each other; without one, what this one remembers.
#[derive(Clone)]
struct Caches {
    hints: Option<Arc<dyn MountHints>>,
    /// Tokens of upstreams.
    tokens: Arc<dyn TokenCache>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            hints: None,
            tokens: Arc::new(MemoryTokens::default()),
        }
    }
}

impl Caches {
    fn shared(cache: &Arc<RedisCache>) -> Self {
        let tokens = Arc::clone(cache) as Arc<dyn TokenCache>;
        Self {
            hints: Some(Arc::clone(cache) as Arc<dyn MountHints>),
            tokens: Arc::new(MemoryTokens::before(tokens)),
        }
    }
}

/// A collector, and what it was made for.
pub struct Collecting {
    /// The collector.
    pub collector: Collector,
    config: CollectorConfig,
    store: Weak<Store>,
}

/// What outlives every configuration.
pub struct Shared {
    /// The server is told to stop.
    pub stop: CancellationToken,
    /// The lease on the store was lost, for good.
    pub lost: CancellationToken,
    /// What is counted of locks, collector and retention.
    pub upkeep: UpkeepMetrics,
    /// What is counted of the store.
    pub store: StoreMetrics,
    /// What is counted of upstreams.
    pub upstreams: UpstreamMetrics,
    /// What sends traces, where the server began with them.
    pub traces: Option<Exporting>,
    /// What became of traces.
    pub trace_metrics: TraceMetrics,
    /// Stores that follow others.
    successions: TaskTracker,
}

impl Shared {
    /// For a server that `stop` tells to stop.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            lost: CancellationToken::new(),
            upkeep: UpkeepMetrics::default(),
            store: StoreMetrics::default(),
            upstreams: UpstreamMetrics::default(),
            traces: None,
            trace_metrics: TraceMetrics::default(),
            successions: TaskTracker::new(),
        }
    }

    /// Sends these traces to where `config` says.
    pub fn trace(&mut self, traces: Option<Traces>, config: Option<&TracingConfig>) {
        if let Some(traces) = traces {
            self.trace_metrics = traces.metrics.clone();
            self.traces = Some(traces.start(config));
        }
    }
}

impl Built {
    /// What the server needs of it.
    #[must_use]
    pub fn serving(&self) -> Serving {
        Serving {
            registry: Arc::clone(&self.registry),
            readiness: Arc::new(Readiness::new(&self.store.ports, &self.store.locks)),
            tls: self.tls.clone(),
            settings: settings(&self.config),
        }
    }

    /// The collector, if it is to run: the one that ran before, where it is the same, because it remembers what it has
    /// marked.
    #[must_use]
    pub fn collecting(&self, earlier: Option<Collecting>) -> Option<Collecting> {
        let config = &self.config.collector;
        let store = Arc::downgrade(&self.store);
        let same = earlier.filter(|it| it.config == *config && it.store.ptr_eq(&store));
        let mut collecting = same.or_else(|| {
            let settings = collector_settings(config);
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let Store { ports, locks, .. } = &*self.store;
            (config.enabled && self.store.may_be_collected()).then(|| Collecting {
                collector: Collector::new(ports, locks, &clock, settings),
                config: config.clone(),
                store,
            })
        })?;
        let namespaces = self.registry.access().namespaces();
        collecting.collector.count_for(namespaces);
        Some(collecting)
    }

    /// Retention, as the configuration wants it.
    #[must_use]
    pub fn retention(&self) -> Retention {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let Store { ports, locks, .. } = &*self.store;
        let namespaces = Arc::clone(self.registry.access().namespaces());
        Retention::new(
            ports,
            locks,
            &clock,
            namespaces,
            retention_settings(&self.config),
        )
    }

    /// Gives the store free for other servers, and those before it. Nobody uses them any more.
    pub async fn release(&self, shared: Shared) {
        shared.successions.close();
        let released = async {
            let traced = shared.traces.map(Exporting::end);
            let traced = OptionFuture::from(traced);
            tokio::join!(self.store.release(), shared.successions.wait(), traced)
        };
        if tokio::time::timeout(LAST_RELEASES, released).await.is_err() {
            tracing::warn!("a lease on a store is not given back, and ends by itself");
        }
    }
}

fn retention_settings(config: &Config) -> RetentionSettings {
    RetentionSettings {
        max_deleted_percent: config.maintenance.max_deleted_percent,
        grace_period: config.collector.grace_period.duration(),
    }
}

fn collector_settings(config: &CollectorConfig) -> CollectorSettings {
    CollectorSettings {
        grace_period: config.grace_period.duration(),
        rate_limit: config.rate_limit.and_then(NonZero::new),
    }
}

/// Builds what a configuration describes. What is the same in `earlier` is taken from there; nothing of it changes
/// where this fails.
///
/// # Errors
/// When a part can't be built.
pub async fn build(
    config: Config,
    earlier: Option<&Built>,
    shared: &Shared,
) -> Result<Built, BuildError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let unchanged = earlier.filter(|it| it.config.cache_store == config.cache_store);
    let caches = match (unchanged, &config.cache_store.redis) {
        (Some(built), _) => built.caches.clone(),
        (None, None) => Caches::default(),
        (None, Some(cache)) => {
            let prefix = cache.key_prefix.as_deref();
            let redis = redis(&cache.url, prefix, "cache_store.redis.url").await?;
            Caches::shared(&Arc::new(RedisCache::new(redis)))
        }
    };
    let before = earlier.and_then(|it| it.identities.clone());
    let Prepared {
        config,
        tls,
        namespaces,
        identities,
    } = prepare(config, before, &clock, &caches, &shared.upstreams).await?;
    // Last: it changes what can't be changed back.
    let store = Store::open(&config, earlier.map(|it| &it.store), shared).await?;

    let ports = StoragePorts {
        hints: caches.hints.clone(),
        ..store.ports.clone()
    };
    let tasks: Arc<dyn Tasks> = Arc::new(RuntimeTasks);
    let same_store = earlier.filter(|it| Arc::ptr_eq(&it.store, &store));
    let tokens = match same_store {
        Some(built) if signs_as_before(&built.config, &config) => Arc::clone(&built.tokens),
        Some(_) | None => tokens(&config, &store, &clock)?,
    };
    if earlier.is_none() && identities.is_some() {
        tokens.refresh().await.map_err(no_tokens)?;
    }
    let login = identities
        .clone()
        .map(|it| Login::new(Arc::new(it), Arc::clone(&tokens)));
    let mut registry =
        Registry::new(&ports, &store.locks, &clock, &tasks, namespaces).with_identities(login);
    if let Some(built) = unchanged.and(same_store) {
        registry = registry.succeeding(&built.registry);
    }
    Ok(Built {
        config,
        registry: Arc::new(registry),
        tls,
        identities,
        tokens,
        caches,
        store,
    })
}

/// The limits of the server that the configuration describes.
fn settings(config: &Config) -> Settings {
    Settings {
        max_concurrent_requests: config.max_concurrent_requests,
        query_timeout: config.server.query_timeout.duration(),
        grace_period: config.server.query_timeout_grace_period.duration(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        external_url: config.server.external_url.clone(),
        serves_metrics: config.observability.on_main,
        ..Settings::default()
    }
}

/// What gives tokens: by the key of the configuration, or those of the store, which are read when they are needed.
fn tokens(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Tokens>, BuildError> {
    let keys = match &config.token.key {
        Some(key) => Keys::configured(key).map_err(no_tokens)?,
        None => Keys::stored(
            Arc::clone(&store.ports.token_keys),
            Arc::clone(&store.locks),
        ),
    };
    let url = config.server.external_url.as_ref();
    let service = url.map_or("simple-registry", HttpUrl::authority);
    let lifetime = config.token.lifetime.duration();
    let clock = Arc::clone(clock);
    Ok(Arc::new(SignedTokens::new(
        service.to_owned(),
        lifetime,
        keys,
        clock,
    )))
}

fn signs_as_before(one: &Config, other: &Config) -> bool {
    one.token == other.token && one.server.external_url == other.server.external_url
}

fn no_tokens(error: impl Into<Box<dyn Error + Send + Sync>>) -> BuildError {
    BuildError {
        section: "token.key",
        source: error.into(),
    }
}

fn redis_at(url: &Secret, prefix: Option<&str>, key: &'static str) -> Result<Redis, BuildError> {
    Redis::new(url, prefix, key).map_err(|error| BuildError {
        section: key,
        source: error.into(),
    })
}

/// A Redis, which need not be up: what can be done without it is done. But
/// whoever starts the server should know.
async fn redis(url: &Secret, prefix: Option<&str>, key: &'static str) -> Result<Redis, BuildError> {
    let redis = redis_at(url, prefix, key)?;
    match redis.check().await {
        Ok(None) => {}
        Ok(Some(warning)) => tracing::warn!("{warning}"),
        Err(failure) => {
            let cause = (&failure as &dyn Error).source().map(ToString::to_string);
            tracing::error!(
                cause,
                "{failure}; what needs it is refused until it answers"
            );
        }
    }
    Ok(redis)
}

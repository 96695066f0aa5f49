//! The composition root: every `Arc<dyn …>` of the program is made in this file.

use std::error::Error;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rustls::ServerConfig;
use thiserror::Error;

use crate::adapters::cel;
use crate::adapters::clock::SystemClock;
use crate::adapters::http::{Settings, tls};
use crate::adapters::identities::Identities;
use crate::adapters::locks::{FileLocks, MemoryLocks, OwnedLocks, QueuedLocks};
use crate::adapters::redis::config::RedisLockConfig;
use crate::adapters::redis::{Redis, RedisCache, RedisLocks};
use crate::adapters::storage::config::{S3Config, StorageConfig};
use crate::adapters::storage::{self, Agree, Bucket, BucketError, Owner, Pace};
use crate::app::config::{AccessPolicyConfig, Config};
use crate::domain::access::AccessPolicy;
use crate::domain::collector::{Collector, CollectorSettings};
use crate::domain::model::Secret;
use crate::domain::namespaces::{ImmutableTags, Namespace, Namespaces};
use crate::domain::registry::Registry;
use crate::ports::{Authenticator, Clock, LockManager, StoragePorts};

/// How long a lock is waited for: longer than any holder needs for a few small
/// writes on a slow disk, and short enough to tell the client in time.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// What a store is reached by: its ports, and the locks of all who write to it.
struct Store {
    ports: StoragePorts,
    locks: Arc<dyn LockManager>,
    owner: Option<Owner>,
}

/// What a configuration describes, built.
pub struct Built {
    /// The registry.
    pub registry: Registry,
    /// What frees the space of what nothing references, if it is to.
    pub collector: Option<Collector>,
    /// The lease on the store, where only one server may work on it.
    pub owner: Option<Owner>,
}

/// Builds the registry that a configuration describes.
///
/// # Errors
/// When a part can't be built.
pub async fn registry(config: &Config) -> Result<Built, BuildError> {
    let namespaces = namespaces(config)?;
    let identities = identities(config)?;
    let mut store = store(config).await?;
    if let Some(cache) = &config.cache_store.redis {
        let prefix = cache.key_prefix.as_deref();
        let redis = redis(&cache.url, prefix, "cache_store.redis.url").await?;
        store.ports.hints = Some(Arc::new(RedisCache::new(redis)));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);

    let collector = &config.collector;
    let settings = CollectorSettings {
        grace_period: collector.grace_period.duration(),
        rate_limit: collector.rate_limit.and_then(NonZero::new),
    };
    let collector = Collector::new(&store.ports, &store.locks, &clock, settings);

    Ok(Built {
        collector: config.collector.enabled.then_some(collector),
        registry: Registry::new(&store.ports, &store.locks, &clock, namespaces)
            .with_identities(identities),
        owner: store.owner,
    })
}

/// What connections are encrypted with, if they are.
///
/// # Errors
/// When a file that `[server.tls]` names can't be used.
pub fn tls(config: &Config) -> Result<Option<Arc<ServerConfig>>, BuildError> {
    let files = config.server.tls.as_ref();
    files
        .map(tls::load)
        .transpose()
        .map_err(|error| BuildError {
            section: error.key,
            source: error.into(),
        })
}

/// The limits of the server that the configuration describes.
#[must_use]
pub fn settings(config: &Config) -> Settings {
    Settings {
        max_concurrent_requests: config.max_concurrent_requests,
        query_timeout: config.server.query_timeout.duration(),
        grace_period: config.server.query_timeout_grace_period.duration(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        ..Settings::default()
    }
}

fn identities(config: &Config) -> Result<Option<Arc<dyn Authenticator>>, BuildError> {
    let identities = Identities::new(&config.identity).map_err(|error| BuildError {
        section: "identity",
        source: error.into(),
    })?;
    Ok(identities.map(|it| Arc::new(it) as Arc<dyn Authenticator>))
}

async fn store(config: &Config) -> Result<Store, BuildError> {
    let chunk = config.streaming_chunk_size().as_usize();
    match &config.storage {
        StorageConfig::Fs(fs) => open_files(&fs.root_dir, fs.durable, chunk),
        StorageConfig::S3(s3) => open_bucket(s3, chunk, config.lock_store.redis.as_ref()).await,
    }
}

async fn open_bucket(
    s3: &S3Config,
    chunk: usize,
    shared: Option<&RedisLockConfig>,
) -> Result<Store, BuildError> {
    let failed = |error: BucketError| BuildError {
        section: error.key,
        source: error.into(),
    };
    let bucket = Bucket::open(s3, chunk).await.map_err(failed)?;
    if let Some(shared) = shared {
        let prefix = shared.key_prefix.as_deref();
        let redis = redis(&shared.url, prefix, "lock_store.redis.url").await?;
        let group = bucket.join(Pace::default(), agree(redis.clone())).await;
        let group = group.map_err(failed)?;
        let locks = RedisLocks::new(redis, shared.ttl.duration(), PATIENCE);
        let locks = QueuedLocks::new(locks, PATIENCE);
        let locks: Arc<dyn LockManager> = Arc::new(OwnedLocks::new(locks, move || group.stands()));
        return Ok(Store {
            ports: bucket.ports(&locks),
            locks,
            owner: None,
        });
    }
    // The locks are in this process, so no other may write.
    let owner = bucket.claim(Pace::default()).await.map_err(failed)?;
    let locks = OwnedLocks::new(MemoryLocks::new(PATIENCE), owner.proof());
    let locks: Arc<dyn LockManager> = Arc::new(locks);
    Ok(Store {
        ports: bucket.ports(&locks),
        locks,
        owner: Some(owner),
    })
}

/// How servers that share this Redis find each other's name.
fn agree(redis: Redis) -> Agree {
    Arc::new(move |name| {
        let redis = redis.clone();
        async move { Ok(redis.agree(name.as_deref()).await?) }.boxed()
    })
}

/// A Redis, which need not be up: what can be done without it is done. But
/// whoever starts the server should know.
async fn redis(url: &Secret, prefix: Option<&str>, key: &'static str) -> Result<Redis, BuildError> {
    let redis = Redis::new(url, prefix, key).map_err(|error| BuildError {
        section: key,
        source: error.into(),
    })?;
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

fn open_files(root: &Path, durable: bool, chunk: usize) -> Result<Store, BuildError> {
    let failed = |source: Box<dyn Error + Send + Sync>| BuildError {
        section: "storage.fs",
        source,
    };
    let ports = storage::open_files(root, durable, chunk).map_err(|e| failed(e.into()))?;
    // Files always: a server and a `scrub` in cron exclude each other.
    let locks = FileLocks::open(&storage::lock_file(root), PATIENCE);
    Ok(Store {
        ports,
        locks: Arc::new(locks.map_err(|e| failed(e.into()))?),
        owner: None,
    })
}

/// Who may do what, and what else each entry for repositories grants.
///
/// # Errors
/// When a rule can't be compiled; loading has refused such rules.
pub fn namespaces(config: &Config) -> Result<Namespaces, BuildError> {
    let entries = config.repository.iter().map(|(prefix, entry)| {
        let namespace = Namespace {
            access_policy: access_policy(entry.access_policy.as_ref())?,
            missing_references: entry.missing_references,
            immutable_tags: ImmutableTags {
                patterns: entry.immutable_tags.clone(),
                exceptions: entry.mutable_tags.clone(),
            },
        };
        Ok((prefix.clone(), namespace))
    });
    Ok(Namespaces::new(entries.collect::<Result<Vec<_>, _>>()?))
}

fn access_policy(section: Option<&AccessPolicyConfig>) -> Result<AccessPolicy, BuildError> {
    let Some(section) = section else {
        return Ok(AccessPolicy::default());
    };
    let rules = section.rules.iter().map(|rule| cel::access_rule(rule));
    let rules = rules
        .collect::<Result<_, _>>()
        .map_err(|error| BuildError {
            section: "repository",
            source: error.into(),
        })?;
    Ok(AccessPolicy {
        default_allow: section.default_allow,
        rules,
    })
}

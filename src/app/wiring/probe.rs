//! What a start reads and asks, without a start: no lease is taken, and a server may run.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Access, access};

use super::prepare::prepare;
use super::{BuildError, Caches, redis_at, store};
use crate::adapters::clock::SystemClock;
use crate::adapters::storage::config::StorageConfig;
use crate::adapters::telemetry::upstreams::UpstreamMetrics;
use crate::app::config::Config;
use crate::domain::model::Secret;
use crate::ports::Clock;

/// Reads the files that the configuration names, and asks the storage and each Redis. A server would start without its
/// Redis; this says that it is not there.
///
/// # Errors
/// When one of them can't be used.
pub async fn probe(config: Config) -> Result<Config, BuildError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let unseen = UpstreamMetrics::default();
    let config = prepare(config, None, &clock, &Caches::default(), &unseen)
        .await?
        .config;
    if let Some(cache) = &config.cache_store.redis {
        let prefix = cache.key_prefix.as_deref();
        answers(&cache.url, prefix, "cache_store.redis.url").await?;
    }
    match (&config.storage, &config.lock_store.redis) {
        (StorageConfig::Fs(fs), _) if is_absent(&fs.root_dir) => {
            let root = fs.root_dir.display();
            tracing::warn!("storage.fs.root_dir: {root} is not there yet; a start makes it");
            return Ok(config);
        }
        (StorageConfig::Fs(fs), _) => writable(&fs.root_dir)?,
        (StorageConfig::S3(_), Some(locks)) => {
            let prefix = locks.key_prefix.as_deref();
            answers(&locks.url, prefix, "lock_store.redis.url").await?;
        }
        (StorageConfig::S3(_), None) => {}
    }
    store::open_to_look(&config).await?;
    Ok(config)
}

fn is_absent(root: &Path) -> bool {
    matches!(root.try_exists(), Ok(false))
}

fn writable(root: &Path) -> Result<(), BuildError> {
    access(root, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| BuildError {
        section: "storage.fs.root_dir",
        source: io::Error::from(error).into(),
    })
}

async fn answers(
    url: &Secret,
    prefix: Option<&str>,
    section: &'static str,
) -> Result<(), BuildError> {
    match redis_at(url, prefix, section)?.check().await {
        Ok(None) => {}
        Ok(Some(warning)) => tracing::warn!("{warning}"),
        Err(failure) => {
            let source = failure.into();
            return Err(BuildError { section, source });
        }
    }
    Ok(())
}

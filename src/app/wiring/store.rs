//! The store of a configuration, and how it follows the store of an earlier one.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{BuildError, Shared, redis};
use crate::adapters::locks::{
    FileLocks, MemoryLocks, OwnedLocks, QueuedLocks, SucceedingLocks, Successor,
};
use crate::adapters::redis::config::LockStoreConfig;
use crate::adapters::redis::{Redis, RedisLocks};
use crate::adapters::storage::config::{FsConfig, S3Config, StorageConfig};
use crate::adapters::storage::{
    self, Agree, Bucket, BucketError, Group, Owner, Pace, StoreMetrics,
};
use crate::adapters::units::{ByteSize, HttpUrl};
use crate::app::config::Config;
use crate::ports::{LockManager, StoragePorts};

/// How long a lock is waited for: longer than any holder needs for a few small
/// writes on a slow disk, and short enough to tell the client in time.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long after a lease could not be had it is tried again.
const NEXT_TRY: Duration = Duration::from_secs(10);

/// What a store is reached by: its ports, and the locks of all who write to it.
pub struct Store {
    pub(super) ports: StoragePorts,
    pub(super) locks: Arc<dyn LockManager>,
    /// Is cancelled when nobody uses the locks any more.
    ended: CancellationToken,
    /// What a bucket may be written to by, once it is there.
    lease: Arc<OnceLock<Arc<Lease>>>,
    settings: Settings,
    place: Place,
}

/// What a store is opened by.
#[derive(Clone, PartialEq)]
struct Settings {
    storage: StorageConfig,
    lock_store: LockStoreConfig,
    chunk: ByteSize,
    /// What is in `ca_bundle`; the file is read again where it is opened.
    authorities: Option<Vec<u8>>,
    /// Whether anybody can see what is measured. Over S3 it costs nothing that is felt, and is always done.
    measured: bool,
}

/// Where content lies: who writes there shares locks.
#[derive(PartialEq)]
enum Place {
    Directory(PathBuf),
    Bucket(HttpUrl, String, Option<String>),
}

/// Why this process may write to a bucket.
enum Lease {
    Owner(Owner),
    Group(Group),
}

/// A store without its locks.
enum Opened {
    Files(StoragePorts, PathBuf),
    Bucket(Bucket),
}

impl Store {
    /// Opens the store of a configuration. Where `earlier` is another one, nobody is given a lock here before those
    /// who use that one are done, and its lease is given back.
    pub(super) async fn open(
        config: &Config,
        earlier: Option<&Arc<Self>>,
        shared: &Shared,
    ) -> Result<Arc<Self>, BuildError> {
        let settings = Settings::of(config).await;
        if let Some(same) = earlier.filter(|it| it.settings == settings) {
            return Ok(Arc::clone(same));
        }
        let (opened, place) = settings.open(&shared.store).await?;
        let earlier = earlier.map(|it| (it, it.place == place));
        if let Some((same, true)) = earlier
            && (same.settings.lock_store == settings.lock_store
                || matches!(place, Place::Directory(_)))
        {
            if let (Some(lease), Opened::Bucket(bucket)) = (same.lease.get(), &opened) {
                lease.reach_by(bucket);
            }
            return Ok(Arc::new(Self {
                ports: opened.ports(&same.locks),
                locks: Arc::clone(&same.locks),
                ended: same.ended.clone(),
                lease: Arc::clone(&same.lease),
                settings,
                place,
            }));
        }

        let (locks, successor, ended) = SucceedingLocks::new(PATIENCE);
        let locks = shared.upkeep.over(Arc::new(locks));
        let lease: Arc<OnceLock<Arc<Lease>>> = Arc::default();
        let ports = opened.ports(&locks);
        let opening = Opening {
            opened,
            settings: settings.clone(),
            lease: Arc::clone(&lease),
            ended: ended.clone(),
            lost: shared.lost.clone(),
        };
        match earlier {
            None => successor.bring(opening.locks().await?),
            Some((earlier, is_here)) => {
                // Where the lease is the earlier one's own, it can't be had before.
                let locks = if is_here {
                    None
                } else {
                    Some(opening.locks().await?)
                };
                let (ended, lease) = (earlier.ended.clone(), Arc::clone(&earlier.lease));
                let succeeded = async move {
                    ended.cancelled().await;
                    if let Some(lease) = lease.get() {
                        lease.release().await;
                    }
                    opening.succeed(successor, locks).await;
                };
                let stop = shared.stop.clone();
                shared
                    .successions
                    .spawn(async move { stop.run_until_cancelled(succeeded).await });
            }
        }
        Ok(Arc::new(Self {
            ports,
            locks,
            ended,
            lease,
            settings,
            place,
        }))
    }

    /// Whether the collector may run: on a network file system only where it is declared coherent, for what other
    /// machines write there may be seen too late. Says so.
    pub(super) fn may_be_collected(&self) -> bool {
        let kind = match &self.settings.storage {
            StorageConfig::Fs(fs) if !fs.coherent => storage::network_file_system(&fs.root_dir),
            StorageConfig::Fs(_) | StorageConfig::S3(_) => None,
        };
        if let Some(kind) = kind {
            tracing::warn!(
                "storage.fs.root_dir is on a network file system ({kind}), where nothing is collected unless storage.fs.coherent is true"
            );
        }
        kind.is_none()
    }

    /// Gives the store free for other servers.
    pub(super) async fn release(&self) {
        if let Some(lease) = self.lease.get() {
            lease.release().await;
        }
    }
}

/// How the locks of a store are made.
struct Opening {
    opened: Opened,
    settings: Settings,
    lease: Arc<OnceLock<Arc<Lease>>>,
    ended: CancellationToken,
    lost: CancellationToken,
}

impl Opening {
    /// Brings the locks, whenever they can be had.
    async fn succeed(&self, successor: Successor, locks: Option<Arc<dyn LockManager>>) {
        let mut locks = locks;
        while successor.is_awaited() {
            if let Some(locks) = locks.take() {
                return successor.bring(locks);
            }
            match self.locks().await {
                Ok(made) => locks = Some(made),
                Err(error) => {
                    let cause = error.source.to_string();
                    tracing::error!(
                        cause,
                        "{error}: pushes and deletes are refused until it can"
                    );
                    tokio::time::sleep(NEXT_TRY).await;
                }
            }
        }
    }

    async fn locks(&self) -> Result<Arc<dyn LockManager>, BuildError> {
        let bucket = match &self.opened {
            Opened::Files(_, root) => return file_locks(root),
            Opened::Bucket(bucket) => bucket,
        };
        let Some(shared) = &self.settings.lock_store.redis else {
            // The locks are in this process, so no other may write.
            let owner = bucket.claim(Pace::default()).await.map_err(refused)?;
            let locks = OwnedLocks::new(MemoryLocks::new(PATIENCE), owner.proof());
            tokio::spawn(tell(owner.lost(), self.lost.clone(), self.ended.clone()));
            drop(self.lease.set(Arc::new(Lease::Owner(owner))));
            return Ok(Arc::new(locks));
        };
        let prefix = shared.key_prefix.as_deref();
        let redis = redis(&shared.url, prefix, "lock_store.redis.url").await?;
        let group = bucket.join(Pace::default(), agree(redis.clone())).await;
        let lease = Arc::new(Lease::Group(group.map_err(refused)?));
        drop(self.lease.set(Arc::clone(&lease)));
        let locks = RedisLocks::new(redis, shared.ttl.duration(), PATIENCE);
        let locks = QueuedLocks::new(locks, PATIENCE);
        Ok(Arc::new(OwnedLocks::new(locks, move || lease.stands())))
    }
}

/// The store for somebody who only looks, and who needs no lock for it.
pub(super) async fn open_to_look(
    config: &Config,
) -> Result<(StoragePorts, Arc<dyn LockManager>), BuildError> {
    let chunk = config.streaming_chunk_size().as_usize();
    let ports = match &config.storage {
        StorageConfig::Fs(fs) => {
            storage::open_files_to_look(&fs.root_dir, chunk).map_err(of_files)?
        }
        StorageConfig::S3(s3) => {
            let unseen = StoreMetrics::default();
            let bucket = Bucket::open(s3, chunk, &unseen).await.map_err(refused)?;
            bucket.ports_to_look()
        }
    };
    Ok((ports, Arc::new(MemoryLocks::new(PATIENCE))))
}

impl Settings {
    async fn of(config: &Config) -> Self {
        Self {
            storage: config.storage.clone(),
            lock_store: config.lock_store.clone(),
            chunk: config.streaming_chunk_size(),
            authorities: match &config.storage {
                StorageConfig::S3(S3Config {
                    ca_bundle: Some(file),
                    ..
                }) => tokio::fs::read(file).await.ok(),
                StorageConfig::S3(_) | StorageConfig::Fs(_) => None,
            },
            measured: matches!(config.storage, StorageConfig::S3(_))
                || config.observability.is_used(),
        }
    }

    async fn open(&self, metrics: &StoreMetrics) -> Result<(Opened, Place), BuildError> {
        let chunk = self.chunk.as_usize();
        match &self.storage {
            StorageConfig::Fs(fs) => {
                let fs = fs.clone();
                let metrics = self.measured.then(|| metrics.clone());
                // It waits until what is there already is on the disk.
                let opened =
                    tokio::task::spawn_blocking(move || open_files(&fs, chunk, metrics.as_ref()));
                opened.await.map_err(of_files)?
            }
            StorageConfig::S3(s3) => {
                let bucket = Bucket::open(s3, chunk, metrics).await.map_err(refused)?;
                let (endpoint, prefix) = (s3.endpoint.clone(), s3.key_prefix.clone());
                let place = Place::Bucket(endpoint, s3.bucket.clone(), prefix);
                Ok((Opened::Bucket(bucket), place))
            }
        }
    }
}

impl Opened {
    fn ports(&self, locks: &Arc<dyn LockManager>) -> StoragePorts {
        match self {
            Self::Files(ports, _) => ports.clone(),
            Self::Bucket(bucket) => bucket.ports(locks),
        }
    }
}

impl Lease {
    fn stands(&self) -> bool {
        match self {
            Self::Owner(owner) => owner.proof()(),
            Self::Group(group) => group.stands(),
        }
    }

    fn reach_by(&self, bucket: &Bucket) {
        match self {
            Self::Owner(owner) => owner.reach_by(bucket),
            Self::Group(group) => group.reach_by(bucket),
        }
    }

    async fn release(&self) {
        match self {
            Self::Owner(owner) => owner.release().await,
            // The others go on with it.
            Self::Group(group) => group.leave(),
        }
    }
}

/// Says that the lease was lost, while somebody relies on it.
async fn tell(lost: CancellationToken, told: CancellationToken, ended: CancellationToken) {
    if ended.run_until_cancelled(lost.cancelled()).await.is_some() {
        told.cancel();
    }
}

/// How servers that share this Redis find each other's name.
fn agree(redis: Redis) -> Agree {
    Arc::new(move |name| {
        let redis = redis.clone();
        async move { Ok(redis.agree(name.as_deref()).await?) }.boxed()
    })
}

fn open_files(
    fs: &FsConfig,
    chunk: usize,
    metrics: Option<&StoreMetrics>,
) -> Result<(Opened, Place), BuildError> {
    let root = &fs.root_dir;
    let ports = storage::open_files_with(root, fs.durable, chunk, metrics).map_err(of_files)?;
    let place = root.canonicalize().map_err(of_files)?;
    Ok((Opened::Files(ports, root.clone()), Place::Directory(place)))
}

/// Files always: a server and a `scrub` in cron exclude each other.
fn file_locks(root: &std::path::Path) -> Result<Arc<dyn LockManager>, BuildError> {
    let locks = FileLocks::open(&storage::lock_file(root), PATIENCE);
    Ok(Arc::new(locks.map_err(of_files)?))
}

fn of_files(source: impl Error + Send + Sync + 'static) -> BuildError {
    BuildError {
        section: "storage.fs",
        source: source.into(),
    }
}

fn refused(error: BucketError) -> BuildError {
    BuildError {
        section: error.key,
        source: error.into(),
    }
}

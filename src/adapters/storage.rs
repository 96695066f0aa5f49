//! Outbound: the storage ports over files, or over an OpenDAL service.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use self::measured::Measured;
use crate::ports::{LockManager, StoragePorts, StoreError, UploadSessions};

pub mod config;
mod files;
mod layout;
mod links;
mod manifests;
mod measured;
mod metrics;
mod objects;
mod pulls;
mod records;
mod referrers;
mod repositories;
mod s3;
mod session;
mod still;
mod survey;
mod tags;
mod token_keys;
mod tree;

pub use metrics::StoreMetrics;
pub use s3::{Agree, Bucket, BucketError, Group, Owner, Pace};
pub use tree::{Entries, Entry, Place, Places, Tree};

/// The storage ports but for uploads, which each kind of tree stages its own way.
struct Store {
    tree: Arc<dyn Tree>,
    /// For a tree that renews a time by writing the object again.
    locks: Option<Arc<dyn LockManager>>,
}

impl Store {
    fn over(tree: Arc<dyn Tree>) -> Self {
        Self { tree, locks: None }
    }

    /// The same, and nothing is changed.
    fn still(tree: Arc<dyn Tree>) -> Self {
        Self::over(Arc::new(still::Still::new(tree)))
    }
}

/// The store could not do `what`. What S3 says is told as what is to be mended.
fn unavailable(
    what: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    let source = source.into();
    let problem = source.downcast_ref().and_then(s3::Problem::of);
    StoreError::Unavailable {
        what: what.to_owned(),
        source: match problem {
            Some(problem) => format!("{}: {problem}", problem.key()).into(),
            None => source,
        },
    }
}

/// A store in files below `root`, which is made if it is not there.
///
/// Transfers move `chunk` bytes at a time. `durable: false` gives up promise
/// P1 against power cuts, for scratch registries.
///
/// # Errors
///
/// Where the directory cannot be used, or holds a newer layout than this.
pub fn open_files(root: &Path, durable: bool, chunk: usize) -> Result<StoragePorts, StoreError> {
    open_files_with(root, durable, chunk, None)
}

/// As [`open_files`], measured where there are metrics: then each operation costs a little more.
///
/// # Errors
///
/// As [`open_files`].
pub fn open_files_with(
    root: &Path,
    durable: bool,
    chunk: usize,
    metrics: Option<&StoreMetrics>,
) -> Result<StoragePorts, StoreError> {
    let failed = |source| StoreError::Unavailable {
        what: format!("opening {}", root.display()),
        source: Box::new(source),
    };
    std::fs::create_dir_all(root).map_err(failed)?;
    let mode = if durable {
        files::Durable::on(root).map_err(failed)?
    } else {
        files::Durable::Off
    };
    check_format(&root.join(layout::FORMAT)).map_err(failed)?;
    let files = files::Files::open(root, mode, chunk)?;
    let store = Store::over(Arc::new(files.clone()));
    Ok(match metrics {
        Some(metrics) => measured(store, Arc::new(files), metrics),
        None => ports(store, Arc::new(files)),
    })
}

/// A store over any tree, and the sessions that become its content. `locks` are
/// for a tree that renews a time by writing the object again.
#[must_use]
pub fn over(
    tree: Arc<dyn Tree>,
    uploads: Arc<dyn UploadSessions>,
    locks: Option<Arc<dyn LockManager>>,
) -> StoragePorts {
    ports(Store { tree, locks }, uploads)
}

/// The store in files below `root` for somebody who only looks: nothing is
/// changed but the file that tells the time, and what changes anything answers
/// as if it had. Upload sessions are the exception: they are the real ones.
///
/// # Errors
///
/// Where there is no such directory, or it holds a newer layout than this.
pub fn open_files_to_look(root: &Path, chunk: usize) -> Result<StoragePorts, StoreError> {
    let failed = |source| StoreError::Unavailable {
        what: format!("opening {}", root.display()),
        source: Box::new(source),
    };
    std::fs::read_dir(root).map_err(failed)?;
    if let Ok(format) = std::fs::read(root.join(layout::FORMAT)) {
        is_known_format(&format).map_err(failed)?;
    }
    let files = files::Files::over(root, files::Durable::Off, chunk)?;
    let store = Store::still(Arc::new(files.clone()));
    Ok(ports(store, Arc::new(files)))
}

/// A store in memory: the tests' double.
///
/// # Errors
///
/// None that are known; the service's constructor could have some.
pub fn open_memory() -> Result<StoragePorts, StoreError> {
    let objects = objects::Objects::in_memory()?;
    let store = Store::over(Arc::new(objects.clone()));
    Ok(ports(store, Arc::new(objects)))
}

/// What kind of network file system a file store's root is on, if it is.
#[must_use]
pub fn network_file_system(root: &Path) -> Option<&'static str> {
    files::network_file_system(root)
}

/// Where, below a file store's root, processes lock each other out.
#[must_use]
pub fn lock_file(root: &Path) -> std::path::PathBuf {
    root.join(layout::LOCKS)
}

/// Refuses a store of a newer layout, and marks one that has none as ours: that
/// is a new one, or one of CNCF Distribution, whose layout this is.
fn check_format(path: &Path) -> std::io::Result<()> {
    match std::fs::read(path) {
        Ok(bytes) if is_known_format(&bytes)? => Ok(()),
        Ok(_) => write_format(path),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => write_format(path),
        Err(e) => Err(e),
    }
}

/// Whether this is the record of a layout that this program knows; false where
/// it is torn by a power cut: it carries nothing that is not known.
fn is_known_format(record: &[u8]) -> std::io::Result<bool> {
    #[derive(serde::Deserialize)]
    struct Format {
        version: u32,
    }
    match serde_json::from_slice::<Format>(record) {
        Ok(format) if format.version <= records::VERSION => Ok(true),
        Ok(format) => Err(std::io::Error::other(format!(
            "the store has layout version {}, this program knows {}: use a newer one",
            format.version,
            records::VERSION
        ))),
        Err(_) => Ok(false),
    }
}

fn format_record() -> Bytes {
    Bytes::from(format!("{{\"version\":{}}}", records::VERSION))
}

fn write_format(path: &Path) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(path, format_record())
}

fn measured(
    store: Store,
    uploads: Arc<dyn UploadSessions>,
    metrics: &StoreMetrics,
) -> StoragePorts {
    let store = Store {
        tree: Arc::new(Measured::new(store.tree, metrics)),
        ..store
    };
    ports(store, Arc::new(Measured::new(uploads, metrics)))
}

fn ports(store: Store, uploads: Arc<dyn UploadSessions>) -> StoragePorts {
    let store = Arc::new(store);
    StoragePorts {
        blobs: store.clone(),
        locator: None,
        uploads,
        links: store.clone(),
        marks: store.clone(),
        manifests: store.clone(),
        tags: store.clone(),
        referrers: store.clone(),
        repositories: store.clone(),
        pulls: store.clone(),
        deletions: store.clone(),
        token_keys: store.clone(),
        hints: None,
        survey: store.clone(),
        durability: store,
    }
}

//! Outbound: the storage ports over files, or over an OpenDAL service.

use std::path::Path;
use std::sync::Arc;

use crate::ports::{StoragePorts, StoreError, UploadSessions};

pub mod config;
mod files;
mod layout;
mod links;
mod manifests;
mod objects;
mod records;
mod referrers;
mod repositories;
mod session;
mod tags;
mod tree;

use tree::Tree;

/// The storage ports but for uploads, which each kind of tree stages its own way.
struct Store {
    tree: Arc<dyn Tree>,
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
    Ok(ports(Arc::new(files.clone()), Arc::new(files)))
}

/// A store in memory: the tests' double.
///
/// # Errors
///
/// None that are known; the service's constructor could have some.
pub fn open_memory() -> Result<StoragePorts, StoreError> {
    let objects = objects::Objects::in_memory()?;
    Ok(ports(Arc::new(objects.clone()), Arc::new(objects)))
}

/// Where, below a file store's root, processes lock each other out.
#[must_use]
pub fn lock_file(root: &Path) -> std::path::PathBuf {
    root.join(layout::LOCKS)
}

/// Refuses a store of a newer layout, and marks one that has none as ours: that
/// is a new one, or one of CNCF Distribution, whose layout this is.
fn check_format(path: &Path) -> std::io::Result<()> {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Format {
        version: u32,
    }
    match std::fs::read(path) {
        Ok(bytes) => match serde_json::from_slice::<Format>(&bytes) {
            Ok(format) if format.version <= records::VERSION => Ok(()),
            Ok(format) => Err(std::io::Error::other(format!(
                "the store has layout version {}, this program knows {}: use a newer one",
                format.version,
                records::VERSION
            ))),
            // A power cut can tear it; it carries nothing that is not known.
            Err(_) => write_format(path),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => write_format(path),
        Err(e) => Err(e),
    }
}

fn write_format(path: &Path) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(path, format!("{{\"version\":{}}}", records::VERSION))
}

fn ports(tree: Arc<dyn Tree>, uploads: Arc<dyn UploadSessions>) -> StoragePorts {
    let store = Arc::new(Store { tree });
    StoragePorts {
        blobs: store.clone(),
        uploads,
        links: store.clone(),
        marks: store.clone(),
        manifests: store.clone(),
        tags: store.clone(),
        referrers: store.clone(),
        repositories: store.clone(),
        deletions: store.clone(),
        durability: store,
    }
}

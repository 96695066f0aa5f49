//! What survives a power cut, and how few syncs that takes.
//!
//! Content is synced before it has its name, always. The names themselves, and
//! small records, may wait for [`Durable::persist`]: one `syncfs` then serves
//! every request that waits (a naive reading of promise P1 costs over forty
//! syncs for an image of four blobs). Where there is no `syncfs`, each write
//! syncs what it changed, a look syncs the name that it found, and `persist`
//! has nothing left to do.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{system, unavailable};
use crate::adapters::units::one_thread;
use crate::ports::StoreError;

/// How writes become durable.
pub(in super::super) enum Durable {
    /// Not at all: `storage.fs.durable = false`, for scratch registries.
    Off,
    /// Names and records together, at `persist`.
    Grouped(GroupSync),
    /// Each by itself.
    Each,
}

impl Durable {
    /// The best that this system can do. What another process wrote and did
    /// not live to sync is synced from now on; no promise goes out before a
    /// sync of its own, which covers that too.
    pub(in super::super) fn on(root: &Path) -> io::Result<Self> {
        let dir = File::open(root)?;
        if system::HAS_SYNCFS {
            // A start does not wait for it: there may be a lot to write. A
            // failure is met by every handle that was open before it.
            let leftovers = File::open(root)?;
            std::thread::Builder::new().spawn(move || {
                if let Err(error) = system::syncfs(&leftovers) {
                    tracing::error!(%error, "what was written before the start could not be synced");
                }
            })?;
            Ok(Self::Grouped(GroupSync::new(dir)))
        } else {
            system::sync_everything();
            Ok(Self::Each)
        }
    }

    /// The file's content, before it gets its name.
    pub(super) fn content(&self, file: &File) -> io::Result<()> {
        match self {
            Self::Off => Ok(()),
            Self::Grouped(_) | Self::Each => file.sync_data(),
        }
    }

    /// A small record, which may be found torn and then counts for nothing.
    pub(super) fn record(&self, file: &File) -> io::Result<()> {
        match self {
            Self::Off | Self::Grouped(_) => Ok(()),
            Self::Each => file.sync_data(),
        }
    }

    /// A file has its name: `path`, somewhere below `root`. The directories on
    /// the way may be as new as the file.
    pub(super) fn named(&self, root: &Path, path: &Path) -> io::Result<()> {
        if let Self::Each = self {
            let above = path.ancestors().skip(1);
            for dir in above.take_while(|dir| dir.starts_with(root)) {
                // One that was removed meanwhile took the name with it.
                super::present(sync_dir(dir))?;
            }
        }
        Ok(())
    }

    /// Names are gone from `dir`.
    pub(super) fn removed(&self, dir: &Path) -> io::Result<()> {
        if let Self::Each = self {
            super::present(sync_dir(dir))?;
        }
        Ok(())
    }

    /// Returns when everything written before the call survives a power cut.
    pub(super) async fn persist(&self) -> Result<(), StoreError> {
        match self {
            Self::Off | Self::Each => Ok(()),
            Self::Grouped(group) => group.sync().await,
        }
    }
}

/// Files are renamed into place, and synced together: neither reaches beyond
/// one file system. Better said at the start than to every push.
pub(super) fn on_one_file_system(root: &Path, dir: &Path) -> io::Result<()> {
    if std::fs::metadata(root)?.dev() == std::fs::metadata(dir)?.dev() {
        return Ok(());
    }
    let message = "it lies on another file system than the root directory; both must be on one";
    Err(io::Error::other(message))
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// One `syncfs` for all who wait: who asks while one runs is served by the
/// next, together with everybody else who asked meanwhile.
pub(in super::super) struct GroupSync {
    dir: std::sync::Arc<File>,
    asked: std::sync::atomic::AtomicU64,
    turn: tokio::sync::Mutex<Turn>,
}

/// Up to which request everything is done.
#[derive(Default)]
struct Turn {
    done: u64,
    /// The requests after `.0` up to `.1` failed: the kernel reports an error
    /// once, so those who shared the sync must be told by us.
    failed: Option<(u64, u64)>,
    /// A sync failed for another reason than a lack of space. The kernel has
    /// forgotten what it could not write, and the next sync would not tell:
    /// who wrote before that one failed must not be told that all is well.
    broken: bool,
}

impl GroupSync {
    fn new(dir: File) -> Self {
        Self {
            dir: std::sync::Arc::new(dir),
            asked: 0.into(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    async fn sync(&self) -> Result<(), StoreError> {
        use std::sync::atomic::Ordering::SeqCst;

        let mine = self.asked.fetch_add(1, SeqCst) + 1;
        let mut turn = self.turn.lock().await;
        if turn.broken {
            let message = "an earlier sync failed, and what it should have written may be lost: \
                           nothing more is acknowledged until the disk is well and the server restarted";
            return Err(unavailable("syncing", io::Error::other(message)));
        }
        if mine <= turn.done {
            return match turn.failed {
                Some((after, upto)) if after < mine && mine <= upto => Err(unavailable(
                    "syncing",
                    io::Error::other("it failed just now"),
                )),
                _ => Ok(()),
            };
        }

        let covered = self.asked.load(SeqCst);
        let dir = std::sync::Arc::clone(&self.dir);
        let synced = one_thread::step(move || system::syncfs(&dir)).await;
        if let Err(error) = &synced {
            use io::ErrorKind::{QuotaExceeded, StorageFull};

            turn.broken = !matches!(error.kind(), StorageFull | QuotaExceeded);
            // Together with the failures before it: some of those who shared
            // them may still wait to be told.
            let after = turn.failed.map_or(turn.done, |(after, _)| after);
            turn.failed = Some((after, covered));
        }
        turn.done = covered;
        synced.map_err(|source| unavailable("syncing", source))
    }
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[cfg(test)]
mod tests;

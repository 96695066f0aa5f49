//! Locks between the processes of one machine: byte ranges of one file.
//!
//! A name is hashed to one byte's offset in a file that stays empty. The kernel
//! releases what a dead process held. Two names that share an offset (one pair
//! in 2⁶²) exclude each other, which is harmless.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use sha2::{Digest as _, Sha256};

use super::keyed::{Keyed, KeyedGuard};
use crate::ports::{LockError, LockGuard, LockKey, LockManager};

/// How long to wait before asking again for what another process holds.
const FIRST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Locks that every process with the same file sees.
pub struct FileLocks {
    file: Arc<File>,
    keyed: Keyed,
    patience: Duration,
}

impl FileLocks {
    /// Locks in `path`, which is made if it is not there, waited for no longer
    /// than `patience`.
    ///
    /// # Errors
    ///
    /// Where the file cannot be made or opened.
    pub fn open(path: &Path, patience: Duration) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)?;
        Ok(Self {
            file: Arc::new(file),
            keyed: Keyed::default(),
            patience,
        })
    }

    /// Asks the kernel once; true if the byte is ours now.
    fn take(&self, key: &LockKey) -> Result<Option<ByteLock>, LockError> {
        let offset = offset_of(&key.to_string());
        match set(&self.file, libc::F_WRLCK, offset) {
            Ok(()) => Ok(Some(ByteLock {
                file: Arc::clone(&self.file),
                offset,
            })),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
            Err(e) => Err(LockError::Unavailable {
                what: key.to_string(),
                source: Box::new(io::Error::from(e)),
            }),
        }
    }

    async fn wait(&self, key: &LockKey) -> Result<LockGuard, LockError> {
        // First in line within this process: then only other processes compete.
        let here = self.keyed.acquire(key.to_string()).await;
        let mut wait = FIRST_WAIT;
        loop {
            if let Some(there) = self.take(key)? {
                return Ok(LockGuard::new(Both {
                    _there: there,
                    _here: here,
                }));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// Both halves of a lock; the byte goes first, so that the next in this process
/// finds it free.
struct Both {
    _there: ByteLock,
    _here: KeyedGuard,
}

struct ByteLock {
    file: Arc<File>,
    offset: libc::off_t,
}

impl Drop for ByteLock {
    fn drop(&mut self) {
        // It cannot fail for a range that is held; were it to, the process's
        // end releases it.
        if let Err(e) = set(&self.file, libc::F_UNLCK, self.offset) {
            tracing::error!(error = %e, "a file lock could not be released");
        }
    }
}

fn offset_of(name: &str) -> libc::off_t {
    let hash = Sha256::digest(name.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[..8]);
    // The last offset has no byte after it: the range would be empty.
    libc::off_t::from_le_bytes(bytes) & (libc::off_t::MAX >> 1)
}

#[allow(clippy::cast_possible_truncation)] // the constants are small, their types wide
fn set(file: &File, kind: libc::c_int, offset: libc::off_t) -> nix::Result<()> {
    let range = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: offset,
        l_len: 1,
        l_pid: 0,
    };
    // Locks of the open file where the system has them: those of the process
    // would not exclude two openings in one process, as tests make them.
    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    let operation = FcntlArg::F_OFD_SETLK(&range);
    #[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
    let operation = FcntlArg::F_SETLK(&range);
    fcntl(file, operation).map(drop)
}

#[async_trait]
impl LockManager for FileLocks {
    async fn acquire(&self, key: &LockKey) -> Result<LockGuard, LockError> {
        match tokio::time::timeout(self.patience, self.wait(key)).await {
            Ok(guard) => guard,
            Err(_) => Err(LockError::Contended(key.to_string())),
        }
    }

    async fn try_acquire(&self, key: &LockKey) -> Result<Option<LockGuard>, LockError> {
        let Some(here) = self.keyed.try_acquire(key.to_string()) else {
            return Ok(None);
        };
        let there = self.take(key)?;
        Ok(there.map(|there| {
            LockGuard::new(Both {
                _there: there,
                _here: here,
            })
        }))
    }
}

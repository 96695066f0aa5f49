//! Threads that step back: for work of milliseconds, beside which others have
//! answers of microseconds to give.
//!
//! A system with as many layers under way as it has processors hashes all the
//! time. Who waits for a manifest would wait for the end of a time slice each
//! time (measured: docs/performance.md).

use std::io;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, spawn_blocking};

/// How many threads there are at most. They work; whoever waits does so for a
/// disk, when a lot is dirty.
const THREADS: usize = 64;

/// Never driven: it only keeps threads.
static POOL: OnceLock<io::Result<Runtime>> = OnceLock::new();

/// Does the work on such a thread.
pub fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match POOL.get_or_init(pool) {
        Ok(pool) => pool.spawn_blocking(work),
        Err(_) => spawn_blocking(work),
    }
}

fn pool() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .max_blocking_threads(THREADS)
        .thread_name("patient")
        .on_thread_start(step_back)
        .build()
}

/// Elsewhere it would be the process that steps back.
#[cfg(target_os = "linux")]
fn step_back() {
    /// Gets a third of the time that others get, if they want it.
    const BY: i32 = 5;
    // Where it may not, it works like everybody.
    let _ = rustix::process::nice(BY);
}

#[cfg(not(target_os = "linux"))]
fn step_back() {}

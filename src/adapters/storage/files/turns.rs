//! Turns: how many large batches are hashed at a time.
//!
//! As many as there are processors. More would be done no sooner, and whoever
//! answers a small request would have to wait for all of them (measured with
//! eight pushes on two processors: docs/performance.md).

use std::sync::LazyLock;
use std::thread::available_parallelism;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

/// What is smaller is hashed sooner than it would be waited for.
const LARGE: usize = 64 << 10;

/// Those of this process.
pub(super) static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(2, usize::from);
    Turns(Semaphore::new(processors))
});

pub(super) struct Turns(Semaphore);

/// The leave to hash one batch, until it is dropped.
pub(super) struct Turn {
    _permit: Option<SemaphorePermit<'static>>,
}

impl Turns {
    /// First come, first served; a small batch does not wait.
    pub(super) async fn take(&'static self, batch: &[Bytes]) -> Turn {
        let length: usize = batch.iter().map(Bytes::len).sum();
        let is_large = length >= LARGE;
        Turn {
            _permit: if is_large {
                self.0.acquire().await.ok()
            } else {
                None
            },
        }
    }
}

#[cfg(test)]
mod tests;

//! One thread for work of many small steps that may each wait for a disk.
//!
//! A step costs microseconds, and handing it to another thread and waiting for
//! its answer costs more than that: a push of four blobs took seventy of these.

use std::cell::Cell;
use std::future::{Future, ready};
use std::io;
use std::sync::Once;

use futures_util::future::Either;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::{block_in_place, spawn_blocking};

/// How many threads may be given to such work; what comes beyond it has its
/// steps done by others, as usual.
pub const AT_MOST: usize = 16;

static SEATS: Semaphore = Semaphore::const_new(0);
static OFFERED: Once = Once::new();

thread_local! {
    static TAKEN: Cell<bool> = const { Cell::new(false) };
}

/// From now on it is worth while: there are steps that wait for a disk, and not
/// for another server.
pub fn offer() {
    OFFERED.call_once(|| SEATS.add_permits(AT_MOST));
}

/// Does the work on this thread, which the runtime does without meanwhile.
/// Whatever else the task has to do waits until then.
pub async fn whole<T>(work: impl Future<Output = T>) -> T {
    let runtime = Handle::current();
    let may_wait = runtime.runtime_flavor() == RuntimeFlavor::MultiThread && !TAKEN.get();
    let Some(seat) = SEATS.try_acquire().ok().filter(|_| may_wait) else {
        return work.await;
    };
    block_in_place(|| {
        let _taken = Taken::new();
        let done = runtime.block_on(work);
        drop(seat);
        done
    })
}

/// Does a step of it: at once where the thread is [`whole`] work's own, else on
/// a thread that may wait. It begins before it is polled.
pub fn step<T: Send + 'static>(
    step: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> impl Future<Output = io::Result<T>> + Send {
    if TAKEN.get() {
        return Either::Left(ready(step()));
    }
    let step = spawn_blocking(step);
    Either::Right(async { step.await.map_err(io::Error::other).and_then(|done| done) })
}

/// The thread is taken until this is dropped.
struct Taken;

impl Taken {
    fn new() -> Self {
        TAKEN.set(true);
        Self
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        TAKEN.set(false);
    }
}

#[cfg(test)]
mod tests;

//! Work that goes on after whoever asked for it has left.

use futures_util::future::BoxFuture;

/// Runs work in the background.
pub trait Tasks: Send + Sync {
    /// Runs the work to its end, unless the process ends before it.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

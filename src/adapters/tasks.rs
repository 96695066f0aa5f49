//! Outbound: work in the background, as tasks of the runtime.

use futures_util::future::BoxFuture;
use tracing::Instrument;

use crate::ports::Tasks;

/// The tasks of the runtime that it is called in.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuntimeTasks;

impl Tasks for RuntimeTasks {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        tokio::spawn(work.in_current_span());
    }
}

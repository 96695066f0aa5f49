//! Outbound: locks by name, within one process and between processes.

mod files;
mod keyed;
mod memory;
mod owned;
mod queued;
mod succeeding;

pub use files::FileLocks;
pub use memory::MemoryLocks;
pub use owned::OwnedLocks;
pub use queued::QueuedLocks;
pub use succeeding::{SucceedingLocks, Successor};

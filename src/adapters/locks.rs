//! Outbound: locks by name, within one process and between processes.

mod files;
mod keyed;
mod memory;
mod owned;
mod queued;

pub use files::FileLocks;
pub use memory::MemoryLocks;
pub use owned::OwnedLocks;
pub use queued::QueuedLocks;

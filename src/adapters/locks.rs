//! Outbound: locks by name, within one process and between processes.

mod files;
mod keyed;
mod memory;
mod owned;

pub use files::FileLocks;
pub use memory::MemoryLocks;
pub use owned::OwnedLocks;

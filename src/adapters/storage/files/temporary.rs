//! Temporary files: written before they get their name.

use std::path::PathBuf;

/// A file that is removed on drop unless it got a name.
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    pub(super) named: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.named {
            // Left behind, it is swept later.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

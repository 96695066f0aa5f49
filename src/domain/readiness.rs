//! Readiness: whether what requests rest on answers.

use std::sync::Arc;

use super::error::RegistryError;
use super::model::{Algorithm, Hasher};
use crate::ports::{BlobStore, LockKey, LockManager, StoragePorts};

/// Asks the store and the locks for something that costs next to nothing.
pub struct Readiness {
    blobs: Arc<dyn BlobStore>,
    locks: Arc<dyn LockManager>,
}

impl Readiness {
    /// Of these.
    #[must_use]
    pub fn new(ports: &StoragePorts, locks: &Arc<dyn LockManager>) -> Self {
        Self {
            blobs: Arc::clone(&ports.blobs),
            locks: Arc::clone(locks),
        }
    }

    /// Whether the store answers. It is asked for a blob, which need not be there.
    ///
    /// # Errors
    /// What the store says.
    pub async fn store(&self) -> Result<(), RegistryError> {
        let nothing = Hasher::digest_of(Algorithm::Sha256, b"");
        self.blobs.look(&nothing).await?;
        Ok(())
    }

    /// Whether locks can be had. A lock of its own is asked for, which nobody works under; that another server holds it
    /// just now is an answer as well.
    ///
    /// # Errors
    /// What the locks say.
    pub async fn locks(&self) -> Result<(), RegistryError> {
        self.locks.try_acquire(&LockKey::Readiness).await?;
        Ok(())
    }
}

//! Pull times: noted behind the back of whoever pulls.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;

use crate::domain::model::{Digest, RepositoryName};
use crate::domain::recent::Recent;
use crate::ports::{Clock, PullTimes, StoragePorts, StoreError, Tasks};

/// How long one note of a manifest stands for all of its pulls.
const COALESCED: Duration = Duration::from_mins(5);

/// How many notes may be on their way to the store. What comes then is not
/// noted: the next pull will be.
const MOST: u64 = 64;

/// Notes pulls. No pull waits for it, and none fails with it.
pub(super) struct Pulls {
    times: Arc<dyn PullTimes>,
    clock: Arc<dyn Clock>,
    tasks: Arc<dyn Tasks>,
    /// By a hash that nobody can foresee: two manifests that share one share
    /// their notes.
    noted: Recent<u64>,
    keys: RandomState,
    writing: AtomicU64,
    /// How many in a row the store refused.
    refused: AtomicU64,
}

impl Pulls {
    pub(super) fn new(
        storage: &StoragePorts,
        clock: &Arc<dyn Clock>,
        tasks: &Arc<dyn Tasks>,
    ) -> Arc<Self> {
        Arc::new(Self {
            times: Arc::clone(&storage.pulls),
            clock: Arc::clone(clock),
            tasks: Arc::clone(tasks),
            noted: Recent::default(),
            keys: RandomState::new(),
            writing: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// The manifest is pulled. Where that was noted lately, nothing happens.
    pub(super) fn note(self: &Arc<Self>, repository: &RepositoryName, digest: &Digest) {
        let key = self.keys.hash_one((repository, digest));
        let now = self.clock.now();
        if self.noted.within(&key, now, COALESCED) {
            return;
        }
        let Some(place) = Place::take(self) else {
            return;
        };
        if !self.noted.is_first(key, now, COALESCED) {
            return;
        }
        let (repository, digest) = (repository.clone(), digest.clone());
        let write = async move {
            let pulls = &place.0;
            pulls.tell(pulls.times.note(&repository, &digest).await);
        };
        self.tasks.spawn(write.boxed());
    }

    /// Logs the first failure, and the end of them.
    fn tell(&self, noted: Result<(), StoreError>) {
        match noted {
            Ok(()) => {
                let refused = self.refused.swap(0, Ordering::Relaxed);
                if refused > 0 {
                    tracing::info!(refused, "pull times are noted again");
                }
            }
            Err(error) => {
                if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "pull times can't be noted");
                }
            }
        }
    }
}

/// One of the [`MOST`], given back on drop.
struct Place(Arc<Pulls>);

impl Place {
    fn take(pulls: &Arc<Pulls>) -> Option<Self> {
        let place = Self(Arc::clone(pulls));
        let taken = pulls.writing.fetch_add(1, Ordering::Relaxed);
        (taken < MOST).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.writing.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

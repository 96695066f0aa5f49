//! The owner's lease: a server without a lock store works alone on a bucket.
//!
//! Its locks hold within its process only. So it keeps an object in the bucket, `_registry/owner`, and changes it every few
//! seconds. Who finds it there waits: if it changes, its owner lives, and the
//! newcomer refuses to start; if it stays the same for long enough, its owner
//! is dead. Nobody compares clocks, and nobody needs conditional writes, which
//! not every service has (storage.md section 4).
//!
//! Two newcomers that both find nothing both write, and both look again after
//! a while that is longer than either may have taken to write: the later write
//! stands, and the other one sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Bucket, BucketError, causes};
use crate::adapters::storage::layout::OWNER;
use crate::adapters::storage::objects::Objects;
use crate::adapters::storage::records::{self, VERSION};
use crate::adapters::storage::tree::Tree;
use crate::adapters::units::uptime;

pub(super) mod group;

use crate::ports::StoreError;

/// How often a newcomer that is too slow tries again.
const TRIES: usize = 5;

/// The times of a lease.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often it is renewed.
    pub renewal: Duration,
    /// How long after a renewal locks are given.
    pub valid: Duration,
    /// After how long without a renewal its owner is dead, to others and to
    /// itself. What began while it was valid has ended by then.
    pub dead: Duration,
    /// How long a newcomer waits for another one to show.
    pub settling: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            renewal: Duration::from_secs(5),
            valid: Duration::from_secs(25),
            dead: Duration::from_secs(45),
            settling: Duration::from_secs(3),
        }
    }
}

/// What the object says.
#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    owner: String,
    /// Another one with each renewal.
    renewal: u64,
    /// Whether the owner is a group of servers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    group: bool,
}

impl Record {
    async fn write(&self, objects: &Objects) -> Result<(), StoreError> {
        objects.write(OWNER, records::encode(OWNER, self)?).await
    }
}

/// This process owns the bucket. Dropped without [`Owner::release`], it leaves
/// the lease to die.
pub struct Owner {
    state: Arc<State>,
    renewing: JoinHandle<()>,
}

struct State {
    /// Replaced where the bucket is reached by another key.
    objects: Mutex<Objects>,
    pace: Pace,
    id: String,
    /// When the last renewal began that succeeded.
    renewed: Mutex<Duration>,
    lost: CancellationToken,
    released: AtomicBool,
}

impl Owner {
    pub(super) async fn claim(objects: Objects, pace: Pace) -> Result<Self, BucketError> {
        let state = Arc::new(State {
            objects: Mutex::new(objects),
            pace,
            id: uuid::Uuid::new_v4().to_string(),
            renewed: Mutex::new(Duration::ZERO),
            lost: CancellationToken::new(),
            released: AtomicBool::new(false),
        });
        for _ in 0..TRIES {
            if state.take().await? {
                let renewing = tokio::spawn(Arc::clone(&state).renew_for_ever());
                return Ok(Self { state, renewing });
            }
        }
        Err(BucketError::new(
            "storage.s3.endpoint",
            "it answers too slowly for a lease on the bucket",
        ))
    }

    /// Tells, whenever it is asked, whether the lease is valid.
    pub fn proof(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move || {
            let gone = state.lost.is_cancelled() || state.released.load(Ordering::Relaxed);
            !gone && state.age() < state.pace.valid
        }
    }

    /// Is cancelled once the lease is lost, for good. To release it is not to lose it.
    #[must_use]
    pub fn lost(&self) -> CancellationToken {
        self.state.lost.clone()
    }

    /// From now on it is renewed by what reaches the same bucket with another key.
    pub fn reach_by(&self, bucket: &Bucket) {
        *lock(&self.state.objects) = bucket.objects.impatient();
    }

    /// Gives the bucket free, so that the next server need not wait.
    pub async fn release(&self) {
        self.renewing.abort();
        let state = &self.state;
        let ours = matches!(state.owner().await, Ok(Some(owner)) if owner == state.id);
        state.released.store(true, Ordering::Relaxed);
        if ours && let Err(error) = state.objects().remove(OWNER).await {
            tracing::warn!(
                error = causes(&error),
                "the lease on the bucket stays until it dies"
            );
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl State {
    fn age(&self) -> Duration {
        uptime().saturating_sub(*lock(&self.renewed))
    }

    fn objects(&self) -> Objects {
        lock(&self.objects).clone()
    }

    async fn read(&self) -> Result<Option<Bytes>, StoreError> {
        self.objects().read(OWNER).await
    }

    /// Whose lease it is; `None` where there is none, or none that can be read.
    async fn owner(&self) -> Result<Option<String>, StoreError> {
        let bytes = self.read().await?;
        let record = bytes.and_then(|bytes| records::decode::<Record>(&bytes).ok());
        Ok(record.map(|record| record.owner))
    }

    async fn write(&self, renewal: u64) -> Result<(), StoreError> {
        let record = Record {
            version: VERSION,
            owner: self.id.clone(),
            renewal,
            group: false,
        };
        record.write(&self.objects()).await
    }

    /// The lease counts from before it was written.
    fn counts_from(&self, began: Duration) {
        *lock(&self.renewed) = began;
    }

    /// Takes the lease if nobody has it; false where that took so long that it
    /// does not count.
    async fn take(&self) -> Result<bool, BucketError> {
        let began = self.outlive().await?;
        self.write(0).await.map_err(|error| failed(&error))?;
        if uptime().saturating_sub(began) > self.pace.settling / 2 {
            return Ok(false);
        }
        self.counts_from(began);
        tokio::time::sleep(self.pace.settling).await;
        match self.owner().await.map_err(|error| failed(&error))? {
            Some(owner) if owner == self.id => Ok(true),
            _ => Err(taken()),
        }
    }

    /// Waits until whoever has the lease has given it up, or is dead; when the
    /// last question began that found it so.
    async fn outlive(&self) -> Result<Duration, BucketError> {
        let began = uptime();
        let Some(first) = self.read().await.map_err(|error| failed(&error))? else {
            return Ok(began);
        };
        if records::decode::<Record>(&first).is_ok_and(|record| record.owner == self.id) {
            return Ok(began);
        }
        tracing::info!(
            seconds = self.pace.dead.as_secs(),
            "another server has used this bucket and did not end in peace: waiting whether it lives"
        );
        let seen = uptime();
        loop {
            tokio::time::sleep(self.pace.renewal).await;
            let asked = uptime();
            match self.read().await.map_err(|error| failed(&error))? {
                None => return Ok(asked),
                Some(now) if now != first => return Err(taken()),
                Some(_) if asked.saturating_sub(seen) >= self.pace.dead => return Ok(asked),
                Some(_) => {}
            }
        }
    }

    /// Until it is lost: to another owner, or because it was not renewed.
    async fn renew_for_ever(self: Arc<Self>) {
        for renewal in 1.. {
            tokio::time::sleep(self.pace.renewal).await;
            if self.age() >= self.pace.dead {
                tracing::error!("the lease on the bucket was not renewed for too long");
                break;
            }
            match self.renew(renewal).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!("another server has taken the lease on the bucket");
                    break;
                }
                Err(error) => {
                    tracing::warn!(
                        error = causes(&error),
                        "the lease on the bucket is not renewed"
                    );
                }
            }
        }
        self.lost.cancel();
    }

    /// False where somebody else has the lease, or may have it, or has taken
    /// ours away.
    async fn renew(&self, renewal: u64) -> Result<bool, StoreError> {
        if self.owner().await?.as_ref() != Some(&self.id) {
            return Ok(false);
        }
        let began = uptime();
        self.write(renewal).await?;
        // After a write that took so long, somebody may have it already.
        if self.age() >= self.pace.dead {
            return Ok(false);
        }
        self.counts_from(began);
        Ok(true)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: &StoreError) -> BucketError {
    BucketError::new(
        "storage.s3",
        format!("the lease on the bucket: {}", causes(error)),
    )
}

fn taken() -> BucketError {
    BucketError::new(
        "storage.s3",
        "another server works on this bucket and key_prefix: stop it, choose another key_prefix, \
         or give all servers the same [lock_store.redis]",
    )
}

#[cfg(test)]
mod tests;

//! The lease of a group: the servers that share one lock store own the bucket together.
//!
//! Locks in two places would be none. So the group has a name, which stands in
//! the lock store and in the bucket: a server whose lock store goes by another
//! name, or that has none, finds the bucket taken. A lock store that has lost
//! its memory is told the name again by those of the group who are alive, and a
//! newcomer waits for that.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Bucket, BucketError, Pace, Record, lock};
use crate::adapters::storage::layout::OWNER;
use crate::adapters::storage::objects::Objects;
use crate::adapters::storage::records::{self, VERSION};
use crate::adapters::storage::tree::Tree;
use crate::adapters::units::uptime;
use crate::ports::StoreError;

/// Proposes a name for the group to the lock store, or none; answers the name
/// that stands there.
pub type Agree = Arc<
    dyn Fn(Option<String>) -> BoxFuture<'static, Result<Option<String>, BoxError>> + Send + Sync,
>;

type BoxError = Box<dyn Error + Send + Sync>;

/// How many renewals a newcomer waits for the group to name its lock store.
const PATIENCE: u32 = 3;

/// This process belongs to the group, until the value is dropped.
pub struct Group {
    state: Arc<State>,
    keeping: JoinHandle<()>,
}

struct State {
    objects: Mutex<Objects>,
    pace: Pace,
    agree: Agree,
    standing: Mutex<Option<Standing>>,
}

/// The group as it was seen last.
#[derive(Clone)]
struct Standing {
    name: String,
    renewal: u64,
    /// When the last look began that found the lease alive.
    renewed: Duration,
}

/// Why this process does not belong to the group.
enum Refused {
    /// Somebody else works on the bucket.
    Taken,
    /// Nobody knows: the lock store or the bucket does not answer.
    Unknown(BoxError),
}

/// What came of the first attempt.
enum Entered {
    Shares,
    Refused,
    Unknown,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Unknown(Box::new(error))
    }
}

impl Group {
    /// Joins the group, or founds it. Where that takes long, because the lock
    /// store does not answer or somebody's lease has to be outlived, it goes on
    /// in the background: until then the group does not stand.
    pub(in super::super) async fn join(
        objects: Objects,
        pace: Pace,
        agree: Agree,
    ) -> Result<Self, BucketError> {
        let state = Arc::new(State {
            objects: Mutex::new(objects),
            pace,
            agree,
            standing: Mutex::new(None),
        });
        let (tell, told) = oneshot::channel();
        let keeping = tokio::spawn(Arc::clone(&state).keep(tell));
        let group = Self { state, keeping };
        match tokio::time::timeout(pace.renewal * PATIENCE * 2, told).await {
            Ok(Ok(Entered::Refused)) => Err(taken()),
            Ok(Ok(Entered::Shares)) => Ok(group),
            _ => {
                tracing::warn!("nobody knows yet who shares this bucket: no locks until then");
                Ok(group)
            }
        }
    }

    /// From now on it is renewed by what reaches the same bucket with another key.
    pub fn reach_by(&self, bucket: &Bucket) {
        *lock(&self.state.objects) = bucket.objects.impatient();
    }

    /// The others go on without this process.
    pub fn leave(&self) {
        self.keeping.abort();
        self.state.stand(None);
    }

    /// Tells, whenever it is asked, whether the group's lease is valid.
    #[must_use]
    pub fn stands(&self) -> bool {
        let standing = self.state.standing();
        standing.is_some_and(|it| uptime().saturating_sub(it.renewed) < self.state.pace.valid)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl State {
    fn standing(&self) -> Option<Standing> {
        lock(&self.standing).clone()
    }

    fn stand(&self, standing: Option<Standing>) {
        *lock(&self.standing) = standing;
    }

    async fn agree(&self, name: Option<&str>) -> Result<Option<String>, Refused> {
        let agreed = (self.agree)(name.map(str::to_owned)).await;
        agreed.map_err(Refused::Unknown)
    }

    fn objects(&self) -> Objects {
        lock(&self.objects).clone()
    }

    async fn read(&self) -> Result<Option<Bytes>, StoreError> {
        self.objects().read(OWNER).await
    }

    /// Who belongs to the group of the bucket goes on with it. Anybody else's
    /// lease has to be outlived first.
    async fn enter(&self) -> Result<(), Refused> {
        let Some(first) = self.read().await? else {
            return self.found().await;
        };
        let (mut last, mut changed, mut renewals) = (first, uptime(), 0);
        loop {
            let group = group_of(&last);
            if let Some(group) = &group
                && self.agree(None).await?.as_ref() == Some(&group.owner)
            {
                return self.write(group.owner.clone()).await;
            }
            tokio::time::sleep(self.pace.renewal).await;
            let asked = uptime();
            match self.read().await? {
                None => return self.found().await,
                Some(now) if now != last => {
                    renewals += 1;
                    if group.is_none() || renewals >= PATIENCE {
                        return Err(Refused::Taken);
                    }
                    (last, changed) = (now, asked);
                }
                Some(_) if asked.saturating_sub(changed) >= self.pace.dead => {
                    return self.found().await;
                }
                Some(_) => {}
            }
        }
    }

    /// Writes the lease, and looks after a while whether it stands: somebody
    /// else may have done the same.
    async fn found(&self) -> Result<(), Refused> {
        let name = uuid::Uuid::new_v4().to_string();
        let name = self.agree(Some(&name)).await?.unwrap_or(name);
        self.write(name.clone()).await?;
        let written = self.standing();
        self.stand(None);
        tokio::time::sleep(self.pace.settling).await;
        let found = self.read().await?;
        match found.as_ref().and_then(group_of) {
            Some(record) if record.owner == name => {
                self.stand(written);
                Ok(())
            }
            _ => Err(Refused::Taken),
        }
    }

    async fn write(&self, name: String) -> Result<(), Refused> {
        let renewed = uptime();
        let (renewal, _) = uuid::Uuid::new_v4().as_u64_pair();
        let record = Record {
            version: VERSION,
            owner: name.clone(),
            renewal,
            group: true,
        };
        record.write(&self.objects()).await?;
        // After so long, somebody may have taken it for dead.
        if uptime().saturating_sub(renewed) > self.pace.settling / 2 {
            return Err(Refused::Unknown("the bucket answers too slowly".into()));
        }
        self.stand(Some(Standing {
            name,
            renewal,
            renewed,
        }));
        Ok(())
    }

    /// For as long as the process lives: renews the lease, or enters again.
    async fn keep(self: Arc<Self>, tell: oneshot::Sender<Entered>) {
        let mut tell = Some(tell);
        loop {
            let was = self.standing();
            let kept = match was.clone() {
                Some(standing) => self.renew(standing).await,
                None => self.enter().await,
            };
            let entered = match kept {
                Ok(()) => {
                    if was.is_none() {
                        tracing::info!("this server is one of those that share the bucket");
                    }
                    Entered::Shares
                }
                Err(Refused::Taken) => {
                    self.stand(None);
                    tracing::error!("{}; this one gives no locks", taken());
                    Entered::Refused
                }
                Err(Refused::Unknown(error)) => {
                    tracing::warn!(error = &*error, "the lease on the bucket is not renewed");
                    Entered::Unknown
                }
            };
            if let Some(tell) = tell.take() {
                // Who asked may have gone on without the answer.
                drop(tell.send(entered));
            }
            tokio::time::sleep(self.pace.renewal).await;
        }
    }

    /// One of the group writes; the others see that it was written.
    async fn renew(&self, standing: Standing) -> Result<(), Refused> {
        let began = uptime();
        let found = self.read().await?;
        let Some(record) = found.as_ref().and_then(group_of) else {
            return Err(Refused::Taken);
        };
        // A lock store that is down gives no locks, and says nothing new.
        let agreed = self.agree(Some(&standing.name)).await;
        let strange = matches!(agreed, Ok(Some(agreed)) if agreed != standing.name);
        if record.owner != standing.name || strange {
            return Err(Refused::Taken);
        }
        if record.renewal == standing.renewal {
            return self.write(standing.name).await;
        }
        self.stand(Some(Standing {
            name: standing.name,
            renewal: record.renewal,
            renewed: began,
        }));
        Ok(())
    }
}

fn group_of(bytes: &Bytes) -> Option<Record> {
    let record: Record = records::decode(bytes).ok()?;
    record.group.then_some(record)
}

fn taken() -> BucketError {
    BucketError::new(
        "storage.s3",
        "another server works on this bucket and key_prefix and does not share this lock store: \
         give all of them the same [lock_store.redis], or choose another key_prefix",
    )
}

#[cfg(test)]
mod tests;

//! All content against its digest. What is another's goes out of the way, by the collector's protocol: the proof is
//! that it was read twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Audience, Fate, Finding};
use crate::domain::error::RegistryError;
use crate::domain::model::{Digest, Role, Surveyed, Thing};
use crate::domain::references::causes;
use crate::domain::removals::patiently;
use crate::ports::{Clock, LockKey, LockManager, StoragePorts, StoreError};

/// How many contents are read at a time.
const AT_A_TIME: usize = 8;

/// How often it is told how far it is.
const TICK: Duration = Duration::from_millis(200);

/// How often the mark may be taken away by somebody who asks for the content.
const ROUNDS: usize = 3;

/// How many contents in a row can't be read before the store is to blame.
const UNREADABLE: usize = 32;

/// The part that reads all content.
pub struct Verify {
    storage: StoragePorts,
    locks: Arc<dyn LockManager>,
    clock: Arc<dyn Clock>,
    read: Arc<AtomicU64>,
}

impl Verify {
    /// For a store whose writers share these locks.
    #[must_use]
    pub fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            storage: storage.clone(),
            locks: Arc::clone(locks),
            clock: Arc::clone(clock),
            read: Arc::default(),
        }
    }

    /// Reads everything once. What does not hash to its name is read again, and
    /// set aside: then nobody is given it, and a push heals it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`], where the store does not answer. Single
    /// contents that can't be read are found, and left.
    pub async fn run(&self, audience: &mut dyn Audience) -> Result<(), RegistryError> {
        let survey = &self.storage.survey;
        let mut listing = survey.content();
        let mut bytes = 0;
        while let Some(piece) = listing.try_next().await? {
            bytes += piece.iter().map(size_of).sum::<u64>();
        }
        audience.expects(bytes);

        let contents = survey.content();
        let contents = contents.map_ok(|piece| stream::iter(piece.into_iter().map(Ok)));
        let verified = contents
            .try_flatten()
            .map_ok(|it| self.verify(it))
            .try_buffer_unordered(AT_A_TIME);
        let mut verified = std::pin::pin!(verified);
        let mut unreadable = 0;
        while audience.goes_on() {
            let next = select(verified.next(), self.clock.sleep(TICK)).await;
            audience.read(self.read.swap(0, Ordering::Relaxed));
            let Either::Left((next, _)) = next else {
                continue;
            };
            let Some(next) = next.transpose()? else {
                return Ok(());
            };
            audience.seen(u64::from(next.is_content));
            let found = match next.wrong {
                Ok(found) => found,
                Err(error) if unreadable == UNREADABLE => return Err(error),
                Err(error) => {
                    unreadable += 1;
                    audience.found(Finding {
                        kind: "unreadable-content",
                        place: next.path,
                        what: format!("it can't be read: {}", causes(&error)),
                        fate: Fate::Left,
                    });
                    continue;
                }
            };
            unreadable = 0;
            if let Some(what) = found {
                audience.found(Finding {
                    kind: "wrong-content",
                    place: next.path,
                    what,
                    fate: Fate::Left,
                });
            }
        }
        Ok(())
    }

    async fn verify(&self, it: Surveyed) -> Result<Verified, StoreError> {
        let Role::Content(digest) = it.role else {
            return Ok(Verified {
                path: it.path,
                is_content: false,
                wrong: Ok(None),
            });
        };
        Ok(Verified {
            is_content: true,
            wrong: self.judge(&it.path, &digest).await,
            path: it.path,
        })
    }

    /// What is wrong with the content, if anything is.
    async fn judge(&self, path: &str, digest: &Digest) -> Result<Option<String>, RegistryError> {
        let survey = &self.storage.survey;
        let first = survey.hash(path, digest, &self.read).await?;
        if first.is_none_or(|it| it == *digest) {
            return Ok(None);
        }
        let (thing, marks) = (Thing::Data(digest.clone()), &self.storage.marks);
        for _ in 0..ROUNDS {
            // Whoever heals it meanwhile looks for marks after that, and takes this one away.
            let Some(id) = marks.condemn(&thing).await? else {
                return Ok(None);
            };
            // Twice, so that nothing but the store is to blame; and it is not what is still to be read.
            let again = survey.hash(path, digest, &Arc::default()).await?;
            let lock = self.locks.acquire(&LockKey::from(&thing)).await?;
            let done = lock.during(async {
                if again.as_ref().is_none_or(|it| it == digest) {
                    marks.pardon(&thing).await?;
                    return Ok(Some(None));
                }
                if !marks.doom(&thing, &id).await? {
                    marks.pardon(&thing).await?;
                    return Ok(None);
                }
                let aside = patiently(&*self.clock, survey.set_aside(digest)).await?;
                marks.pardon(&thing).await?;
                self.storage.durability.persist().await?;
                let what = format!(
                    "its bytes have another digest; they are in {aside} now, and what needs it is broken until it is pushed again"
                );
                Ok::<_, RegistryError>(Some(Some(what)))
            });
            if let Some(done) = done.await? {
                return Ok(done);
            }
        }
        let what = "its bytes have another digest; it is asked for so often that it could not be moved: run this again";
        Ok(Some(what.to_owned()))
    }
}

/// What became of one content.
struct Verified {
    path: String,
    is_content: bool,
    /// What is wrong with it.
    wrong: Result<Option<String>, RegistryError>,
}

/// How many bytes of it are read.
fn size_of(it: &Surveyed) -> u64 {
    match it.role {
        Role::Content(_) => it.sight.size,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;

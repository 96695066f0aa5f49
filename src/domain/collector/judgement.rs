//! Judgement: what becomes of one thing, by its marks (storage.md section 4).

use futures_util::FutureExt;

use super::{Collector, SENTENCES, Sentence, Work, hash};
use crate::domain::model::{Digest, Look, Mark, RepositoryName, Thing};
use crate::domain::references::{Doubt, short};
use crate::domain::removals::patiently;
use crate::ports::{LockKey, StoreError};

/// What a name among a repository's manifests is.
pub(super) enum Revision {
    /// A manifest, or one that is being pushed: a claim.
    Stands,
    /// A manifest, with a mark beside it.
    Marked(Thing),
    /// A name that a service still lists (`MinIO`, after some removals), and below
    /// which there is nothing. As a claim, it would keep content for ever.
    Nothing,
}

impl Collector {
    /// A manifest that stays pending for the grace period was given up: whoever
    /// pushes it takes the mark away, and holds its lock until it is settled.
    /// One that was marked just before it was settled has a mark that is
    /// nobody's, unless it is to be let go.
    pub(super) async fn revision(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        work: &mut Work<'_>,
    ) -> Result<Revision, Doubt> {
        let key = (short(digest), hash(repository));
        if self.settled.contains(&key) {
            work.settled.insert(key);
            return Ok(Revision::Stands);
        }
        let manifests = &self.storage.manifests;
        let look = manifests.look(repository, digest).await?;
        let thing = Thing::Revision(repository.clone(), digest.clone());
        if look.thing.is_some() {
            work.settled.insert(key);
            return Ok(match look.mark {
                Mark::None => Revision::Stands,
                _ => Revision::Marked(thing),
            });
        }
        match look.mark {
            // A push that is under way has looked for marks, and would leave
            // this one beside what it settles.
            Mark::None => {
                let free = self.locks.try_acquire(&LockKey::from(&thing)).await;
                if let Some(lock) = free.map_err(StoreError::from)? {
                    let there = lock.during(async {
                        let now = manifests.look(repository, digest).await?;
                        match now.thing {
                            Some(_) => Ok(true),
                            None => self.condemn(thing, work).await,
                        }
                    });
                    if !there.await? {
                        return Ok(Revision::Nothing);
                    }
                }
            }
            Mark::Dying => self.pardon(&thing).await?,
            Mark::Condemned(id) if self.is_due(&thing, &id, work) => {
                let guard = self.locks.acquire(&LockKey::from(&thing)).await;
                let guard = guard.map_err(StoreError::from)?;
                let given_up = guard.during(async {
                    let given_up = manifests.look(repository, digest).await? == look_of(&id);
                    if given_up {
                        patiently(&*self.clock, manifests.remove(repository, digest)).await?;
                        self.storage.marks.pardon(&thing).await?;
                    }
                    Ok::<_, StoreError>(given_up)
                });
                work.report.removed += u64::from(given_up.await?);
            }
            Mark::Condemned(id) => self.sentence(thing, id, work).await?,
        }
        Ok(Revision::Stands)
    }

    /// What becomes of a thing that is not claimed, or that has a mark: whether
    /// it is gone. The claims were read after every mark that dooms.
    pub(super) async fn judge(
        &self,
        thing: Thing,
        claimed: bool,
        work: &mut Work<'_>,
    ) -> Result<bool, StoreError> {
        if !(work.go_on)() {
            return Ok(false);
        }
        let look = self.look(&thing).await?;
        let is_fresh = |age| age < self.settings.grace_period;
        let fresh = look
            .thing
            .is_some_and(|it| is_fresh(work.now.since(it.modified)));
        match look.mark {
            Mark::None if claimed || fresh || look.thing.is_none() => {}
            Mark::None if matches!(thing, Thing::Revision(..)) => {
                // A push that is under way has looked for marks, and tags what it
                // settles perhaps after the tags of the proof were read.
                let free = self.locks.try_acquire(&LockKey::from(&thing)).await;
                if let Some(lock) = free.map_err(StoreError::from)? {
                    lock.during(self.condemn(thing, work)).await?;
                }
            }
            Mark::None => drop(self.condemn(thing, work).await?),
            // Alive, or left by somebody who died: what was proven then, may
            // not be true any more.
            Mark::Dying => self.pardon(&thing).await?,
            Mark::Condemned(_) if claimed || fresh => self.pardon(&thing).await?,
            Mark::Condemned(id) if self.is_due(&thing, &id, work) => {
                let gone = self.execute(&thing, &id).await?;
                if gone {
                    work.report.removed += 1;
                    let content = look.thing.filter(|_| matches!(thing, Thing::Data(_)));
                    work.report.freed += content.map_or(0, |it| it.size);
                }
                return Ok(gone);
            }
            Mark::Condemned(id) => self.sentence(thing, id, work).await?,
        }
        Ok(false)
    }

    async fn look(&self, thing: &Thing) -> Result<Look, StoreError> {
        match thing {
            Thing::Data(digest) => self.storage.blobs.look(digest).await,
            Thing::Link(repository, digest) => self.storage.links.look(repository, digest).await,
            Thing::Revision(repository, digest) => {
                self.storage.manifests.look(repository, digest).await
            }
        }
    }

    /// Marks the thing, unless too many wait already; false if there is nothing
    /// that could be marked.
    pub(super) async fn condemn(
        &self,
        thing: Thing,
        work: &mut Work<'_>,
    ) -> Result<bool, StoreError> {
        if work.sentences.len() >= SENTENCES {
            return Ok(true);
        }
        let marking = self.storage.marks.condemn(&thing);
        let id = match thing {
            // Its lock is held: a mark that is set late must not come after a push's look.
            Thing::Revision(..) => patiently(&*self.clock, marking).await?,
            Thing::Data(_) | Thing::Link(..) => marking.await?,
        };
        let there = id.is_some();
        if let Some(id) = id {
            work.report.marked += 1;
            self.sentence(thing, id, work).await?;
        }
        Ok(there)
    }

    /// Notes that the thing is marked with `id`. A later pass, whose scan begins
    /// after this, can be the proof.
    pub(super) async fn sentence(
        &self,
        thing: Thing,
        id: String,
        work: &mut Work<'_>,
    ) -> Result<(), StoreError> {
        let known = self.sentences.get(&thing).filter(|known| known.id == id);
        let since = match known {
            Some(known) => Some(known.since),
            None => self.storage.marks.since(&thing, &id).await?,
        };
        // One that was taken away since was nobody's sentence.
        if let Some(since) = since {
            work.sentences.insert(thing, Sentence { id, since });
        }
        Ok(())
    }

    /// Whether `id` was read in an earlier pass, so that this one's scan is its
    /// proof, and is old enough.
    pub(super) fn is_due(&self, thing: &Thing, id: &str, work: &Work<'_>) -> bool {
        let known = self.sentences.get(thing).filter(|known| known.id == id);
        known.is_some_and(|it| work.now.since(it.since) >= self.settings.grace_period)
            && !work.restorable.contains(thing.digest())
    }

    /// Takes the marks away if they still stand. A new one can only be somebody
    /// else's, who begins anew.
    pub(super) async fn pardon(&self, thing: &Thing) -> Result<(), StoreError> {
        let lock = self.locks.acquire(&LockKey::from(thing)).await?;
        lock.during(self.storage.marks.pardon(thing)).await
    }

    /// Removes the thing, if the mark `id` still stands under its lock.
    async fn execute(&self, thing: &Thing, id: &str) -> Result<bool, StoreError> {
        let lock = self.locks.acquire(&LockKey::from(thing)).await?;
        lock.during(async {
            if !self.storage.marks.doom(thing, id).await? {
                return Ok(false);
            }
            let (blobs, links) = (&self.storage.blobs, &self.storage.links);
            match thing {
                Thing::Data(digest) => patiently(&*self.clock, blobs.remove(digest)).await?,
                Thing::Link(repository, digest) => {
                    patiently(&*self.clock, links.remove(repository, digest)).await?;
                }
                Thing::Revision(repository, digest) => {
                    self.remove_revision(repository, digest).boxed().await?;
                }
            }
            self.storage.marks.pardon(thing).await?;
            Ok(true)
        })
        .await
    }
}

/// What is pending, and still marked so.
fn look_of(id: &str) -> Look {
    Look {
        mark: Mark::Condemned(id.to_owned()),
        thing: None,
    }
}

//! The collector: frees what nothing references (storage.md section 4, docs/decisions/0008).

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;

use crate::domain::error::RegistryError;
use crate::domain::model::{Algorithm, Found, Page, RepositoryName, Thing, Timestamp};
use crate::domain::namespaces::Namespaces;
use crate::domain::references::{Digests, Doubt, References, causes};
use crate::domain::removals::{Patience, Removals};
use crate::ports::{Clock, LockKey, LockManager, StoragePorts, StoreError};

mod judgement;
mod letting_go;
mod pace;
mod usage;

use judgement::Revision;
use letting_go::Held;
use usage::{Claims, by_namespace};
pub use usage::{NO_NAMESPACE, NamespaceUsage, Usage};

/// How many things may wait for their end at a time. The next ones are found
/// when these are gone.
const SENTENCES: usize = 100_000;

/// How many manifests are looked at between two rests.
const MANIFESTS: usize = 64;

/// How the collector works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectorSettings {
    /// How long a thing must have been dead, before it is marked and after.
    pub grace_period: Duration,
    /// How many things are looked at in a second; `None` for what keeps within
    /// a twentieth of a processor.
    pub rate_limit: Option<NonZero<u32>>,
}

/// Removes content and links that nothing needs, and manifests whose push was
/// given up. It remembers between two passes what it has marked: a pass marks
/// what it finds dead, a later one proves by its own scan that it still is.
pub struct Collector {
    storage: StoragePorts,
    locks: Arc<dyn LockManager>,
    clock: Arc<dyn Clock>,
    settings: CollectorSettings,
    namespaces: Arc<Namespaces>,
    usage: Option<Usage>,
    references: References,
    removals: Removals,
    sentences: HashMap<Thing, Sentence>,
    /// Revisions that were seen settled: they stay so until they are gone.
    settled: HashSet<(u64, u64)>,
}

/// A thing that was found dead.
#[derive(Clone)]
struct Sentence {
    /// The mark under which it was.
    id: String,
    /// When that was written, by the store's clock.
    since: Timestamp,
}

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Things that it looked at.
    pub seen: u64,
    /// Things that it found dead, and marked.
    pub marked: u64,
    /// Things that it removed.
    pub removed: u64,
    /// Bytes of content among them.
    pub freed: u64,
    /// Why some things could not be judged.
    pub doubts: Vec<String>,
}

/// A pass on its way.
struct Work<'a> {
    go_on: &'a (dyn Fn() -> bool + Sync),
    /// When it began, by the store's clock.
    now: Timestamp,
    /// And by the registry's own, read after it.
    at: Timestamp,
    report: Pass,
    /// How much the processors had worked after the last rest.
    worked: Duration,
    /// Everything that a link or a revision names, in any repository.
    claimed: Claims,
    /// Whether that is known of all of them.
    complete: bool,
    /// What is stored, once all of it was seen.
    usage: Option<Usage>,
    /// What was deleted, and what that named, within the grace period: so long
    /// it stays, whatever mark it got before, and can be restored.
    restorable: Digests,
    sentences: HashMap<Thing, Sentence>,
    settled: HashSet<(u64, u64)>,
}

impl Collector {
    /// A collector that has marked nothing yet.
    #[must_use]
    pub fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
        settings: CollectorSettings,
    ) -> Self {
        Self {
            storage: storage.clone(),
            locks: Arc::clone(locks),
            clock: Arc::clone(clock),
            settings,
            namespaces: Arc::default(),
            usage: None,
            references: References::new(&storage.manifests),
            removals: Removals::new(storage, locks, &Patience::of_the_work(clock)),
            sentences: HashMap::new(),
            settled: HashSet::new(),
        }
    }

    /// Counts for these namespaces from now on, and forgets what it counted for others.
    pub fn count_for(&mut self, namespaces: &Arc<Namespaces>) {
        self.namespaces = Arc::clone(namespaces);
        if let Some(usage) = &mut self.usage {
            usage.keep(namespaces);
        }
    }

    /// What is stored, by the last pass of this collector that came to its end
    /// and saw every link and all content. `None` before, and after one that
    /// another server was at: that one knows better.
    #[must_use]
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// Goes once through everything, as long as `go_on` says so: it is better
    /// asked to stop than dropped, which could leave a removal half done.
    /// `None` where it stopped, and where another server is at it.
    ///
    /// Whatever stops it, marks stay: a later pass finds them, and proves anew.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`], where nothing could be judged.
    pub async fn pass(
        &mut self,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Pass>, RegistryError> {
        let Some(lock) = self.locks.try_acquire(&LockKey::Collector).await? else {
            self.usage = None;
            return Ok(None);
        };
        let Some(work) = lock.during(self.work(go_on)).await? else {
            return Ok(None);
        };
        self.sentences = work.sentences;
        self.settled = work.settled;
        self.usage = work.usage.or(self.usage.take());
        self.references.forget_others();
        Ok(Some(work.report))
    }

    /// A pass for somebody who does not come back soon: where it found marks that
    /// are old enough, another one follows, and is their proof.
    ///
    /// # Errors
    ///
    /// As [`Collector::pass`].
    pub async fn visit(
        &mut self,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Pass>, RegistryError> {
        let Some(mut pass) = self.pass(go_on).await? else {
            return Ok(None);
        };
        let now = self.storage.marks.now().await?;
        let is_due = |it: &Sentence| now.since(it.since) >= self.settings.grace_period;
        if self.sentences.values().any(is_due) {
            let Some(second) = self.pass(go_on).await? else {
                return Ok(None);
            };
            pass = Pass {
                marked: pass.marked + second.marked,
                removed: pass.removed + second.removed,
                freed: pass.freed + second.freed,
                ..second
            };
        }
        Ok(Some(pass))
    }

    async fn work<'a>(
        &self,
        go_on: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Option<Work<'a>>, RegistryError> {
        let everything = self.storage.repositories.everything().await?;
        let mut work = Work {
            go_on,
            now: self.storage.marks.now().await?,
            at: self.clock.now(),
            report: Pass::default(),
            worked: self.clock.cpu_time(),
            claimed: Claims::default(),
            complete: everything.strange.is_empty(),
            usage: None,
            restorable: Digests::default(),
            sentences: HashMap::new(),
            settled: HashSet::new(),
        };
        for path in &everything.strange {
            work.doubt(path, "it is no repository's name, and may hold links");
        }
        for (namespace, repositories) in by_namespace(&self.namespaces, everything.repositories) {
            work.claimed.enter(namespace);
            for repository in &repositories {
                if !go_on() {
                    return Ok(None);
                }
                if let Err(doubt) = self.repository(repository, &mut work).await {
                    work.complete &= !matches!(doubt, Doubt::Store(_));
                    work.doubt(repository, &causes(&doubt));
                    let of_it = |thing: &Thing| thing.repository() == Some(repository);
                    self.put_off(of_it, &mut work);
                }
            }
        }
        let content = if work.complete {
            self.content(&mut work)
                .await
                .map_err(|error| causes(&error))
        } else {
            Err("not every link is known, so none of it is removed".to_owned())
        };
        match content {
            Ok(()) => work.usage = Some(std::mem::take(&mut work.claimed).usage()),
            Err(why) => {
                work.doubt("content", &why);
                self.put_off(|thing| thing.repository().is_none(), &mut work);
            }
        }
        Ok(go_on().then_some(work))
    }

    /// Leaves these sentences to a later pass.
    fn put_off(&self, which: impl Fn(&Thing) -> bool, work: &mut Work<'_>) {
        let which = self.sentences.iter().filter(|(thing, _)| which(thing));
        work.sentences
            .extend(which.map(|(thing, sentence)| (thing.clone(), sentence.clone())));
    }

    /// What the repository holds: its manifests first, because they are the
    /// claims on its links.
    async fn repository(
        &self,
        repository: &RepositoryName,
        work: &mut Work<'_>,
    ) -> Result<(), Doubt> {
        let (mut revisions, mut needed) = (Digests::default(), Digests::default());
        let mut marked = Vec::new();
        let mut doubt = None;
        let all = Page::all();
        let listed = self.storage.manifests.list(repository, &all).await?.items;
        if !listed.is_empty() {
            work.claimed.add_repository();
        }
        for some in listed.chunks(MANIFESTS) {
            for revision in some {
                match self.revision(repository, revision, work).await? {
                    Revision::Nothing => continue,
                    Revision::Marked(thing) => marked.push(thing),
                    Revision::Stands => {}
                }
                work.claimed.insert(revision);
                revisions.insert(revision);
                match self.references.add(repository, revision, &mut needed).await {
                    Ok(()) => {}
                    Err(Doubt::Store(error)) => return Err(error.into()),
                    Err(other) => doubt = Some(other),
                }
            }
            self.pace(some.len(), work).await;
        }

        // After the manifests: what is no longer among them has its record.
        let expired = self.expired_deletions(repository, work).await?;
        let mut suspects = Vec::new();
        let mut links = self.storage.links.list(repository);
        while let Some(piece) = links.try_next().await? {
            self.pace(piece.len(), work).await;
            for link in piece {
                if doubt.is_none() && self.is_alias(&link).await? {
                    doubt = Some(Doubt::Alias(link.digest.clone()));
                }
                let needed = needed.contains(&link.digest);
                if (!needed || link.marked) && suspects.len() < SENTENCES {
                    suspects.push((link, needed));
                } else if link.there {
                    work.claimed.insert(&link.digest);
                }
            }
        }
        for (link, needed) in suspects {
            let thing = Thing::Link(repository.clone(), link.digest.clone());
            let gone = doubt.is_none() && self.judge(thing, needed, work).await?;
            if link.there && !gone {
                work.claimed.insert(&link.digest);
            }
        }
        if let Some(doubt) = doubt {
            return Err(doubt);
        }
        let held = Held {
            repository,
            revisions: &revisions,
            needed: &needed,
        };
        self.let_go(&held, expired, work).await?;
        for thing in marked.iter().filter(|it| !work.sentences.contains_key(it)) {
            self.pardon(thing).await?;
        }
        Ok(())
    }

    /// Another registry's link under a digest that it stores under another one.
    async fn is_alias(&self, link: &Found) -> Result<bool, Doubt> {
        if link.digest.algorithm() == Algorithm::Sha256 || !link.there {
            return Ok(false);
        }
        let look = self.storage.blobs.look(&link.digest).await?;
        Ok(look.thing.is_none())
    }

    /// Everything that is stored, against all claims.
    async fn content(&self, work: &mut Work<'_>) -> Result<(), StoreError> {
        let mut content = self.storage.blobs.list();
        while let Some(piece) = content.try_next().await? {
            self.pace(piece.len(), work).await;
            for found in piece {
                let claimed = work.claimed.contains(&found.digest);
                let thing = Thing::Data(found.digest);
                let is_suspect = !claimed || found.marked;
                let gone = is_suspect && self.judge(thing.clone(), claimed, work).await?;
                if !gone {
                    work.claimed.count(thing.digest(), found.size);
                }
            }
        }
        Ok(())
    }
}

impl Work<'_> {
    fn doubt(&mut self, what: impl std::fmt::Display, why: &str) {
        self.report.doubts.push(format!("{what}: {why}"));
    }
}

fn hash(repository: &RepositoryName) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    repository.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;

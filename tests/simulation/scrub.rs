//! Scrub on a simulated server: all its parts, one after the other, beside everything else.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use simple_registry::adapters::storage::Tree;
use simple_registry::domain::error::RegistryError;
use simple_registry::domain::model::{Digest, Hasher, Link, RepositoryName, Says, Tag};
use simple_registry::domain::namespaces::Namespaces;
use simple_registry::domain::scrub::{self, Audience, Finding, Links, Verify};
use simple_registry::ports::{
    Clock, LockError, LockGuard, LockKey, LockManager, StoragePorts, StoreError, Survey, Surveying,
};

use super::flaws::Flaw;
use super::history::{History, Outcome, What};
use super::world::World;

/// What is no damage: links of refused pushes, claimed before their content was looked for, until they are collected;
/// and what clients leave behind.
const OF_OTHERS: [&str; 2] = ["dangling-link", "idle-upload"];

/// What a server that dies leaves, or a request that fails.
const OF_CRASHES: [&str; 4] = [
    "missing-referrer",
    "stale-referrer",
    "missing-history",
    "stale-history",
];

/// What a power cut makes of a write that was not synced.
const OF_POWER_CUTS: [&str; 3] = ["broken-link", "torn-record", "broken-tag"];

/// Scrub of one process.
pub struct Scrubbing {
    world: Arc<World>,
    history: Arc<History>,
    storage: StoragePorts,
    locks: Arc<dyn LockManager>,
    clock: Arc<dyn Clock>,
    links: Links,
    verify: Verify,
    /// The manifests whose records were found torn, as operations of the history.
    torn: Arc<Mutex<Vec<usize>>>,
}

impl Scrubbing {
    pub fn new(
        world: &Arc<World>,
        history: &Arc<History>,
        mut storage: StoragePorts,
        tree: Arc<dyn Tree>,
        (locks, clock): (&Arc<dyn LockManager>, &Arc<dyn Clock>),
        namespaces: Namespaces,
    ) -> Self {
        let locks: Arc<dyn LockManager> = if world.has(Flaw::UnlockedScrub) {
            Arc::new(NoLocks)
        } else {
            Arc::clone(locks)
        };
        let survey = Arc::clone(&storage.survey);
        let torn = Arc::default();
        storage.survey = Arc::new(OnOneThread {
            survey,
            tree,
            history: Arc::clone(history),
            torn: Arc::clone(&torn),
        });
        let grace = world.plan.grace_period;
        Self {
            world: Arc::clone(world),
            history: Arc::clone(history),
            links: Links::new(&storage, &locks, clock, namespaces, grace),
            verify: Verify::new(&storage, &locks, clock),
            clock: Arc::clone(clock),
            locks,
            storage,
            torn,
        }
    }

    /// What is not as it should be, uploads that were idle for `max_age` among it. It is judged:
    /// `alone`, with nobody else at work.
    pub async fn run(&self, max_age: Duration, alone: bool) -> Result<Vec<Finding>, RegistryError> {
        let Self {
            storage,
            locks,
            clock,
            ..
        } = self;
        let mut found = Found::default();
        let mut mending = Mending {
            scrubbing: self,
            is_done: false,
        };
        let run = async {
            self.links.run(&mut found).await?;
            scrub::uploads(storage, locks, clock, (max_age, false), &mut found).await?;
            self.verify.run(&mut found).await
        };
        let run = run.await;
        mending.is_done = run.is_ok();
        drop(mending);
        for finding in &found.0 {
            self.judge(finding, alone);
        }
        run.map(|()| found.0)
    }

    /// Servers and others that scrub are no damage, and what went wrong explains only so much.
    fn judge(&self, finding: &Finding, alone: bool) {
        let plan = &self.world.plan;
        // Whoever stands still keeps its locks, where they are no leases.
        let loses_locks = plan.pauses > 0 && self.world.is_bucket();
        let crashes = plan.errors + plan.crashes > 0 || plan.power_cuts || loses_locks;
        let kind = &finding.kind;
        let is_explained = !alone && OF_OTHERS.contains(kind)
            || crashes && OF_CRASHES.contains(kind)
            || plan.power_cuts && OF_POWER_CUTS.contains(kind)
            || plan.errors > 0 && *kind == "unreadable-content";
        if !is_explained {
            self.history
                .broken(&format!("scrub: nothing explains {finding:?}"));
        }
    }
}

/// What was found torn may be pushed again, until the run ends.
struct Mending<'a> {
    scrubbing: &'a Scrubbing,
    is_done: bool,
}

impl Drop for Mending<'_> {
    fn drop(&mut self) {
        for operation in self.scrubbing.torn.lock().unwrap().drain(..) {
            let history = &self.scrubbing.history;
            history.end(operation, Outcome::Unsure, !self.is_done);
        }
    }
}

#[derive(Default)]
struct Found(Vec<Finding>);

impl Audience for Found {
    fn found(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    fn seen(&mut self, _: u64) {}

    fn goes_on(&self) -> bool {
        true
    }
}

/// Nobody waits for anybody.
struct NoLocks;

#[async_trait]
impl LockManager for NoLocks {
    async fn acquire(&self, _: &LockKey) -> Result<LockGuard, LockError> {
        Ok(LockGuard::new(()))
    }

    async fn try_acquire(&self, _: &LockKey) -> Result<Option<LockGuard>, LockError> {
        Ok(Some(LockGuard::new(())))
    }
}

/// Hashes where it is asked to, since other threads know nothing of simulated time.
struct OnOneThread {
    survey: Arc<dyn Survey>,
    tree: Arc<dyn Tree>,
    history: Arc<History>,
    torn: Arc<Mutex<Vec<usize>>>,
}

#[async_trait]
impl Survey for OnOneThread {
    fn everything(&self) -> Surveying {
        self.survey.everything()
    }

    fn content(&self) -> Surveying {
        self.survey.content()
    }

    async fn read(&self, link: &Link) -> Result<Option<Says>, StoreError> {
        self.survey.read(link).await
    }

    async fn write(&self, link: &Link, digest: &Digest) -> Result<(), StoreError> {
        self.survey.write(link, digest).await
    }

    async fn history(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Vec<Digest>, StoreError> {
        self.survey.history(repository, tag).await
    }

    async fn is_torn(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let is_torn = self.survey.is_torn(repository, digest).await?;
        if is_torn {
            let content = &self.history.content;
            let mut repositories = content.repositories.iter();
            let repository = repositories.position(|it| it == repository).unwrap();
            let item = content.item_of(digest).expect("nothing else is pushed");
            let operation = self.history.begin(repository, What::Put(item, None));
            self.torn.lock().unwrap().push(operation);
        }
        Ok(is_torn)
    }

    async fn forget(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError> {
        self.survey.forget(repository, digest).await
    }

    async fn hash(
        &self,
        path: &str,
        like: &Digest,
        _: &Arc<AtomicU64>,
    ) -> Result<Option<Digest>, StoreError> {
        let Some(reader) = self.tree.open(path).await? else {
            return Ok(None);
        };
        let pieces = reader.read(0..reader.size()).await?;
        let pieces: Vec<_> = pieces.try_collect().await.expect("it is in memory");
        Ok(Some(Hasher::digest_of(like.algorithm(), &pieces.concat())))
    }

    async fn place(&self, path: &str, digest: &Digest) -> Result<(), StoreError> {
        self.survey.place(path, digest).await
    }

    async fn set_aside(&self, digest: &Digest) -> Result<String, StoreError> {
        self.survey.set_aside(digest).await
    }

    async fn clear(&self, path: &str) -> Result<(), StoreError> {
        self.survey.clear(path).await
    }
}

//! Retention: deletes what no rule keeps (docs/retention.md, docs/decisions/0009).

use std::sync::Arc;
use std::time::Duration;

use crate::domain::error::RegistryError;
use crate::domain::model::{Digest, RepositoryName, Tag, Timestamp};
use crate::domain::namespaces::Namespaces;
use crate::domain::references::causes;
use crate::domain::removals::{Patience, Removals};
use crate::ports::{Clock, LockKey, LockManager, RetentionRule, StoragePorts};

mod belonging;
mod deletion;
mod judgement;
mod snapshot;

use judgement::Plan;
use snapshot::Snapshot;

/// How far the registry's clock and the store's may be apart. Beyond it one of
/// them is wrong, and no age can be believed.
const CLOCKS: Duration = Duration::from_mins(5);

/// How retention works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionSettings {
    /// How much of what is judged may go in one run without force, in percent.
    pub max_deleted_percent: u8,
    /// How long a manifest without a tag may be part of a push that goes on.
    pub grace_period: Duration,
}

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It says what it would delete.
    Plan,
    /// It deletes, unless that is more than it may.
    Apply,
    /// It deletes however much that is.
    Force,
}

/// What a run found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Every repository that has rules.
    pub repositories: Vec<Outcome>,
    /// Why nothing is deleted at all, though something should.
    pub held_back: Option<String>,
}

/// What a run found and did in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The repository.
    pub repository: RepositoryName,
    /// Everything that was judged: its tags, then manifests without any.
    pub images: Vec<Judged>,
    /// Rules without an answer, and times that can't be.
    pub problems: Vec<String>,
    /// Why nothing is deleted here, though something should, or nobody knows.
    pub held_back: Option<String>,
}

/// An image, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its tag; `None` for a manifest without one.
    pub tag: Option<Tag>,
    /// Its manifest.
    pub digest: Digest,
    /// What becomes of it.
    pub verdict: Verdict,
    /// The rule that keeps it, or what else decides.
    pub why: String,
}

/// What becomes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Kept,
    /// It is to go.
    Goes,
    /// It was to go, and went.
    Gone,
}

/// Judges images by the rules of their namespaces, and deletes.
pub struct Retention {
    storage: StoragePorts,
    locks: Arc<dyn LockManager>,
    clock: Arc<dyn Clock>,
    namespaces: Arc<Namespaces>,
    settings: RetentionSettings,
    removals: Removals,
}

/// A repository that was judged.
struct Case<'a> {
    repository: &'a RepositoryName,
    rules: &'a [Arc<dyn RetentionRule>],
    judged: Option<(Snapshot, Plan)>,
    outcome: Outcome,
}

impl Retention {
    /// Retention as these entries want it.
    #[must_use]
    pub fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
        namespaces: Arc<Namespaces>,
        settings: RetentionSettings,
    ) -> Self {
        Self {
            storage: storage.clone(),
            locks: Arc::clone(locks),
            clock: Arc::clone(clock),
            namespaces,
            settings,
            removals: Removals::new(storage, locks, &Patience::of_the_work(clock)),
        }
    }

    /// Judges everything before anything is deleted; and deletes as long as
    /// `go_on` says so. A repository of which anything is in doubt stays as it
    /// is. `None` where another process is at it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`], where nothing could be judged.
    pub async fn run(
        &self,
        mode: Mode,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Run>, RegistryError> {
        // In one place in memory: it is large.
        let work = Box::pin(self.work(mode, go_on));
        if mode == Mode::Plan {
            return Ok(Some(work.await?));
        }
        let Some(lock) = self.locks.try_acquire(&LockKey::Retention).await? else {
            return Ok(None);
        };
        Ok(Some(lock.during(work).await?))
    }

    async fn work(
        &self,
        mode: Mode,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Run, RegistryError> {
        let everything = self.storage.repositories.everything().await?;
        let with_rules = everything.repositories.iter().filter_map(|repository| {
            let rules = &*self.namespaces.find(repository)?.retention_rules;
            (!rules.is_empty()).then_some((repository, rules))
        });
        let with_rules: Vec<_> = with_rules.collect();
        if with_rules.is_empty() {
            return Ok(Run::default());
        }
        let now = self.storage.marks.now().await?;
        let mut held_back = self.are_apart(now);
        let mut cases = Vec::new();
        for (repository, rules) in with_rules {
            if !go_on() {
                break;
            }
            cases.push(self.judge(repository, rules, now).await);
        }
        if mode != Mode::Force {
            held_back = held_back.or_else(|| self.hold_back(&mut cases));
        }
        if mode != Mode::Plan && held_back.is_none() {
            for case in &mut cases {
                if case.outcome.held_back.is_none() && go_on() {
                    self.delete(case, go_on).await;
                }
            }
        }
        Ok(Run {
            repositories: cases.into_iter().map(|case| case.outcome).collect(),
            held_back,
        })
    }

    /// What is wrong with the time, if anything is.
    fn are_apart(&self, now: Timestamp) -> Option<String> {
        let own = self.clock.now();
        let apart = own.since(now).max(now.since(own));
        (apart > CLOCKS).then(|| {
            let apart = apart.as_secs();
            format!("the clocks of the registry and of the store are {apart} s apart, and no age can be believed")
        })
    }

    async fn judge<'a>(
        &self,
        repository: &'a RepositoryName,
        rules: &'a [Arc<dyn RetentionRule>],
        now: Timestamp,
    ) -> Case<'a> {
        let mut case = Case {
            repository,
            rules,
            judged: None,
            outcome: Outcome {
                repository: repository.clone(),
                images: Vec::new(),
                problems: Vec::new(),
                held_back: None,
            },
        };
        match self.judged(repository, rules, now, None).await {
            Ok((snapshot, mut plan)) => {
                case.outcome.images = std::mem::take(&mut plan.images);
                case.outcome.problems = std::mem::take(&mut plan.problems);
                case.judged = Some((snapshot, plan));
            }
            Err(doubt) => case.outcome.held_back = Some(causes(&doubt)),
        }
        case
    }

    /// Holds back repositories of which no tag would stay; and everything, where
    /// it would be too much.
    fn hold_back(&self, cases: &mut [Case<'_>]) -> Option<String> {
        let (mut all, mut going) = (0, 0);
        for case in cases {
            let images = &case.outcome.images;
            let mut tagged = images.iter().filter(|it| it.tag.is_some()).peekable();
            if tagged.peek().is_some() && tagged.all(|it| it.verdict == Verdict::Goes) {
                let none = "its rules keep none of its tags; with --force they are deleted";
                case.outcome.held_back = Some(none.to_owned());
            }
            if case.outcome.held_back.is_none() {
                all += images.len();
                going += images
                    .iter()
                    .filter(|it| it.verdict == Verdict::Goes)
                    .count();
            }
        }
        let most = self.settings.max_deleted_percent;
        (going * 100 > all * usize::from(most)).then(|| {
            format!("{going} of {all} images would go, and maintenance.max_deleted_percent is {most}; with --force they are deleted")
        })
    }
}

#[cfg(test)]
mod tests;

//! Retention on a simulated server: what its rules keep, and what it tells of what it did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use simple_registry::domain::error::RegistryError;
use simple_registry::domain::model::{
    Digest, Image, Listing, Page, RepositoryName, Surroundings, Tag, Thing, Timestamp,
};
use simple_registry::domain::namespaces::{Namespace, Namespaces};
use simple_registry::domain::retention::{
    Mode, Outcome, Retention, RetentionSettings, Run, Verdict,
};
use simple_registry::ports::{
    Clock, LockManager, Marks, RetentionRule, RuleError, StoragePorts, StoreError, TagIndex,
};

use super::flaws::Flaw;
use super::history::{self, History, What};
use super::plan::Keep;
use super::world::World;

/// The one rule of a repository.
struct Rule {
    keep: Keep,
    repository: usize,
    history: Arc<History>,
    /// The run that goes on, as the history knows it.
    operation: Mutex<Option<usize>>,
}

impl RetentionRule for Rule {
    fn text(&self) -> &'static str {
        "what the plan keeps"
    }

    fn judge(&self, images: &[Image], around: &Surroundings) -> Vec<Result<bool, RuleError>> {
        if let Some(operation) = *self.operation.lock().unwrap() {
            self.history.judges(operation);
        }
        let keeps = |image: &Image| {
            let Some(tag) = &image.tag else { return false };
            match self.keep {
                Keep::Tagged => true,
                Keep::Latest => tag.as_str() == "latest",
                Keep::Newest => around.last_pushed.first() == Some(tag),
            }
        };
        images.iter().map(|image| Ok(keeps(image))).collect()
    }
}

/// Retention of one process.
pub struct Retaining {
    retention: Retention,
    rules: Vec<Arc<Rule>>,
    history: Arc<History>,
    tags: Arc<StaleTags>,
}

impl Retaining {
    /// `None` where nothing is to be deleted by rules.
    pub fn new(
        world: &Arc<World>,
        history: &Arc<History>,
        mut storage: StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
    ) -> Option<Self> {
        let keep = world.plan.retention?;
        let repositories = history.content.repositories.iter().enumerate();
        let rules = repositories.map(|(repository, _)| {
            Arc::new(Rule {
                keep,
                repository,
                history: Arc::clone(history),
                operation: Mutex::default(),
            })
        });
        let rules: Vec<_> = rules.collect();
        let namespaces = rules.iter().map(|rule| {
            let namespace = Namespace {
                retention_rules: vec![Arc::clone(rule) as Arc<dyn RetentionRule>],
                ..Namespace::default()
            };
            let name = &history.content.repositories[rule.repository];
            (name.to_string(), namespace)
        });
        let namespaces = Arc::new(Namespaces::new(namespaces));
        let tags = Arc::new(StaleTags {
            tags: Arc::clone(&storage.tags),
            seen: Mutex::default(),
        });
        if world.has(Flaw::StaleTags) {
            storage.tags = Arc::clone(&tags) as Arc<dyn TagIndex>;
        }
        if world.has(Flaw::PardonsUnseen) {
            storage.marks = Arc::new(PardonsUnseen(Arc::clone(&storage.marks)));
        }
        let settings = RetentionSettings {
            max_deleted_percent: 100,
            grace_period: world.plan.grace_period,
        };
        Some(Self {
            retention: Retention::new(&storage, locks, clock, namespaces, settings),
            rules,
            history: Arc::clone(history),
            tags,
        })
    }

    /// One run, of which the history is told.
    pub async fn run(&self, mode: Mode) -> Result<Option<Run>, RegistryError> {
        self.tags.seen.lock().unwrap().clear();
        let mut telling = Telling {
            retaining: self,
            operations: Vec::new(),
        };
        for rule in &self.rules {
            let operation = self.history.begin(rule.repository, What::Retain);
            *rule.operation.lock().unwrap() = Some(operation);
            telling.operations.push(operation);
        }
        let run = self.retention.run(mode, &|| true).await;
        telling.tell(&run);
        run
    }
}

/// The operations of a run, until it is told how they ended. That of a process that died is lost.
struct Telling<'a> {
    retaining: &'a Retaining,
    operations: Vec<usize>,
}

impl Telling<'_> {
    fn tell(&mut self, run: &Result<Option<Run>, RegistryError>) {
        let history = &self.retaining.history;
        for (rule, operation) in self.retaining.rules.iter().zip(self.operations.drain(..)) {
            let name = &history.content.repositories[rule.repository];
            let outcome = |run: &&Run| {
                let mut outcomes = run.repositories.iter();
                outcomes.find(|it| it.repository == *name).cloned()
            };
            match run.as_ref().map(|run| run.as_ref().map(|it| outcome(&it))) {
                // Somebody else is at it; or there is no such repository.
                Ok(None | Some(None)) => history.end(operation, history::Outcome::Refused, false),
                Ok(Some(Some(outcome))) if outcome.problems.is_empty() => {
                    self.retaining
                        .has_gone(rule.repository, operation, &outcome);
                    history.end(operation, history::Outcome::Done, false);
                }
                // What failed may be done a little later.
                _ => history.end(operation, history::Outcome::Unsure, true),
            }
        }
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        for operation in self.operations.drain(..) {
            let history = &self.retaining.history;
            history.end(operation, history::Outcome::Unsure, true);
        }
    }
}

impl Retaining {
    fn has_gone(&self, repository: usize, operation: usize, outcome: &Outcome) {
        let content = &self.history.content;
        for image in outcome
            .images
            .iter()
            .filter(|it| it.verdict == Verdict::Gone)
        {
            let item = content.item_of(&image.digest);
            let item = item.expect("nothing else is pushed");
            let tag = image.tag.as_ref();
            let tag = tag.map(|tag| content.tags.iter().position(|it| it == tag).unwrap());
            self.history.has_gone(repository, operation, item, tag);
        }
    }
}

/// Where a tag points and since when is read once in a run.
struct StaleTags {
    tags: Arc<dyn TagIndex>,
    seen: Mutex<BTreeMap<String, Seen>>,
}

type Seen = (Option<Digest>, Option<Timestamp>);

impl StaleTags {
    async fn see(&self, repository: &RepositoryName, tag: &Tag) -> Result<Seen, StoreError> {
        let name = format!("{repository}:{tag}");
        let seen = self.seen.lock().unwrap().get(&name).cloned();
        if let Some(seen) = seen {
            return Ok(seen);
        }
        let pushed_at = self.tags.pushed_at(repository, tag).await?;
        let seen = (self.tags.get(repository, tag).await?, pushed_at);
        self.seen.lock().unwrap().insert(name, seen.clone());
        Ok(seen)
    }
}

#[async_trait]
impl TagIndex for StaleTags {
    async fn get(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Digest>, StoreError> {
        Ok(self.see(repository, tag).await?.0)
    }

    async fn pushed_at(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.see(repository, tag).await?.1)
    }

    async fn set(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        self.tags.set(repository, tag, digest).await
    }

    async fn remove(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), StoreError> {
        self.tags.remove(repository, tag).await
    }

    async fn pointing_at(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Tag>, StoreError> {
        self.tags.pointing_at(repository, digest).await
    }

    async fn list(
        &self,
        repository: &RepositoryName,
        page: &Page<Tag>,
    ) -> Result<Listing<Tag>, StoreError> {
        self.tags.list(repository, page).await
    }
}

/// A mark dooms, whoever has taken it away.
struct PardonsUnseen(Arc<dyn Marks>);

#[async_trait]
impl Marks for PardonsUnseen {
    async fn condemn(&self, thing: &Thing) -> Result<Option<String>, StoreError> {
        self.0.condemn(thing).await
    }

    async fn since(&self, thing: &Thing, id: &str) -> Result<Option<Timestamp>, StoreError> {
        self.0.since(thing, id).await
    }

    async fn doom(&self, _: &Thing, _: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn pardon(&self, thing: &Thing) -> Result<(), StoreError> {
        self.0.pardon(thing).await
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.0.now().await
    }
}

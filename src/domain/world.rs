//! A world of mocks: every port refuses every call until a test expects it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::domain::access::{Access, AccessPolicy};
use crate::domain::model::{Look, Mark, RepositoryName, Sight, Timestamp};
use crate::domain::namespaces::{MissingReferences, Namespace, Namespaces};
use crate::domain::removals::Patience;
use crate::ports::*;

/// What happened, in order; mocks write it, tests read it.
#[derive(Clone, Default)]
pub(super) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(super) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(super) fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Work that is done when the test says so.
#[derive(Default)]
pub(super) struct Later(Mutex<Vec<BoxFuture<'static, ()>>>);

impl Tasks for Later {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().push(work);
    }
}

impl Later {
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(super) async fn run(&self) {
        let work = std::mem::take(&mut *self.0.lock().unwrap());
        futures_util::future::join_all(work).await;
    }
}

/// One mock for each port.
#[derive(Default)]
pub(super) struct World {
    pub(super) blobs: MockBlobStore,
    pub(super) locator: Option<MockBlobLocator>,
    pub(super) uploads: MockUploadSessions,
    pub(super) links: MockBlobLinks,
    pub(super) marks: MockMarks,
    pub(super) manifests: MockManifestStore,
    pub(super) tags: MockTagIndex,
    pub(super) referrers: MockReferrerIndex,
    pub(super) repositories: MockRepositoryIndex,
    pub(super) pulls: MockPullTimes,
    pub(super) deletions: MockDeletionRecords,
    pub(super) token_keys: MockTokenKeys,
    pub(super) survey: MockSurvey,
    pub(super) durability: MockDurability,
    pub(super) locks: MockLockManager,
    pub(super) clock: MockClock,
    pub(super) journal: Journal,
}

/// The ports that the mocks have become.
pub(super) struct Ports {
    pub(super) storage: StoragePorts,
    pub(super) locks: Arc<dyn LockManager>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Ports {
    /// As clients' work has it; what is done in the background is not done.
    pub(super) fn patience(&self) -> Patience {
        let tasks: Arc<dyn Tasks> = Arc::<Later>::default();
        Patience::of_a_task(&self.clock, &tasks)
    }
}

impl World {
    /// A world whose clock stands at one second, and whose locks are all free.
    pub(super) fn new() -> Self {
        let mut world = Self::default();
        world
            .clock
            .expect_now()
            .returning(|| Timestamp::from_millis(1000));
        world.clock.expect_cpu_time().returning(|| Duration::ZERO);
        let journal = world.journal.clone();
        world.locks.expect_acquire().returning(move |key| {
            let kind = key.to_string();
            journal.note(format!("lock {}", kind.split(' ').next().unwrap()));
            Ok(LockGuard::new(()))
        });
        world
    }

    pub(super) fn into_ports(self) -> Ports {
        Ports {
            storage: StoragePorts {
                blobs: Arc::new(self.blobs),
                locator: self.locator.map(|it| Arc::new(it) as Arc<dyn BlobLocator>),
                uploads: Arc::new(self.uploads),
                links: Arc::new(self.links),
                marks: Arc::new(self.marks),
                manifests: Arc::new(self.manifests),
                tags: Arc::new(self.tags),
                referrers: Arc::new(self.referrers),
                repositories: Arc::new(self.repositories),
                pulls: Arc::new(self.pulls),
                deletions: Arc::new(self.deletions),
                token_keys: Arc::new(self.token_keys),
                hints: None,
                survey: Arc::new(self.survey),
                durability: Arc::new(self.durability),
            },
            locks: Arc::new(self.locks),
            clock: Arc::new(self.clock),
        }
    }
}

/// A store that is down.
pub(super) fn outage() -> StoreError {
    StoreError::Unavailable {
        what: "a test".to_owned(),
        source: "down".into(),
    }
}

pub(super) fn absent() -> Look {
    Look {
        mark: Mark::None,
        thing: None,
    }
}

pub(super) fn there(size: u64) -> Look {
    Look {
        mark: Mark::None,
        thing: Some(Sight {
            size,
            modified: Timestamp::from_millis(0),
        }),
    }
}

pub(super) fn condemned(size: u64) -> Look {
    Look {
        mark: Mark::Condemned("id".to_owned()),
        ..there(size)
    }
}

pub(super) fn repository() -> RepositoryName {
    "team/app".parse().unwrap()
}

/// Everything is allowed, in every repository.
pub(super) fn allow() -> AccessPolicy {
    AccessPolicy {
        default_allow: true,
        rules: Vec::new(),
    }
}

pub(super) fn access(missing_references: MissingReferences) -> Arc<Access> {
    let everything = Namespace {
        access_policy: allow(),
        missing_references,
        ..Namespace::default()
    };
    let namespaces = Namespaces::new([("*".to_owned(), everything)]);
    Arc::new(Access::new(Arc::new(namespaces)))
}

//! Mirrors: a namespace that is filled from other registries, as it is read.
//!
//! What is here by digest is served as it is. What is missing, and a tag that
//! was not asked about lately, is asked for upstream, stored, and then read
//! like everything else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::domain::error::RegistryError;
use crate::domain::looks::Looks;
use crate::domain::manifests::Manifests;
use crate::domain::model::{Digest, Reference, RepositoryName, Tag};
use crate::domain::recent::Recent;
use crate::domain::referrers::Referrers;
use crate::domain::uploads::Uploads;
use crate::ports::{BlobLinks, BlobStore, Clock, LockManager, StoragePorts, Tasks, UploadSessions};

mod blobs;
mod circuit;
mod feed;
mod fill;
mod flights;
mod manifests;
mod referrers;
mod source;

use fill::Fill;
use flights::Flights;

pub use circuit::Circuit;
pub use source::{AnswersFor, Source, canonical};

/// For how long a definite "no such thing" is remembered: long enough to keep
/// a client that asks in a loop away from the upstreams, and no longer than
/// somebody waits who has just pushed there.
const UNKNOWN: Duration = Duration::from_secs(10);

/// Pulls through. Its work goes on when the client that began it leaves.
pub(super) struct Mirror {
    manifests: Arc<Manifests>,
    uploads: Arc<Uploads>,
    referrers: Arc<Referrers>,
    sessions: Arc<dyn UploadSessions>,
    blobs: Arc<dyn BlobStore>,
    links: Arc<dyn BlobLinks>,
    locks: Arc<dyn LockManager>,
    clock: Arc<dyn Clock>,
    tasks: Arc<dyn Tasks>,
    looks: Looks,
    /// Manifests that are being asked for.
    updates: Flights<(RepositoryName, Reference)>,
    /// Blobs that are on their way here.
    fills: Mutex<HashMap<(RepositoryName, Digest), Arc<Fill>>>,
    /// When a tag was last found to stand where it does upstream.
    revalidated: Recent<(RepositoryName, Tag)>,
    /// What no upstream has.
    unknown: Recent<(RepositoryName, String)>,
    /// Blobs that came with another digest.
    corrupt: Recent<(RepositoryName, Digest)>,
}

/// The use cases that a mirror goes through to store what it got.
pub(super) struct Stores<'s> {
    pub(super) manifests: &'s Arc<Manifests>,
    pub(super) uploads: &'s Arc<Uploads>,
    pub(super) referrers: &'s Arc<Referrers>,
}

impl Mirror {
    pub(super) fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
        tasks: &Arc<dyn Tasks>,
        stores: &Stores<'_>,
    ) -> Arc<Self> {
        Arc::new(Self {
            manifests: Arc::clone(stores.manifests),
            uploads: Arc::clone(stores.uploads),
            referrers: Arc::clone(stores.referrers),
            sessions: Arc::clone(&storage.uploads),
            blobs: Arc::clone(&storage.blobs),
            links: Arc::clone(&storage.links),
            locks: Arc::clone(locks),
            clock: Arc::clone(clock),
            tasks: Arc::clone(tasks),
            looks: Looks::new(storage, locks),
            updates: Flights::new(tasks),
            fills: Mutex::default(),
            revalidated: Recent::default(),
            unknown: Recent::default(),
            corrupt: Recent::default(),
        })
    }

    fn is_known_to_be_unknown(&self, repository: &RepositoryName, what: &str) -> bool {
        let key = (repository.clone(), what.to_owned());
        self.unknown.within(&key, self.clock.now(), UNKNOWN)
    }

    fn remember_unknown(&self, repository: &RepositoryName, what: String) {
        self.unknown
            .note((repository.clone(), what), self.clock.now());
    }
}

/// A failure that several wait for, as each of them gets it.
fn shared(error: &Arc<RegistryError>) -> RegistryError {
    match &**error {
        RegistryError::Upstream(error) => RegistryError::Upstream(Arc::clone(error)),
        RegistryError::BlobUnknown(digest) => RegistryError::BlobUnknown(digest.clone()),
        RegistryError::ManifestUnknown(what) => RegistryError::ManifestUnknown(what.clone()),
        _ => RegistryError::Unavailable(Box::new(Arc::clone(error))),
    }
}

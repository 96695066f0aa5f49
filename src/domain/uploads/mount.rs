//! Mounting: a blob of one repository becomes a blob of another, without a push.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::error::RegistryError;
use crate::domain::looks::Looks;
use crate::domain::model::{Digest, Page, RepositoryName};
use crate::ports::{
    BlobLinks, LockManager, MOUNT_HINTS, MountHints, RepositoryIndex, StoragePorts,
};

/// How many repositories an anonymous mount looks into at most.
const CANDIDATES: usize = 100;

/// How many digests it is remembered for where they were seen last.
const HINTS: usize = 4096;

/// Where to mount a blob from (end-11).
#[derive(Clone, Copy)]
pub enum MountSource<'a> {
    /// `from=`: this repository, which the caller may read.
    Repository(&'a RepositoryName),
    /// No `from`: any repository that the caller may read blobs of. A digest
    /// alone is no permission (CVE-2024-39897).
    Anywhere {
        /// Whether the caller may.
        may_read: &'a (dyn Fn(&RepositoryName) -> bool + Sync),
    },
}

pub(super) struct Mounts {
    links: Arc<dyn BlobLinks>,
    repositories: Arc<dyn RepositoryIndex>,
    looks: Looks,
    hints: Mutex<Hints>,
    shared: Option<Arc<dyn MountHints>>,
}

impl Mounts {
    pub(super) fn new(storage: &StoragePorts, locks: &Arc<dyn LockManager>) -> Self {
        Self {
            links: Arc::clone(&storage.links),
            repositories: Arc::clone(&storage.repositories),
            looks: Looks::new(storage, locks),
            hints: Mutex::default(),
            shared: storage.hints.clone(),
        }
    }

    pub(super) async fn mount(
        &self,
        target: &RepositoryName,
        digest: &Digest,
        source: MountSource<'_>,
    ) -> Result<bool, RegistryError> {
        let found = match source {
            MountSource::Repository(source) => self.links.exists(source, digest).await?,
            MountSource::Anywhere { may_read } => self.find(digest, may_read).await?,
        };
        if !found {
            return Ok(false);
        }

        self.links.add(target, digest).await?;
        let mounted = self.looks.blob(target, digest).await?.is_some();
        if mounted {
            self.remember(target, digest).await;
        }
        Ok(mounted)
    }

    /// A hint for later mounts. It only says where to look first: the link is
    /// read from the store, and the caller's right is judged, each time.
    pub(super) async fn remember(&self, repository: &RepositoryName, digest: &Digest) {
        let known = {
            let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
            hints.put(digest.clone(), repository.clone())
        };
        if let Some(shared) = self.shared.as_ref().filter(|_| !known)
            && let Err(error) = shared.put(digest, repository).await
        {
            tracing::debug!(%error, "other servers are not told where a blob is");
        }
    }

    /// Where the digest was seen last, here or elsewhere.
    async fn hint(&self, digest: &Digest) -> Option<RepositoryName> {
        let hint = {
            let hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
            hints.by_digest.get(digest).cloned()
        };
        MOUNT_HINTS.note(hint.is_some());
        if let (None, Some(shared)) = (&hint, &self.shared) {
            return match shared.get(digest).await {
                Ok(hint) => hint,
                Err(error) => {
                    tracing::debug!(%error, "nobody knows where other servers saw a blob");
                    None
                }
            };
        }
        hint
    }

    async fn find(
        &self,
        digest: &Digest,
        may_read: &(dyn Fn(&RepositoryName) -> bool + Sync),
    ) -> Result<bool, RegistryError> {
        if let Some(hint) = self.hint(digest).await
            && may_read(&hint)
            && self.links.exists(&hint, digest).await?
        {
            return Ok(true);
        }

        let page = Page {
            after: None,
            limit: Some(CANDIDATES),
        };
        for candidate in self.repositories.list(&page).await?.items {
            if may_read(&candidate) && self.links.exists(&candidate, digest).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The last [`HINTS`] digests, each with one repository that had it.
#[derive(Default)]
struct Hints {
    by_digest: HashMap<Digest, RepositoryName>,
    oldest_first: VecDeque<Digest>,
}

impl Hints {
    /// Whether that was known already.
    fn put(&mut self, digest: Digest, repository: RepositoryName) -> bool {
        let known = self.by_digest.get(&digest) == Some(&repository);
        if self.by_digest.insert(digest.clone(), repository).is_some() {
            return known;
        }
        self.oldest_first.push_back(digest);
        if self.oldest_first.len() > HINTS
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_digest.remove(&oldest);
        }
        known
    }
}

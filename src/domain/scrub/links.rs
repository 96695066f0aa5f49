//! Links, tags and records against what they are about: each file by itself, and under its writers' lock once more
//! before anything is done.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::join_all;

use super::{Audience, Fate, Finding};
use crate::domain::access::Access;
use crate::domain::blobs::Blobs;
use crate::domain::error::RegistryError;
use crate::domain::looks::Looks;
use crate::domain::manifests::Manifests;
use crate::domain::model::{
    Descriptor, Digest, Link, Manifest, RepositoryName, Role, Surveyed, Tag, Timestamp,
};
use crate::domain::namespaces::{MissingReferences, Namespaces};
use crate::domain::removals::{Patience, patiently};
use crate::ports::{Clock, LockKey, LockManager, NewManifest, StoragePorts};

mod flaws;

/// How many files are looked at at a time.
const AT_A_TIME: usize = 16;

/// The part that checks everything but the bytes of content.
pub struct Links {
    storage: StoragePorts,
    locks: Arc<dyn LockManager>,
    clock: Arc<dyn Clock>,
    access: Arc<Access>,
    looks: Looks,
    blobs: Blobs,
    manifests: Manifests,
    /// What is younger may be a part of something that is under way.
    grace_period: Duration,
}

/// What is wrong somewhere, and what sets it right.
struct Flaw {
    kind: &'static str,
    what: String,
    cure: Cure,
}

/// What sets something right.
enum Cure {
    /// Nothing that is certain.
    None,
    /// The link is to say this.
    Say(Link, Digest),
    /// The tag is to point there.
    Point(RepositoryName, Tag, Digest),
    /// What is left of the tag goes.
    Untag(RepositoryName, Tag),
    /// The manifest is pushed again, from its own content.
    Push(RepositoryName, Box<(Manifest, NewManifest)>),
    /// Its record is written anew.
    Describe(RepositoryName, NewManifest),
    /// The repository may read the blob.
    Link(RepositoryName, Digest),
    /// Nothing is behind the link; it goes, unless a manifest needs it.
    Unlink(RepositoryName, Digest),
    /// The subject is told of its referrer.
    Refer(RepositoryName, Digest, Descriptor),
    /// The subject has no such referrer.
    Unrefer(RepositoryName, Digest, Digest),
    /// The content goes to its place.
    Place(String, Digest),
    /// The file or directory goes.
    Clear(String),
}

impl Links {
    /// For a store that these namespaces are in. What is younger than
    /// `grace_period` may lack what is still being pushed.
    #[must_use]
    pub fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
        namespaces: Namespaces,
        grace_period: Duration,
    ) -> Self {
        let access = Arc::new(Access::new(Arc::new(namespaces)));
        let patience = Patience::of_the_work(clock);
        Self {
            storage: storage.clone(),
            locks: Arc::clone(locks),
            clock: Arc::clone(clock),
            looks: Looks::new(storage, locks),
            blobs: Blobs::new(storage, locks, &patience),
            manifests: Manifests::new(storage, locks, clock, &patience, Arc::clone(&access)),
            access,
            grace_period,
        }
    }

    /// Goes once through everything, and sets right what is certain.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`], where something could not be looked at.
    pub async fn run(&self, audience: &mut dyn Audience) -> Result<(), RegistryError> {
        let now = self.storage.marks.now().await?;
        let mut survey = self.storage.survey.everything();
        while let Some(piece) = survey.try_next().await? {
            // Content is put in its place before anybody asks for it.
            let alike = piece.chunk_by(|one, next| is_misplaced(one) == is_misplaced(next));
            for some in alike.flat_map(|it| it.chunks(AT_A_TIME)) {
                if !audience.goes_on() {
                    return Ok(());
                }
                // All of them to their end: what is being mended is not left half done.
                let checks = some.iter().map(|it| self.check(it, now));
                let checked = join_all(checks).await;
                audience.seen(some.len() as u64);
                for findings in checked {
                    findings?.into_iter().for_each(|it| audience.found(it));
                }
            }
        }
        Ok(self.storage.durability.persist().await?)
    }

    /// Looks; and where something is wrong, again under the lock, before it is mended.
    async fn check(&self, it: &Surveyed, now: Timestamp) -> Result<Vec<Finding>, RegistryError> {
        let is_old = now.since(it.sight.modified) >= self.grace_period;
        let flaws = self.flaws(it, is_old).await?;
        // The removal of a link is a protocol of its own, and takes the lock by itself.
        let takes_it = |flaw: &Flaw| matches!(flaw.cure, Cure::Unlink(..));
        let key = match lock_of(&it.role) {
            _ if flaws.is_empty() => return Ok(Vec::new()),
            key => key.filter(|_| !flaws.iter().any(takes_it)),
        };
        let is_locked = key.is_some();
        let mended = async {
            let mut findings = Vec::new();
            for Flaw { kind, what, cure } in self.flaws(it, is_old).await? {
                let mending = self.mend(cure);
                let fate = if is_locked {
                    patiently(&*self.clock, mending).await?
                } else {
                    mending.await?
                };
                let place = it.path.clone();
                findings.push(Finding {
                    kind,
                    place,
                    what,
                    fate,
                });
            }
            Ok(findings)
        };
        match key {
            Some(key) => self.locks.acquire(&key).await?.during(mended).await,
            None => mended.await,
        }
    }

    async fn mend(&self, cure: Cure) -> Result<Fate, RegistryError> {
        let StoragePorts {
            survey,
            links,
            tags,
            manifests,
            referrers,
            ..
        } = &self.storage;
        match cure {
            Cure::None => return Ok(Fate::Left),
            Cure::Say(link, digest) => survey.write(&link, &digest).await?,
            Cure::Point(repository, tag, digest) => tags.set(&repository, &tag, &digest).await?,
            Cure::Untag(repository, tag) => tags.remove(&repository, &tag).await?,
            Cure::Push(repository, push) => {
                let (manifest, new) = *push;
                let missing = self.manifests.store(&repository, &manifest, &new).await?;
                if !missing.is_empty() {
                    return Ok(Fate::Left);
                }
            }
            Cure::Describe(repository, new) => {
                survey.forget(&repository, &new.digest).await?;
                manifests.settle(&repository, &new).await?;
            }
            Cure::Link(repository, digest) => {
                links.add(&repository, &digest).await?;
                // Claimed, and looked at: the collector may have been about to remove it.
                if self.looks.data(&digest).await?.is_none() {
                    return Ok(Fate::Left);
                }
            }
            Cure::Unlink(repository, digest) => return self.unlink(&repository, &digest).await,
            Cure::Refer(repository, subject, referrer) => {
                referrers.add(&repository, &subject, &referrer).await?;
            }
            Cure::Unrefer(repository, subject, digest) => {
                referrers.remove(&repository, &subject, &digest).await?;
            }
            Cure::Place(path, digest) => survey.place(&path, &digest).await?,
            Cure::Clear(path) => survey.clear(&path).await?,
        }
        Ok(Fate::Mended)
    }

    /// As a client's DELETE does it; where a manifest may name what is not here, without asking those.
    async fn unlink(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Fate, RegistryError> {
        let removed = if self.accepts(repository) {
            self.blobs.evict(repository, digest).await
        } else {
            self.blobs.delete(repository, digest).await
        };
        match removed {
            Ok(()) | Err(RegistryError::BlobUnknown(_)) => Ok(Fate::Mended),
            Err(RegistryError::Unsupported(_)) => Ok(Fate::Left),
            Err(error) => Err(error),
        }
    }

    /// Whether a manifest of the repository may name anything.
    fn accepts(&self, repository: &RepositoryName) -> bool {
        let namespace = self.access.namespace(repository);
        namespace.is_some_and(|it| it.missing_references() == MissingReferences::Accept)
    }

    async fn hash(&self, path: &str, like: &Digest) -> Result<Option<Digest>, RegistryError> {
        let read = Arc::new(AtomicU64::new(0));
        Ok(self.storage.survey.hash(path, like, &read).await?)
    }
}

fn is_misplaced(it: &Surveyed) -> bool {
    matches!(it.role, Role::Misplaced(_))
}

/// What those hold who write it.
fn lock_of(role: &Role) -> Option<LockKey> {
    Some(match role.clone() {
        Role::Link(Link::Layer(repository, digest)) => LockKey::Link(repository, digest),
        Role::Link(Link::Revision(repository, digest)) | Role::Referrer(repository, _, digest) => {
            LockKey::Revision(repository, digest)
        }
        Role::Link(Link::Tag(repository, tag) | Link::Past(repository, tag, _)) => {
            LockKey::Tag(repository, tag)
        }
        Role::Misplaced(digest) => LockKey::Data(digest),
        Role::Content(_) | Role::Record | Role::Stray | Role::Empty | Role::Unknown => return None,
    })
}

#[cfg(test)]
mod tests;

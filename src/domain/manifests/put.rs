//! Pushing a manifest: claim, look, settle, and the tags last.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::StreamExt;

use super::Manifests;
use crate::domain::access::TagChange;
use crate::domain::error::RegistryError;
use crate::domain::model::{
    Algorithm, Caller, Descriptor, Digest, Hasher, Manifest, Mark, MediaType, Need, Reference,
    RepositoryName, Requirement, Tag, Thing,
};
use crate::domain::namespaces::{MissingReferences, Namespace};
use crate::ports::{LockError, LockKey, NewManifest};

/// How often a manifest's own content may be taken away while it is pushed.
const ROUNDS: usize = 16;

/// How many of the things that a manifest names are looked at at a time.
const AT_A_TIME: usize = 16;

/// A manifest as a client pushes it.
pub struct ManifestPush {
    /// The request's `Content-Type`, if it has one.
    pub content_type: Option<MediaType>,
    /// The manifest, byte for byte.
    pub bytes: Bytes,
    /// Tags to set besides the one in the URL (end-7b).
    pub tags: Vec<Tag>,
    /// `If-Match`: what the URL's reference must point at for the push to count.
    pub if_match: Option<IfMatch>,
    /// Who pushes.
    pub caller: Caller,
}

/// The `If-Match` of a push (RFC 9110, section 13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: anything must stand there.
    Any,
    /// One of these must stand there.
    Digests(Vec<Digest>),
}

impl IfMatch {
    fn judge(this: Option<&Self>, standing: Option<&Digest>) -> Result<(), RegistryError> {
        let met = match (this, standing) {
            (None, _) | (Some(Self::Any), Some(_)) => true,
            (Some(Self::Digests(digests)), Some(standing)) => digests.contains(standing),
            (Some(_), None) => false,
        };
        if met {
            Ok(())
        } else {
            Err(RegistryError::PreconditionFailed)
        }
    }
}

/// A manifest that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedManifest {
    /// Its digest: the one in the URL, or sha256 for a push by tag.
    pub digest: Digest,
    /// Its subject, for `OCI-Subject`.
    pub subject: Option<Digest>,
    /// Every tag that this push pointed at it, the URL's first.
    pub tags: Vec<Tag>,
}

impl Manifests {
    /// Stores a manifest and points tags at it (end-7).
    ///
    /// Everything is durable when it returns, and so is what the manifest
    /// names, whoever wrote that (promise P1). The tags move last: a crash
    /// leaves at worst a manifest without its tag, never a tag that points at
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`RegistryError::ManifestInvalid`], [`RegistryError::DigestInvalid`],
    /// [`RegistryError::ManifestBlobUnknown`] for what is missing and may not
    /// be, [`RegistryError::PreconditionFailed`], and for tags that may not move
    /// [`RegistryError::TagImmutable`] and [`RegistryError::Denied`].
    pub async fn put(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        push: ManifestPush,
    ) -> Result<PushedManifest, RegistryError> {
        let manifest = Manifest::parse(push.content_type.as_ref(), &push.bytes)?;
        let digest = digest_of(reference, &push.bytes)?;
        let tags = tags_of(reference, push.tags);
        let new = NewManifest {
            digest: digest.clone(),
            media_type: manifest.media_type.clone(),
            bytes: push.bytes,
            pushed_at: self.clock.now(),
            pushed_by: push.caller.id().map(str::to_owned),
        };

        let change = |tag| TagChange {
            caller: &push.caller,
            repository,
            tag,
            to: Some(&digest),
        };
        let if_match = push.if_match.as_ref();
        let condition = |tag| if_match.filter(|_| is_tag(reference, tag));

        let key = LockKey::Revision(repository.clone(), digest.clone());
        let lock = self.locks.acquire(&key).await?;
        lock.during(async {
            self.precondition(repository, reference, if_match).await?;
            // Refused early, what would be refused late.
            for tag in &tags {
                self.may_point(&change(tag), condition(tag)).await?;
            }
            let missing = self.store(repository, &manifest, &new).await?;
            if let Some(missing) = missing.into_iter().next() {
                return Err(RegistryError::ManifestBlobUnknown(missing));
            }
            for tag in &tags {
                self.point(&change(tag), &digest, condition(tag)).await?;
            }
            Ok::<_, RegistryError>(())
        })
        .await?;

        Ok(PushedManifest {
            digest,
            subject: manifest.subject.map(|subject| subject.digest),
            tags,
        })
    }

    /// Claims, looks, settles; durable when it returns. What is missing and may
    /// not be: then it is not settled.
    pub(in crate::domain) async fn store(
        &self,
        repository: &RepositoryName,
        manifest: &Manifest,
        new: &NewManifest,
    ) -> Result<Vec<Digest>, RegistryError> {
        self.manifests.put_pending(repository, new).await?;
        self.look_at_itself(repository, new).await?;
        let missing = self.look_at_needs(repository, manifest).await?;
        if !missing.is_empty() {
            return Ok(missing);
        }
        self.manifests.settle(repository, new).await?;
        if let Some(subject) = &manifest.subject {
            let referrer = referrer(manifest, new);
            self.referrers
                .add(repository, &subject.digest, &referrer)
                .await?;
        }
        self.durability.persist().await?;
        Ok(missing)
    }

    /// Judges a push by digest, where the lock that is held already makes the
    /// answer last.
    async fn precondition(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        if_match: Option<&IfMatch>,
    ) -> Result<(), RegistryError> {
        match reference {
            Reference::Digest(digest) if if_match.is_some() => {
                let standing = self.manifests.stat(repository, digest).await?;
                IfMatch::judge(if_match, standing.map(|_| digest))
            }
            _ => Ok(()),
        }
    }

    /// Its own content, and its own marks: the revision's lock is held already.
    async fn look_at_itself(
        &self,
        repository: &RepositoryName,
        new: &NewManifest,
    ) -> Result<(), RegistryError> {
        for _ in 0..ROUNDS {
            if self.looks.data(&new.digest).await?.is_some() {
                let look = self.manifests.look(repository, &new.digest).await?;
                if look.mark != Mark::None {
                    let revision = Thing::Revision(repository.clone(), new.digest.clone());
                    self.marks.pardon(&revision).await?;
                }
                return Ok(());
            }
            self.manifests.put_content(&new.digest, &new.bytes).await?;
        }
        Err(LockError::Contended(LockKey::Data(new.digest.clone()).to_string()).into())
    }

    /// Everything it names, and what of it is missing and may not be. The look
    /// is taken even at what may be missing: what is there must stay.
    async fn look_at_needs(
        &self,
        repository: &RepositoryName,
        manifest: &Manifest,
    ) -> Result<Vec<Digest>, RegistryError> {
        let allowed = self
            .access
            .namespace(repository)
            .map(Namespace::missing_references)
            .unwrap_or_default();
        let needs = manifest.needs().into_iter();
        let looks = needs.map(|need| self.look_at_need(repository, need, allowed));
        // All of them to their end, whatever the first ones find: a mark is
        // taken away whole.
        let looks = futures_util::stream::iter(looks.collect::<Vec<_>>());
        let looked: Vec<_> = looks.buffered(AT_A_TIME).collect().await;
        let missing = looked.into_iter().filter_map(Result::transpose);
        missing.collect()
    }

    async fn look_at_need(
        &self,
        repository: &RepositoryName,
        Requirement { digest, need }: Requirement<'_>,
        allowed: MissingReferences,
    ) -> Result<Option<Digest>, RegistryError> {
        let found = match need {
            Need::Blob | Need::OptionalBlob => self.has_blob(repository, digest).await?,
            Need::Child => {
                self.has_child(repository, digest).await?
                    || self.has_blob(repository, digest).await?
            }
        };
        let may_be_missing = match need {
            Need::OptionalBlob => true,
            Need::Child => allowed != MissingReferences::Refuse,
            Need::Blob => allowed == MissingReferences::Accept,
        };
        Ok((!found && !may_be_missing).then(|| digest.clone()))
    }

    /// A blob, or a manifest that is used as one: blob GETs serve manifests, so
    /// a client may take one for a blob that it need not push. The link then
    /// makes it one, lest it goes with the manifest.
    async fn has_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        if self.looks.blob(repository, digest).await?.is_some() {
            return Ok(true);
        }
        if self.manifests.stat(repository, digest).await?.is_none() {
            return Ok(false);
        }
        self.links.add(repository, digest).await?;
        Ok(self.looks.blob(repository, digest).await?.is_some())
    }

    /// A settled manifest: what it names in turn, it keeps alive itself.
    async fn has_child(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        Ok(self.looks.revision(repository, digest).await?.is_some()
            && self.looks.data(digest).await?.is_some())
    }

    /// Points the tag at its manifest, if it may be under the tag's lock.
    async fn point(
        &self,
        change: &TagChange<'_>,
        digest: &Digest,
        if_match: Option<&IfMatch>,
    ) -> Result<(), RegistryError> {
        let TagChange {
            repository, tag, ..
        } = *change;
        let key = LockKey::Tag(repository.clone(), tag.clone());
        let lock = self.locks.acquire(&key).await?;
        lock.during(async {
            self.may_point(change, if_match).await?;
            Ok(self.tags.set(repository, tag, digest).await?)
        })
        .await
    }

    /// Whether the tag may be pointed elsewhere from where it stands now. It is
    /// looked for only where that matters.
    async fn may_point(
        &self,
        change: &TagChange<'_>,
        if_match: Option<&IfMatch>,
    ) -> Result<(), RegistryError> {
        if if_match.is_none() && !self.access.depends_on_tag(change) {
            return Ok(());
        }
        let standing = self.standing(change.repository, change.tag).await?;
        IfMatch::judge(if_match, standing.as_ref())?;
        self.access.authorise_change(change, standing.as_ref())
    }
}

/// The digest that the URL names, if the bytes have it; else their sha256.
fn digest_of(reference: &Reference, bytes: &[u8]) -> Result<Digest, RegistryError> {
    match reference {
        Reference::Tag(_) => Ok(Hasher::digest_of(Algorithm::Sha256, bytes)),
        Reference::Digest(named) => {
            let actual = Hasher::digest_of(named.algorithm(), bytes);
            if actual == *named {
                Ok(actual)
            } else {
                Err(RegistryError::DigestInvalid(format!(
                    "the manifest has the digest {actual}, not {named}"
                )))
            }
        }
    }
}

/// The tags to set, each once, the URL's first.
fn tags_of(reference: &Reference, more: Vec<Tag>) -> Vec<Tag> {
    let mut seen = HashSet::new();
    let first = match reference {
        Reference::Tag(tag) => Some(tag.clone()),
        Reference::Digest(_) => None,
    };
    first
        .into_iter()
        .chain(more)
        .filter(|tag| seen.insert(tag.clone()))
        .collect()
}

fn is_tag(reference: &Reference, tag: &Tag) -> bool {
    matches!(reference, Reference::Tag(named) if named == tag)
}

/// How the manifest appears in its subject's list (spec, "Listing Referrers").
pub(in crate::domain) fn referrer(manifest: &Manifest, new: &NewManifest) -> Descriptor {
    Descriptor {
        media_type: new.media_type.clone(),
        digest: new.digest.clone(),
        size: new.bytes.len() as u64,
        artifact_type: manifest.referrer_type().map(str::to_owned),
        annotations: manifest.annotations.clone(),
        urls: None,
    }
}

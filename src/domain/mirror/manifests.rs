//! Manifests of a mirror: brought up to date before they are read.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::{Mirror, Source, shared};
use crate::domain::error::RegistryError;
use crate::domain::manifests::ManifestPush;
use crate::domain::model::{Caller, Digest, Manifest, Reference, RepositoryName, Tag};
use crate::ports::{MIRRORED_TAGS, Upstream, UpstreamError, UpstreamManifest};

/// How long an upstream is waited for where the answer is here already, if an
/// old one. Its own goes on arriving, for whoever asks next.
const PATIENCE: Duration = Duration::from_secs(3);

impl Mirror {
    /// Whether what is here, if anything, need not be asked about: what a
    /// digest names never changes, and a tag was asked about lately.
    pub(in crate::domain) fn is_fresh(
        &self,
        source: &Source,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> bool {
        match reference {
            Reference::Digest(_) => true,
            Reference::Tag(tag) => {
                let key = (repository.clone(), tag.clone());
                let interval = source.revalidate_interval;
                let is_fresh = self.revalidated.within(&key, self.clock.now(), interval);
                MIRRORED_TAGS.note(is_fresh);
                is_fresh
            }
        }
    }

    /// Fetches what is missing or has moved. When it returns, the reference is
    /// here as well as it can be had: where no upstream answers, or not soon,
    /// what was here before is good enough.
    ///
    /// # Errors
    ///
    /// [`RegistryError::ManifestUnknown`], where every upstream says so, also
    /// of a tag that is here: it goes. [`RegistryError::Upstream`], where
    /// nothing is here.
    pub(in crate::domain) async fn update(
        self: &Arc<Self>,
        source: &Arc<Source>,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(), RegistryError> {
        if self.is_known_to_be_unknown(repository, &reference.to_string()) {
            return Err(RegistryError::ManifestUnknown(reference.to_string()));
        }
        let key = (repository.clone(), reference.clone());
        let (mirror, work) = (Arc::clone(self), (Arc::clone(source), key.clone()));
        let flight = self.updates.join(key, async move {
            let (source, (repository, reference)) = work;
            match &reference {
                Reference::Tag(tag) => mirror.follow(&source, &repository, tag).await,
                Reference::Digest(_) => mirror.fetch(&source, &repository, &reference, None).await,
            }
        });
        let waited = self.clock.sleep(PATIENCE);
        let landed = match select(flight, waited).await {
            Either::Left((landed, _)) => landed,
            Either::Right(((), flight)) => match reference {
                Reference::Tag(tag)
                    if self.manifests.standing(repository, tag).await?.is_some() =>
                {
                    return Ok(());
                }
                _ => flight.await,
            },
        };
        landed.map_err(|error| shared(&error))
    }

    /// Moves the tag to where it stands upstream.
    async fn follow(
        &self,
        source: &Source,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<(), RegistryError> {
        let reference = Reference::Tag(tag.clone());
        let Some(standing) = self.manifests.standing(repository, tag).await? else {
            return self.fetch(source, repository, &reference, Some(tag)).await;
        };
        if self.manifests.is_immutable(repository, tag) {
            self.revalidate(repository, tag);
            return Ok(());
        }
        match self.follow_from(source, repository, tag, &standing).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                // It is gone there, so it goes here; its manifest stays, and
                // can be had by digest.
                let gone = self.manifests.unpoint(repository, tag, &standing);
                gone.await?;
                Err(self.is_unknown_manifest(repository, tag.to_string()))
            }
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                tracing::debug!(error = cause, %repository, %tag, "served as it was");
                Ok(())
            }
        }
    }

    /// False where every upstream says that there is no such tag. What one of
    /// them names and none has is no such word.
    async fn follow_from(
        &self,
        source: &Source,
        repository: &RepositoryName,
        tag: &Tag,
        standing: &Digest,
    ) -> Result<bool, RegistryError> {
        let reference = Reference::Tag(tag.clone());
        let moved = source.ask(0, |upstream| {
            upstream.resolve_manifest(repository, &reference)
        });
        let Some(digest) = moved.await? else {
            return Ok(false);
        };
        if digest == *standing {
            self.revalidate(repository, tag);
            return Ok(true);
        }
        let moved = Reference::Digest(digest);
        match self.manifests.get(repository, &moved).await {
            Ok((found, bytes)) => {
                let manifest = UpstreamManifest {
                    digest: found.digest,
                    media_type: found.media_type,
                    bytes,
                };
                self.keep(repository, manifest, Some(tag)).await?;
            }
            Err(RegistryError::ManifestUnknown(_)) => {
                self.fetch(source, repository, &moved, Some(tag)).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    async fn fetch(
        &self,
        source: &Source,
        repository: &RepositoryName,
        reference: &Reference,
        tag: Option<&Tag>,
    ) -> Result<(), RegistryError> {
        let found = source.ask(0, |upstream| {
            get_valid(upstream, repository, reference).boxed()
        });
        let Some(manifest) = found.await? else {
            return Err(self.is_unknown_manifest(repository, reference.to_string()));
        };
        self.keep(repository, manifest, tag).await
    }

    /// Stores the manifest, byte for byte, the way every manifest is stored.
    async fn keep(
        &self,
        repository: &RepositoryName,
        manifest: UpstreamManifest,
        tag: Option<&Tag>,
    ) -> Result<(), RegistryError> {
        let push = ManifestPush {
            content_type: Some(manifest.media_type),
            bytes: manifest.bytes,
            tags: tag.cloned().into_iter().collect(),
            if_match: None,
            caller: Caller::default(),
        };
        let reference = Reference::Digest(manifest.digest);
        self.manifests.put(repository, &reference, push).await?;
        if let Some(tag) = tag {
            self.revalidate(repository, tag);
        }
        Ok(())
    }

    fn is_unknown_manifest(&self, repository: &RepositoryName, what: String) -> RegistryError {
        self.remember_unknown(repository, what.clone());
        RegistryError::ManifestUnknown(what)
    }

    fn revalidate(&self, repository: &RepositoryName, tag: &Tag) {
        let key = (repository.clone(), tag.clone());
        self.revalidated.note(key, self.clock.now());
    }
}

/// The manifest, if it is one that can be stored under the reference: the next
/// upstream may have a better one.
async fn get_valid(
    upstream: &dyn Upstream,
    repository: &RepositoryName,
    reference: &Reference,
) -> Result<Option<UpstreamManifest>, UpstreamError> {
    let found = upstream.get_manifest(repository, reference).await?;
    let Some(manifest) = found else {
        return Ok(None);
    };
    let why = match reference {
        Reference::Digest(digest) if manifest.digest != *digest => {
            Some(format!("it has the digest {}", manifest.digest))
        }
        _ => Manifest::parse(Some(&manifest.media_type), &manifest.bytes)
            .err()
            .map(|invalid| invalid.to_string()),
    };
    match why {
        None => Ok(Some(manifest)),
        Some(why) => Err(UpstreamError::Invalid {
            upstream: upstream.name().to_owned(),
            what: format!("the manifest {repository}:{reference}"),
            why,
        }),
    }
}

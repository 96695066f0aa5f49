//! Referrers of a mirror: asked for upstream each time, because new ones come.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;

use super::{Mirror, Source};
use crate::domain::error::RegistryError;
use crate::domain::model::{
    Descriptor, Digest, Manifest, ManifestContent, Page, Reference, RepositoryName, Tag,
};
use crate::domain::referrers::{ReferrersPage, page_of};
use crate::ports::UpstreamError;

impl Mirror {
    /// A page of what points at `subject` upstream. Where no upstream answers,
    /// of what was pulled from there.
    pub(in crate::domain) async fn list_referrers(
        self: &Arc<Self>,
        source: &Arc<Source>,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &Page<Digest>,
    ) -> Result<ReferrersPage, RegistryError> {
        let found = match self.find_referrers(source, repository, subject).await {
            Ok(found) => found,
            Err(error) => {
                let local = self
                    .referrers
                    .list(repository, subject, artifact_type, page);
                let local = local.await?;
                // "None" is an answer that nobody gave.
                if local.items.is_empty() && page.after.is_none() {
                    return Err(error);
                }
                return Ok(local);
            }
        };
        Ok(page_of(found, artifact_type, page))
    }

    async fn find_referrers(
        self: &Arc<Self>,
        source: &Arc<Source>,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let found = source.ask(0, |upstream| {
            let asked = upstream.get_referrers(repository, subject);
            let parsed = async move {
                let Some(bytes) = asked.await? else {
                    return Ok(None);
                };
                let children = children(&bytes).ok_or_else(|| UpstreamError::Invalid {
                    upstream: upstream.name().to_owned(),
                    what: format!("the referrers of {repository}@{subject}"),
                    why: "they are no image index".to_owned(),
                })?;
                Ok(Some(children))
            };
            parsed.boxed()
        });
        if let Some(found) = found.await? {
            return Ok(found);
        }
        // It does not list them; clients may have, in a tag.
        let tag = Reference::Tag(Tag::fallback_for(subject));
        if !self.is_fresh(source, repository, &tag) {
            match self.update(source, repository, &tag).await {
                Err(RegistryError::ManifestUnknown(_)) => return Ok(Vec::new()),
                updated => updated?,
            }
        }
        match self.manifests.get(repository, &tag).await {
            Ok((_, bytes)) => Ok(children(&bytes).unwrap_or_default()),
            Err(RegistryError::ManifestUnknown(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn children(index: &Bytes) -> Option<Vec<Descriptor>> {
    match Manifest::parse(None, index).ok()?.content {
        ManifestContent::Index { children } => Some(children),
        ManifestContent::Image { .. } => None,
    }
}

//! `Snapshot`: what a repository holds, as retention finds it.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::Retention;
use crate::domain::model::{Digest, ManifestContent, Page, RepositoryName, Tag, Timestamp};
use crate::domain::references::{self, Doubt};
use crate::ports::StoreError;

/// How many tags or manifests are read at a time.
const AT_A_TIME: usize = 16;

/// What a repository holds.
#[derive(Default)]
pub(super) struct Snapshot {
    pub(super) tags: BTreeMap<Tag, Pointer>,
    pub(super) manifests: BTreeMap<Digest, Held>,
    /// Where a deletion has left them to the collector: they go, and can be
    /// restored until then.
    pub(super) leaving: HashSet<Digest>,
    /// When manifests were pulled last.
    pub(super) pulls: HashMap<Digest, Timestamp>,
}

/// Where a tag points, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) digest: Digest,
    /// `None` where the store can't tell.
    pub(super) pushed_at: Option<Timestamp>,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// What it lists, if it is an index.
    pub(super) children: Vec<Digest>,
    pub(super) subject: Option<Digest>,
    /// When it was pushed last; `None` while its push goes on.
    pub(super) pushed_at: Option<Timestamp>,
}

impl Retention {
    /// Reads everything; what was read `earlier` of manifests is true still.
    pub(super) async fn snapshot(
        &self,
        repository: &RepositoryName,
        earlier: Option<&Snapshot>,
    ) -> Result<Snapshot, Doubt> {
        let everything = Page::all();
        let tags = self.storage.tags.list(repository, &everything).await?;
        let tags = tags
            .items
            .into_iter()
            .map(|tag| self.pointer(repository, tag));
        let tags = stream::iter(tags.collect::<Vec<_>>()).buffered(AT_A_TIME);
        let tags: Vec<_> = tags.try_collect().await?;

        // After the tags: what they point at is among them.
        let digests = self
            .storage
            .manifests
            .list(repository, &Page::all())
            .await?;
        let manifests = digests.items.into_iter().map(|digest| {
            let known = earlier.and_then(|it| it.manifests.get(&digest));
            self.held(repository, digest, known)
        });
        let manifests = stream::iter(manifests.collect::<Vec<_>>()).buffered(AT_A_TIME);
        let manifests: Vec<_> = manifests.try_collect().await?;
        let manifests: BTreeMap<_, _> = manifests.into_iter().flatten().collect();

        let ever = Timestamp::from_millis(i64::MAX);
        let mut leaving = HashSet::new();
        for record in self.storage.deletions.list(repository, ever).await? {
            let Some(deletion) = record.deletion.filter(|it| it.manifest) else {
                continue;
            };
            let is_referrer = |held: &Held| held.subject.as_ref() == Some(&deletion.digest);
            let referrers = manifests.iter().filter(|(_, held)| is_referrer(held));
            leaving.extend(referrers.map(|(digest, _)| digest.clone()));
            leaving.extend(deletion.references);
        }
        Ok(Snapshot {
            tags: tags.into_iter().flatten().collect(),
            manifests,
            leaving,
            pulls: self.storage.pulls.list(repository).await?,
        })
    }

    /// Where the tag points; `None` where it has just gone.
    async fn pointer(
        &self,
        repository: &RepositoryName,
        tag: Tag,
    ) -> Result<Option<(Tag, Pointer)>, StoreError> {
        // The time first: who sets the tag in between makes it look older, and
        // is noticed when the tag is to go.
        let pushed_at = self.storage.tags.pushed_at(repository, &tag).await?;
        let digest = self.storage.tags.get(repository, &tag).await?;
        Ok(digest.map(|digest| (tag, Pointer { digest, pushed_at })))
    }

    async fn held(
        &self,
        repository: &RepositoryName,
        digest: Digest,
        known: Option<&Held>,
    ) -> Result<Option<(Digest, Held)>, Doubt> {
        let manifests = &self.storage.manifests;
        let (children, subject) = match known {
            Some(known) => (known.children.clone(), known.subject.clone()),
            None => match references::read(&**manifests, repository, &digest).await? {
                None => return Ok(None),
                Some(manifest) => {
                    let children = match manifest.content {
                        ManifestContent::Index { children } => children,
                        ManifestContent::Image { .. } => Vec::new(),
                    };
                    let children = children.into_iter().map(|child| child.digest);
                    let subject = manifest.subject.map(|subject| subject.digest);
                    (children.collect(), subject)
                }
            },
        };
        let look = manifests.look(repository, &digest).await?;
        let held = Held {
            children,
            subject,
            pushed_at: look.thing.map(|it| it.modified),
        };
        Ok(Some((digest, held)))
    }
}

//! Tags: one small object each, replaced at once.

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};

use super::links::{link_to, target_of};
use super::{Store, layout};
use crate::domain::model::{Digest, Listing, Page, RepositoryName, Tag, Timestamp};
use crate::ports::{StoreError, TagIndex};

/// How many tags are read at a time.
const AT_A_TIME: usize = 16;

#[async_trait]
impl TagIndex for Store {
    async fn get(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Digest>, StoreError> {
        let link = self
            .tree
            .read(&layout::tag_current(repository, tag))
            .await?;
        Ok(link.and_then(|link| target_of(&link)))
    }

    async fn pushed_at(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Timestamp>, StoreError> {
        let link = layout::tag_current(repository, tag);
        Ok(self.tree.stat(&link).await?.map(|it| it.modified))
    }

    async fn set(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        let index = layout::tag_index(repository, tag, digest);
        self.tree.write(&index, link_to(digest)).await?;
        // Synced before it has the name: else a power cut could leave an empty
        // file where an acknowledged tag was.
        let current = layout::tag_current(repository, tag);
        self.tree.write_synced(&current, link_to(digest)).await?;
        self.tree.persist().await
    }

    async fn remove(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), StoreError> {
        self.tree
            .remove(&layout::tag_current(repository, tag))
            .await?;
        // Where it has pointed goes with it, or an old name would look as if
        // it were half there. The tag's lock keeps a new push out meanwhile.
        self.tree
            .remove_all(&layout::tag_dir(repository, tag))
            .await
    }

    async fn pointing_at(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Tag>, StoreError> {
        let tags = TagIndex::list(self, repository, &Page::all()).await?.items;
        let targets = tags.into_iter().map(|tag| async move {
            let target = TagIndex::get(self, repository, &tag).await?;
            Ok::<_, StoreError>((target.as_ref() == Some(digest)).then_some(tag))
        });
        let pointing = futures_util::stream::iter(targets.collect::<Vec<_>>());
        let pointing = pointing.buffered(AT_A_TIME);
        pointing
            .try_filter_map(async |tag| Ok(tag))
            .try_collect()
            .await
    }

    async fn list(
        &self,
        repository: &RepositoryName,
        page: &Page<Tag>,
    ) -> Result<Listing<Tag>, StoreError> {
        let page = Page {
            after: page.after.as_ref().map(ToString::to_string),
            limit: page.limit,
        };
        let dir = layout::tags(repository);
        let listing = self.tree.children(&dir, layout::TAG_CURRENT, &page).await?;
        Ok(Listing {
            items: parse_all(&listing.items),
            more: listing.more,
        })
    }
}

/// Names that are no tags were put there by hand; nobody could pull them.
fn parse_all(names: &[String]) -> Vec<Tag> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

//! The store file by file, as a scrub sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::TryStreamExt;

use super::links::{link_to, target_of};
use super::manifests::is_record;
use super::tree::{Entry, Tree};
use super::{Store, layout, unavailable};
use crate::domain::model::{
    Algorithm, Digest, Hasher, Link, Page, RepositoryName, Role, Says, Surveyed, Tag,
};
use crate::ports::{StoreError, Survey, Surveying};

#[async_trait]
impl Survey for Store {
    fn everything(&self) -> Surveying {
        self.surveyed("")
    }

    fn content(&self) -> Surveying {
        self.surveyed(layout::BLOBS)
    }

    async fn read(&self, link: &Link) -> Result<Option<Says>, StoreError> {
        let bytes = self.tree.read(&path_of(link)).await?;
        Ok(bytes.map(|bytes| Says(target_of(&bytes))))
    }

    async fn write(&self, link: &Link, digest: &Digest) -> Result<(), StoreError> {
        self.tree
            .write_synced(&path_of(link), link_to(digest))
            .await
    }

    async fn history(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Vec<Digest>, StoreError> {
        let mut history = Vec::new();
        for algorithm in Algorithm::ALL {
            let dir = layout::tag_history(repository, tag, algorithm);
            let names = self.tree.children(&dir, layout::LINK, &Page::all()).await?;
            let digests = names.items.into_iter();
            history.extend(digests.filter_map(|hex| format!("{algorithm}:{hex}").parse().ok()));
        }
        Ok(history)
    }

    async fn is_torn(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let record = layout::revision_meta(repository, digest);
        let record = self.tree.read(&record).await?;
        Ok(record.is_some_and(|bytes| !is_record(&bytes)))
    }

    async fn forget(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError> {
        self.tree
            .remove(&layout::revision_meta(repository, digest))
            .await
    }

    async fn hash(
        &self,
        path: &str,
        like: &Digest,
        read: &Arc<AtomicU64>,
    ) -> Result<Option<Digest>, StoreError> {
        let (tree, at, read) = (Arc::clone(&self.tree), path.to_owned(), Arc::clone(read));
        let (algorithm, runtime) = (like.algorithm(), tokio::runtime::Handle::current());
        // A thread for each, so that they hash beside each other.
        let hashed = tokio::task::spawn_blocking(move || {
            runtime.block_on(hash(&*tree, &at, algorithm, &read))
        });
        hashed.await.map_err(|source| unavailable(path, source))?
    }

    async fn place(&self, path: &str, digest: &Digest) -> Result<(), StoreError> {
        self.tree.relocate(path, &layout::blob(digest)).await
    }

    async fn set_aside(&self, digest: &Digest) -> Result<String, StoreError> {
        let (algorithm, hex) = (digest.algorithm(), digest.hex());
        let random = &uuid::Uuid::new_v4().simple().to_string()[..8];
        let to = format!("{}/{algorithm}-{hex}-{random}", layout::QUARANTINE);
        self.tree.relocate(&layout::blob(digest), &to).await?;
        Ok(to)
    }

    async fn clear(&self, path: &str) -> Result<(), StoreError> {
        match layout::role_of(path) {
            Role::Stray => self.tree.remove(path).await,
            _ => self.tree.prune(path).await,
        }
    }
}

impl Store {
    fn surveyed(&self, dir: &str) -> Surveying {
        let entries = self.tree.below(dir);
        Box::pin(entries.map_ok(|piece| piece.into_iter().filter_map(surveyed).collect()))
    }
}

/// `None` of a directory that is none of a registry's.
fn surveyed(entry: Entry) -> Option<Surveyed> {
    let is_registry_s = || {
        let dirs = [layout::BLOBS, layout::REPOSITORIES].into_iter();
        dirs.filter_map(|dir| entry.path.strip_prefix(dir))
            .any(|path| path.starts_with('/'))
    };
    let role = if !entry.is_empty_directory {
        layout::role_of(&entry.path)
    } else if is_registry_s() {
        Role::Empty
    } else {
        return None;
    };
    Some(Surveyed {
        role,
        path: entry.path,
        sight: entry.sight,
    })
}

fn path_of(link: &Link) -> String {
    match link {
        Link::Layer(repository, digest) => layout::layer_link(repository, digest),
        Link::Revision(repository, digest) => layout::revision_link(repository, digest),
        Link::Tag(repository, tag) => layout::tag_current(repository, tag),
        Link::Past(repository, tag, digest) => layout::tag_index(repository, tag, digest),
    }
}

async fn hash(
    tree: &dyn Tree,
    path: &str,
    algorithm: Algorithm,
    read: &AtomicU64,
) -> Result<Option<Digest>, StoreError> {
    let Some(reader) = tree.open(path).await? else {
        return Ok(None);
    };
    let mut pieces = reader.read(0..reader.size()).await?;
    let mut hasher = Hasher::new(algorithm);
    while let Some(piece) = pieces
        .try_next()
        .await
        .map_err(|source| unavailable(path, source))?
    {
        hasher.update(&piece);
        read.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    Ok(Some(hasher.digest()))
}

//! Layer links, marks and content: the ports that the collector's protocol is about.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Store, layout};
use crate::domain::model::{Algorithm, Digest, Found, Look, RepositoryName, Thing, Timestamp};
use crate::ports::{
    BlobLinks, BlobReader, BlobStore, Durability, Findings, LockError, LockKey, Marks, StoreError,
};

/// How long somebody who asks for a blob waits for the link's lock.
const PATIENCE: Duration = Duration::from_secs(1);

#[async_trait]
impl BlobStore for Store {
    async fn look(&self, digest: &Digest) -> Result<Look, StoreError> {
        let dir = layout::blob_dir(digest);
        self.tree.look(&dir, layout::DATA).await
    }

    async fn open(&self, digest: &Digest) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        self.tree.open(&layout::blob(digest)).await
    }

    fn list(&self) -> Findings {
        self.found(layout::blobs, layout::DATA)
    }

    async fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        self.tree.remove(&layout::blob(digest)).await
    }
}

#[async_trait]
impl BlobLinks for Store {
    async fn add(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError> {
        let path = layout::layer_link(repository, digest);
        self.tree.renew(&path, link_to(digest)).await
    }

    async fn refresh(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let path = layout::layer_link(repository, digest);
        let Some(locks) = &self.locks else {
            return self.tree.touch(&path).await;
        };
        // Or a link that is taken away between a read and a write comes back.
        let key = LockKey::Link(repository.clone(), digest.clone());
        match tokio::time::timeout(PATIENCE, locks.acquire(&key)).await {
            Ok(Ok(lock)) => lock.during(self.tree.touch(&path)).await,
            // Who only asks is answered without locks too. The link stays as
            // old as it is; while there are no locks, nothing is collected.
            Err(_) | Ok(Err(LockError::Unavailable { .. })) => {
                Ok(self.tree.read(&path).await?.is_some())
            }
            Ok(Err(error)) => Err(error.into()),
        }
    }

    async fn look(&self, repository: &RepositoryName, digest: &Digest) -> Result<Look, StoreError> {
        let dir = layout::layer_link_dir(repository, digest);
        self.tree.look(&dir, "link").await
    }

    async fn exists(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        self.tree.has(&layout::layer_link(repository, digest)).await
    }

    fn list(&self, repository: &RepositoryName) -> Findings {
        self.found(
            |algorithm| layout::layer_links(repository, algorithm),
            "link",
        )
    }

    async fn remove(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError> {
        self.tree
            .remove(&layout::layer_link(repository, digest))
            .await
    }
}

#[async_trait]
impl Marks for Store {
    async fn condemn(&self, thing: &Thing) -> Result<Option<String>, StoreError> {
        let (dir, _) = layout::thing(thing);
        let id = uuid::Uuid::new_v4().to_string();
        self.tree.condemn(&dir, &id).await
    }

    /// Its time first: a mark that comes in its place has another id.
    async fn since(&self, thing: &Thing, id: &str) -> Result<Option<Timestamp>, StoreError> {
        let path = format!("{}/{}", layout::thing(thing).0, layout::CONDEMNED);
        let seen = self.tree.stat(&path).await?;
        let mark = self.tree.read(&path).await?;
        let stands = mark.is_some_and(|mark| mark == id.as_bytes());
        Ok(seen.filter(|_| stands).map(|it| it.modified))
    }

    async fn doom(&self, thing: &Thing, id: &str) -> Result<bool, StoreError> {
        self.tree.doom(&layout::thing(thing).0, id).await
    }

    async fn pardon(&self, thing: &Thing) -> Result<(), StoreError> {
        self.tree.pardon(&layout::thing(thing).0).await
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.tree.write(layout::CLOCK, Bytes::new()).await?;
        let written = self.tree.stat(layout::CLOCK).await?;
        // Gone at once: nothing is old then.
        Ok(written.map_or(Timestamp::from_millis(i64::MIN), |it| it.modified))
    }
}

#[async_trait]
impl Durability for Store {
    async fn persist(&self) -> Result<(), StoreError> {
        self.tree.persist().await
    }
}

impl Store {
    /// The places below the directory of each algorithm. What is not called as
    /// a digest is, nobody can ask for.
    fn found(&self, dir: impl Fn(Algorithm) -> String, name: &'static str) -> Findings {
        let places = Algorithm::ALL.map(|algorithm| {
            let places = self.tree.places(&dir(algorithm), name);
            places.map_ok(move |places| {
                let found = places.into_iter().filter_map(|place| {
                    Some(Found {
                        digest: format!("{algorithm}:{}", place.name).parse().ok()?,
                        there: place.there,
                        size: place.size,
                        marked: place.marked,
                    })
                });
                found.collect()
            })
        });
        stream::iter(places).flatten().boxed()
    }
}

/// What a link file holds: the bare digest, no newline.
pub(super) fn link_to(digest: &Digest) -> Bytes {
    Bytes::from(digest.to_string())
}

/// Where a link points; `None` for the empty and broken ones that crashes and
/// other registries leave. Some of those end in a newline, so blanks go.
pub(super) fn target_of(link: &[u8]) -> Option<Digest> {
    std::str::from_utf8(link).ok()?.trim().parse().ok()
}

//! A tree that is read and never changed: what would be written or removed, is not, and nobody sees a difference in the
//! answers. So a dry run is the run itself.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::layout;
use super::tree::{Entries, Places, Tree};
use crate::domain::model::{Listing, Look, Page, Sight, Timestamp};
use crate::ports::{BlobReader, StoreError};

/// Another tree, as it is.
pub(super) struct Still(Arc<dyn Tree>, Mutex<HashSet<String>>);

impl Still {
    pub(super) fn new(tree: Arc<dyn Tree>) -> Self {
        Self(tree, Mutex::default())
    }
}

#[async_trait]
impl Tree for Still {
    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        self.0.read(path).await
    }

    /// But for the object that only tells what time it is.
    async fn write(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        match path {
            layout::CLOCK => self.0.write(path, bytes).await,
            _ => Ok(()),
        }
    }

    async fn write_synced(&self, _: &str, _: Bytes) -> Result<(), StoreError> {
        Ok(())
    }

    async fn stat(&self, path: &str) -> Result<Option<Sight>, StoreError> {
        self.0.stat(path).await
    }

    async fn touch(&self, path: &str) -> Result<bool, StoreError> {
        Ok(self.0.stat(path).await?.is_some())
    }

    async fn stamp(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn times(&self, dir: &str) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.0.times(dir).await
    }

    async fn read_times(
        &self,
        dir: &str,
        leaf: &'static str,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.0.read_times(dir, leaf).await
    }

    async fn look(&self, dir: &str, name: &str) -> Result<Look, StoreError> {
        self.0.look(dir, name).await
    }

    /// Once: where it were marked already, nobody would mark it again.
    async fn condemn(&self, dir: &str, id: &str) -> Result<Option<String>, StoreError> {
        let mut marked = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(marked.insert(dir.to_owned()).then(|| id.to_owned()))
    }

    async fn doom(&self, _: &str, _: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn pardon(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn remove(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn remove_all(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn children(
        &self,
        dir: &str,
        leaf: &str,
        page: &Page<String>,
    ) -> Result<Listing<String>, StoreError> {
        self.0.children(dir, leaf, page).await
    }

    async fn walk(
        &self,
        root: &str,
        markers: &'static [&'static str],
    ) -> Result<Vec<String>, StoreError> {
        self.0.walk(root, markers).await
    }

    fn places(&self, dir: &str, name: &'static str) -> Places {
        self.0.places(dir, name)
    }

    fn below(&self, dir: &str) -> Entries {
        self.0.below(dir)
    }

    async fn relocate(&self, _: &str, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn has_any(&self, dir: &str) -> Result<bool, StoreError> {
        self.0.has_any(dir).await
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        self.0.open(path).await
    }

    async fn persist(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn sweep(&self, before: Timestamp, _: bool) -> Result<usize, StoreError> {
        self.0.sweep(before, false).await
    }
}

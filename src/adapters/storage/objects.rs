//! The tree as objects of an OpenDAL service that only puts, gets and lists.
//!
//! Today that is the memory service, the tests' double of a store.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use opendal::{ErrorKind, Operator};

use super::layout::{self, CONDEMNED, DYING};
use super::tree::Tree;
use crate::domain::model::{ByteStream, Listing, Look, Mark, Page, Sight, Timestamp};
use crate::ports::{BlobReader, StoreError};

mod uploads;

/// Objects of one service.
#[derive(Clone)]
pub(super) struct Objects {
    operator: Operator,
    /// When each object was written, for a service that does not tell.
    times: Arc<Mutex<HashMap<String, Timestamp>>>,
}

impl Objects {
    /// An empty store that is gone with the process.
    pub(super) fn in_memory() -> Result<Self, StoreError> {
        let operator = Operator::new(opendal::services::Memory::default())
            .map_err(|source| unavailable("opening the memory store", source))?;
        Ok(Self {
            operator,
            times: Arc::default(),
        })
    }

    async fn put(&self, path: &str, content: impl Into<opendal::Buffer>) -> Result<(), StoreError> {
        self.operator
            .write(path, content)
            .await
            .map_err(|source| unavailable(path, source))?;
        self.stamp(path);
        Ok(())
    }

    fn stamp(&self, path: &str) {
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.insert(path.to_owned(), now);
    }

    fn time(&self, path: &str) -> Timestamp {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times
            .get(path)
            .copied()
            .unwrap_or(Timestamp::from_millis(i64::MAX))
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        let bytes = present(path, self.operator.read(path).await)?;
        Ok(bytes.map(|bytes| bytes.to_bytes()))
    }

    /// Everything below `dir`, relative to it.
    async fn below(&self, dir: &str) -> Result<Vec<String>, StoreError> {
        let prefix = format!("{dir}/");
        let entries = self
            .operator
            .list_with(&prefix)
            .recursive(true)
            .await
            .map_err(|source| unavailable(dir, source))?;
        Ok(entries
            .iter()
            .filter_map(|entry| entry.path().strip_prefix(&prefix))
            .filter(|path| !path.is_empty() && !path.ends_with('/'))
            .map(str::to_owned)
            .collect())
    }
}

fn unavailable(
    what: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable {
        what: what.to_owned(),
        source: source.into(),
    }
}

/// Only a definite "not found" is absence (lessons.md, 3).
fn present<T>(what: &str, result: opendal::Result<T>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unavailable(what, e)),
    }
}

#[async_trait]
impl Tree for Objects {
    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        self.get(path).await
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.put(path, bytes).await
    }

    async fn write_synced(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.put(path, bytes).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Sight>, StoreError> {
        let metadata = present(path, self.operator.stat(path).await)?;
        Ok(metadata.map(|metadata| Sight {
            size: metadata.content_length(),
            modified: self.time(path),
        }))
    }

    async fn touch(&self, path: &str) -> Result<bool, StoreError> {
        let there = present(path, self.operator.stat(path).await)?.is_some();
        if there {
            self.stamp(path);
        }
        Ok(there)
    }

    async fn look(&self, dir: &str, name: &str) -> Result<Look, StoreError> {
        let condemned = self.get(&format!("{dir}/{CONDEMNED}")).await?;
        let dying = self.stat(&format!("{dir}/{DYING}")).await?.is_some();
        Ok(Look {
            mark: match (dying, condemned) {
                (true, _) => Mark::Dying,
                (false, Some(id)) => Mark::Condemned(String::from_utf8_lossy(&id).into_owned()),
                (false, None) => Mark::None,
            },
            thing: self.stat(&format!("{dir}/{name}")).await?,
        })
    }

    async fn condemn(&self, dir: &str, id: &str) -> Result<Option<String>, StoreError> {
        if !self.has_any(dir).await? {
            return Ok(None);
        }
        let path = format!("{dir}/{CONDEMNED}");
        if let Some(standing) = self.get(&path).await? {
            return Ok(Some(String::from_utf8_lossy(&standing).into_owned()));
        }
        self.put(&path, Bytes::from(id.to_owned())).await?;
        Ok(Some(id.to_owned()))
    }

    async fn doom(&self, dir: &str, id: &str) -> Result<bool, StoreError> {
        let condemned = self.get(&format!("{dir}/{CONDEMNED}")).await?;
        let dying = format!("{dir}/{DYING}");
        if condemned.as_deref() != Some(id.as_bytes()) || self.stat(&dying).await?.is_some() {
            return Ok(false);
        }
        self.put(&dying, Bytes::from(id.to_owned())).await?;
        Ok(true)
    }

    async fn pardon(&self, dir: &str) -> Result<(), StoreError> {
        self.remove(&format!("{dir}/{CONDEMNED}")).await?;
        self.remove(&format!("{dir}/{DYING}")).await
    }

    async fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.operator
            .delete(path)
            .await
            .map_err(|source| unavailable(path, source))
    }

    async fn remove_all(&self, dir: &str) -> Result<(), StoreError> {
        for path in self.below(dir).await? {
            self.remove(&format!("{dir}/{path}")).await?;
        }
        Ok(())
    }

    async fn children(
        &self,
        dir: &str,
        leaf: &str,
        page: &Page<String>,
    ) -> Result<Listing<String>, StoreError> {
        let suffix = if leaf.is_empty() {
            String::new()
        } else {
            format!("/{leaf}")
        };
        let paths = self.below(dir).await?;
        let names = paths
            .iter()
            .filter_map(|path| path.strip_suffix(&suffix))
            .filter_map(|path| {
                let name = path.split('/').next().unwrap_or_default();
                (leaf.is_empty() || name == path).then(|| name.to_owned())
            })
            .collect::<BTreeSet<_>>();
        Ok(Listing::cut(names, page))
    }

    async fn walk(&self, root: &str, marker: &str) -> Result<Vec<String>, StoreError> {
        let infix = format!("/{marker}/");
        let paths = self.below(root).await?;
        let found = paths
            .iter()
            .filter_map(|path| path.split_once(&infix))
            .map(|(name, _)| name.to_owned())
            .collect::<BTreeSet<_>>();
        Ok(found.into_iter().collect())
    }

    async fn has_any(&self, dir: &str) -> Result<bool, StoreError> {
        Ok(!self.below(dir).await?.is_empty())
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        Ok(self.stat(path).await?.map(|sight| {
            Box::new(ObjectReader {
                operator: self.operator.clone(),
                path: path.to_owned(),
                size: sight.size,
            }) as Box<dyn BlobReader>
        }))
    }

    async fn persist(&self) -> Result<(), StoreError> {
        Ok(()) // an object that was put is there
    }

    async fn sweep(&self, _: Timestamp) -> Result<usize, StoreError> {
        Ok(0) // an object is written at once: nothing is left half-way
    }
}

struct ObjectReader {
    operator: Operator,
    path: String,
    size: u64,
}

#[async_trait]
impl BlobReader for ObjectReader {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream, StoreError> {
        if range.is_empty() {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        let reader = self.operator.reader(&self.path).await;
        let reader = reader.map_err(|source| unavailable(&self.path, source))?;
        let stream = reader.into_bytes_stream(range).await;
        let stream = stream.map_err(|source| unavailable(&self.path, source))?;
        Ok(Box::pin(stream.into_stream()))
    }
}

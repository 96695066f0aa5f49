//! The tree as objects of an OpenDAL service that only puts, gets and lists:
//! S3, and the memory service, the tests' double of a store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Once, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use opendal::{ErrorKind, Metadata, Operator};

use super::layout::{self, CONDEMNED, DYING};
use super::s3::Client;
use super::tree::{Entries, Places, Tree};
use super::unavailable;
use crate::domain::model::{Listing, Look, Mark, Page, Sight, Timestamp};
use crate::ports::{BlobReader, StoreError};

mod abandoned;
mod listing;
mod pieces;
mod reader;
mod uploads;

pub(super) use pieces::Parts;
use reader::ObjectReader;

/// What is larger is content, and may take its time.
const SMALL: usize = 1 << 20;

/// Objects of one service.
#[derive(Clone)]
pub(super) struct Objects {
    operator: Operator,
    /// Asks once. A delete that is sent again may meet what a push has put
    /// there meanwhile.
    once: Operator,
    service: Service,
}

/// What a service can do besides.
#[derive(Clone)]
enum Service {
    /// It is memory: it does not tell when an object was written.
    Memory(Arc<Mutex<HashMap<String, Timestamp>>>),
    /// It is S3, and copies by itself.
    S3(S3),
}

/// S3, as far as OpenDAL has no calls for it.
#[derive(Clone)]
struct S3 {
    parts: Parts,
    /// Has the patience that content needs.
    moving: Operator,
    client: Arc<Client>,
    /// Said once: that the service does not list unfinished uploads.
    unlisted: Arc<Once>,
}

impl Objects {
    /// An empty store that is gone with the process.
    pub(super) fn in_memory() -> Result<Self, StoreError> {
        let operator = Operator::new(opendal::services::Memory::default())
            .map_err(|source| unavailable("opening the memory store", source))?;
        Ok(Self {
            once: operator.clone(),
            operator,
            service: Service::Memory(Arc::default()),
        })
    }

    /// A bucket, by an operator that asks again and one that asks once.
    pub(super) fn in_bucket(
        operator: Operator,
        once: Operator,
        moving: Operator,
        client: Client,
        parts: Parts,
    ) -> Self {
        Self {
            operator,
            once,
            service: Service::S3(S3 {
                parts,
                moving,
                client: Arc::new(client),
                unlisted: Arc::new(Once::new()),
            }),
        }
    }

    /// Asks once, whatever is asked.
    pub(super) fn impatient(&self) -> Self {
        Self {
            operator: self.once.clone(),
            ..self.clone()
        }
    }

    /// Signs URLs of what is in the bucket.
    pub(super) fn locator(&self) -> super::s3::Locator {
        super::s3::Locator::new(self.operator.clone())
    }

    async fn put(&self, path: &str, content: impl Into<opendal::Buffer>) -> Result<(), StoreError> {
        let content = content.into();
        let operator = match &self.service {
            Service::S3(s3) if content.len() > SMALL => &s3.moving,
            _ => &self.operator,
        };
        operator
            .write(path, content)
            .await
            .map_err(|source| unavailable(path, source))?;
        self.stamp(path);
        Ok(())
    }

    /// Notes the time where the service does not.
    fn stamp(&self, path: &str) {
        let Service::Memory(times) = &self.service else {
            return;
        };
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
        times.insert(path.to_owned(), now);
    }

    /// An object whose time is not known is young, never old.
    fn time(&self, path: &str, metadata: &Metadata) -> Timestamp {
        let time = match &self.service {
            Service::Memory(times) => {
                let times = times.lock().unwrap_or_else(PoisonError::into_inner);
                times.get(path).copied()
            }
            Service::S3(_) => metadata
                .last_modified()
                .map(|time| Timestamp::from_millis(time.into_inner().as_millisecond())),
        };
        time.unwrap_or(Timestamp::from_millis(i64::MAX))
    }

    /// The object's size and time.
    async fn sight(&self, path: &str) -> Result<Option<Sight>, StoreError> {
        let seen = present(path, self.operator.stat(path).await)?;
        let seen = match (seen, &self.service) {
            // The answer to a HEAD has no body that says what is missing: it
            // may be the bucket. A GET says it.
            (None, Service::S3(_)) if self.begins(path).await? => {
                present(path, self.operator.stat(path).await)?
            }
            (seen, _) => seen,
        };
        Ok(seen.map(|metadata| Sight {
            size: metadata.content_length(),
            modified: self.time(path, &metadata),
        }))
    }

    /// Whether the object is there, by asking for its first byte.
    async fn begins(&self, path: &str) -> Result<bool, StoreError> {
        match self.operator.read_with(path).range(0..1).await {
            // It is empty.
            Err(e) if e.kind() == ErrorKind::RangeNotSatisfied => Ok(true),
            result => Ok(present(path, result)?.is_some()),
        }
    }

    async fn condemned(&self, dir: &str) -> Result<Option<String>, StoreError> {
        let id = self.get(&format!("{dir}/{CONDEMNED}")).await?;
        Ok(id.map(|id| String::from_utf8_lossy(&id).into_owned()))
    }

    /// One look is one listing: the marks sort before `data` and `link`, and
    /// a listing runs in that order (storage.md section 4).
    async fn look_by_listing(&self, dir: &str, name: &str) -> Result<Look, StoreError> {
        loop {
            let (mut condemned, mut dying, mut thing) = (false, false, None);
            let mut below = self.below(dir, false, None).await?;
            while let Some((path, metadata)) = below.next().await? {
                condemned |= path == CONDEMNED;
                dying |= path == DYING;
                if path == name {
                    thing = Some(Sight {
                        size: metadata.content_length(),
                        modified: self.time(&path, &metadata),
                    });
                }
            }
            let mark = match (dying, condemned) {
                (true, _) => Mark::Dying,
                (false, false) => Mark::None,
                (false, true) => match self.condemned(dir).await? {
                    Some(id) => Mark::Condemned(id),
                    None => continue, // taken away since: look again
                },
            };
            return Ok(Look { mark, thing });
        }
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        let bytes = present(path, self.operator.read(path).await)?;
        Ok(bytes.map(|bytes| bytes.to_bytes()))
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
        self.sight(path).await
    }

    /// S3 has no other way to renew a time than to write the object again. One
    /// that is deleted between the two calls would come back: callers hold the
    /// lock of whoever deletes it (`BlobLinks::refresh` takes the link's).
    async fn touch(&self, path: &str) -> Result<bool, StoreError> {
        match &self.service {
            Service::Memory(_) => {
                let there = self.sight(path).await?.is_some();
                if there {
                    self.stamp(path);
                }
                Ok(there)
            }
            Service::S3(_) => {
                let Some(bytes) = self.get(path).await? else {
                    return Ok(false);
                };
                self.put(path, bytes).await?;
                Ok(true)
            }
        }
    }

    /// A write is all that renews a time here.
    async fn renew(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.put(path, bytes).await
    }

    async fn stamp(&self, path: &str) -> Result<(), StoreError> {
        self.put(path, Bytes::new()).await
    }

    async fn times(&self, dir: &str) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let all = self.all_below(dir).await?.into_iter();
        let timed = all.map(|(name, metadata)| {
            let time = self.time(&format!("{dir}/{name}"), &metadata);
            (name, time)
        });
        Ok(timed.collect())
    }

    async fn look(&self, dir: &str, name: &str) -> Result<Look, StoreError> {
        if let Service::S3(_) = self.service {
            return self.look_by_listing(dir, name).await;
        }
        let condemned = self.condemned(dir).await?;
        let dying = self.sight(&format!("{dir}/{DYING}")).await?.is_some();
        Ok(Look {
            mark: match (dying, condemned) {
                (true, _) => Mark::Dying,
                (false, Some(id)) => Mark::Condemned(id),
                (false, None) => Mark::None,
            },
            thing: self.sight(&format!("{dir}/{name}")).await?,
        })
    }

    async fn condemn(&self, dir: &str, id: &str) -> Result<Option<String>, StoreError> {
        if !self.has_any(dir).await? {
            return Ok(None);
        }
        if let Some(standing) = self.condemned(dir).await? {
            return Ok(Some(standing));
        }
        self.put(&format!("{dir}/{CONDEMNED}"), Bytes::from(id.to_owned()))
            .await?;
        Ok(Some(id.to_owned()))
    }

    async fn doom(&self, dir: &str, id: &str) -> Result<bool, StoreError> {
        let condemned = self.condemned(dir).await?;
        let dying = format!("{dir}/{DYING}");
        if condemned.as_deref() != Some(id) || self.get(&dying).await?.is_some() {
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
        self.once
            .delete(path)
            .await
            .map_err(|source| unavailable(path, source))
    }

    async fn remove_all(&self, dir: &str) -> Result<(), StoreError> {
        let mut paths = Vec::new();
        for (path, _) in self.all_below(dir).await? {
            paths.push(format!("{dir}/{path}"));
        }
        self.once
            .delete_iter(paths)
            .await
            .map_err(|source| unavailable(dir, source))
    }

    async fn children(
        &self,
        dir: &str,
        leaf: &str,
        page: &Page<String>,
    ) -> Result<Listing<String>, StoreError> {
        self.names(dir, leaf, page).await
    }

    async fn walk(
        &self,
        root: &str,
        markers: &'static [&'static str],
    ) -> Result<Vec<String>, StoreError> {
        self.directories_with(root, markers).await
    }

    fn places(&self, dir: &str, name: &'static str) -> Places {
        let (objects, dir) = (self.clone(), dir.to_owned());
        let listing = async move {
            let below = objects.below(&dir, true, None).await?;
            Ok::<_, StoreError>(listing::places(below, name))
        };
        stream::once(listing).try_flatten().boxed()
    }

    fn below(&self, dir: &str) -> Entries {
        let (objects, dir) = (self.clone(), dir.to_owned());
        listing::entries(objects, dir)
    }

    async fn relocate(&self, from: &str, to: &str) -> Result<(), StoreError> {
        self.move_to(from, to).await
    }

    async fn has_any(&self, dir: &str) -> Result<bool, StoreError> {
        self.any_below(dir).await
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

    async fn sweep(&self, before: Timestamp, remove: bool) -> Result<usize, StoreError> {
        match &self.service {
            Service::Memory(_) => Ok(0), // an object is written at once
            Service::S3(s3) => self.sweep_unfinished(s3, before, remove).await,
        }
    }
}

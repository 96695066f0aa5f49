//! The tree as files: what OpenDAL's fs service cannot promise, or only slowly.
//!
//! Measured against that service (docs/decisions/0002-storage.md): it syncs
//! every file but never a directory, its exclusive create is not exclusive, its
//! listings are 85 times slower and a small read 50 times. So only the plain
//! removal of an object goes through it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::layout;
use super::tree::{Entries, Places, Tree, Valid};
use super::unavailable;
use crate::adapters::units::one_thread;
use crate::domain::model::{Listing, Look, Page, Sight, Timestamp};
use crate::ports::{BlobReader, StoreError};

mod batches;
mod durable;
mod index;
mod listing;
mod marks;
mod names;
mod network;
mod places;
mod reach;
mod reader;
mod sight;
mod system;
mod turns;
mod uploads;
mod walk;

pub(super) use durable::Durable;
use durable::on_one_file_system;
use names::with_dir;
pub(super) use network::kind as network_file_system;
use reach::Reach;
use sight::{is_of_this_tick, sight, timestamp};

/// Room for `/` and the name of a thing or of its mark.
const NAME: usize = 16;

/// Files below a root directory.
#[derive(Clone)]
pub(super) struct Files {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    operator: opendal::Operator,
    durable: Durable,
    chunk: usize,
    boot: String,
    index: index::Index,
}

impl Files {
    /// The tree below `root`, which must exist. Transfers move `chunk` bytes at
    /// a time.
    pub(super) fn open(root: &Path, durable: Durable, chunk: usize) -> Result<Self, StoreError> {
        for dir in [layout::TMP, layout::REPOSITORIES, layout::BLOBS] {
            fs::create_dir_all(root.join(dir))
                .and_then(|()| on_one_file_system(root, &root.join(dir)))
                .map_err(|source| {
                    unavailable(&format!("using {}/{dir}", root.display()), source)
                })?;
        }
        Self::over(root, durable, chunk)
    }

    /// The same, and nothing is made.
    pub(super) fn over(root: &Path, durable: Durable, chunk: usize) -> Result<Self, StoreError> {
        let service = opendal::services::Fs::default().root(&root.to_string_lossy());
        let operator = opendal::Operator::new(service)
            .map_err(|source| unavailable("opening the root directory", source))?;
        one_thread::offer();
        Ok(Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                operator,
                durable,
                chunk: chunk.max(4096),
                boot: system::boot_id(),
                index: index::Index::new(root.join(layout::TMP)),
            }),
        })
    }

    /// Runs file operations off the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        one_thread::step(move || work(&inner))
            .await
            .map_err(|source| unavailable(what, source))
    }

    async fn put(&self, path: &str, bytes: Bytes, mode: u32, sync: bool) -> Result<(), StoreError> {
        let file = path.to_owned();
        self.blocking(path, move |files| {
            let temporary = files.temporary(mode, &bytes, sync)?;
            files.replace(&files.at(&file), temporary)
        })
        .await
    }
}

/// Absence as `None`: the file is not there, or something on the way to it is
/// not a directory.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

impl Inner {
    /// The path in the file system, with room for a name behind it.
    fn at(&self, path: &str) -> PathBuf {
        let length = self.root.as_os_str().len() + path.len() + NAME;
        let mut at = PathBuf::with_capacity(length);
        at.push(&self.root);
        at.push(path);
        at
    }
}

#[async_trait]
impl Tree for Files {
    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        let file = path.to_owned();
        self.reading(path, move |files, reach| reach.read(&files.at(&file)))
            .await
            .map(|bytes| bytes.map(Bytes::from))
    }

    async fn has(&self, path: &str) -> Result<bool, StoreError> {
        let file = path.to_owned();
        self.reading(path, move |files, reach| reach.has(&files.at(&file)))
            .await
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.put(path, bytes, 0o666, false).await
    }

    async fn write_synced(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.put(path, bytes, 0o666, true).await
    }

    async fn write_private(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.put(path, bytes, 0o600, true).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Sight>, StoreError> {
        let file = path.to_owned();
        self.reading(path, move |files, reach| {
            Ok(reach.stat(&files.at(&file))?.map(|it| sight(&it)))
        })
        .await
    }

    async fn touch(&self, path: &str) -> Result<bool, StoreError> {
        let file = path.to_owned();
        let standing = Reach::Memory.stat(&self.inner.at(path));
        if standing.is_ok_and(|it| it.is_some_and(|it| is_of_this_tick(&it))) {
            return Ok(true);
        }
        self.blocking(path, move |files| {
            Ok(present(system::touch(&files.at(&file)))?.is_some())
        })
        .await
    }

    async fn stamp(&self, path: &str) -> Result<(), StoreError> {
        let file = path.to_owned();
        self.blocking(path, move |files| names::stamp(&files.at(&file)))
            .await
    }

    async fn times(&self, dir: &str) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let at = dir.to_owned();
        self.blocking(dir, move |files| {
            listing::times(&files.at(&at), "", |path| {
                Ok(Some(sight(&fs::metadata(path)?).modified))
            })
        })
        .await
    }

    async fn read_times(
        &self,
        dir: &str,
        leaf: &'static str,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let at = dir.to_owned();
        self.blocking(dir, move |files| {
            listing::times(&files.at(&at), leaf, |path| {
                Ok(system::read_at(path)?.map(timestamp))
            })
        })
        .await
    }

    async fn look(&self, dir: &str, name: &str) -> Result<Look, StoreError> {
        let (at, name) = (dir.to_owned(), name.to_owned());
        self.reading(dir, move |files, reach| files.look(&at, &name, reach))
            .await
    }

    async fn condemn(&self, dir: &str, id: &str) -> Result<Option<String>, StoreError> {
        let (at, id) = (dir.to_owned(), id.to_owned());
        self.blocking(dir, move |files| files.condemn(&at, id))
            .await
    }

    async fn doom(&self, dir: &str, id: &str) -> Result<bool, StoreError> {
        let (at, id) = (dir.to_owned(), id.to_owned());
        self.blocking(dir, move |files| files.doom(&at, &id)).await
    }

    async fn pardon(&self, dir: &str) -> Result<(), StoreError> {
        let at = dir.to_owned();
        self.blocking(dir, move |files| files.pardon(&at)).await
    }

    async fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.inner
            .operator
            .delete(path)
            .await
            .map_err(|source| unavailable(path, source))?;
        let file = path.to_owned();
        self.blocking(path, move |files| {
            let path = files.at(&file);
            path.parent().map_or(Ok(()), |dir| files.prune(dir))
        })
        .await
    }

    async fn remove_all(&self, dir: &str) -> Result<(), StoreError> {
        let at = dir.to_owned();
        self.blocking(dir, move |files| {
            let dir = files.at(&at);
            present(fs::remove_dir_all(&dir))?;
            files.prune(&dir)
        })
        .await
    }

    async fn children(
        &self,
        dir: &str,
        leaf: &str,
        page: &Page<String>,
    ) -> Result<Listing<String>, StoreError> {
        let (at, leaf, page) = (dir.to_owned(), leaf.to_owned(), page.clone());
        self.blocking(dir, move |files| match &*leaf {
            "" => listing::children(&files.at(&at), &page),
            leaf => listing::with_leaf(&files.index, &files.at(&at), leaf, &page),
        })
        .await
    }

    async fn walk(
        &self,
        root: &str,
        markers: &'static [&'static str],
    ) -> Result<Vec<String>, StoreError> {
        let at = root.to_owned();
        self.blocking(root, move |files| listing::walk(&files.at(&at), markers))
            .await
    }

    async fn marked(
        &self,
        root: &str,
        markers: &'static [&'static str],
        valid: Valid,
        page: &Page<String>,
    ) -> Result<Listing<String>, StoreError> {
        let (at, page) = (root.to_owned(), page.clone());
        self.blocking(root, move |files| {
            listing::marked(&files.index, &files.at(&at), markers, valid, &page)
        })
        .await
    }

    fn places(&self, dir: &str, name: &'static str) -> Places {
        places::below(dir.to_owned(), self.inner.at(dir), name)
    }

    fn below(&self, dir: &str) -> Entries {
        walk::below(self.inner.root.clone(), dir.to_owned())
    }

    async fn relocate(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let (from, file) = (self.inner.at(from), to.to_owned());
        self.blocking(to, move |files| {
            let to = files.at(&file);
            let dir = to.parent().unwrap_or(&files.root);
            with_dir(dir, || fs::rename(&from, &to))?;
            files.durable.named(&files.root, &to)?;
            from.parent().map_or(Ok(()), |dir| files.prune(dir))
        })
        .await
    }

    async fn prune(&self, dir: &str) -> Result<(), StoreError> {
        let at = dir.to_owned();
        self.blocking(dir, move |files| files.prune(&files.at(&at)))
            .await
    }

    async fn has_any(&self, dir: &str) -> Result<bool, StoreError> {
        let at = dir.to_owned();
        self.blocking(dir, move |files| {
            Ok(match present(fs::read_dir(files.at(&at)))? {
                Some(mut entries) => entries.next().transpose()?.is_some(),
                None => false,
            })
        })
        .await
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        let file = path.to_owned();
        self.reading(path, move |files, reach| {
            let Some(file) = reach.open(&files.at(&file))? else {
                return Ok(None);
            };
            let reader = reader::FileReader::new(file, files.chunk)?;
            Ok(Some(Box::new(reader) as Box<dyn BlobReader>))
        })
        .await
    }

    async fn persist(&self) -> Result<(), StoreError> {
        self.inner.durable.persist().await
    }

    async fn sweep(&self, before: Timestamp, remove: bool) -> Result<usize, StoreError> {
        self.blocking(layout::TMP, move |files| {
            listing::sweep(&files.at(layout::TMP), before, remove)
        })
        .await
    }
}

#[cfg(test)]
mod tests;

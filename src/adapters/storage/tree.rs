//! What a storage service must be able to do; the ports are written over it once, for the simulation of the tests as well.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::layout;
use crate::domain::model::{Listing, Look, Page, Sight, Timestamp};
use crate::ports::{BlobReader, StoreError};

/// What [`Tree::places`] finds. An error ends it.
pub type Places = BoxStream<'static, Result<Vec<Place>, StoreError>>;

/// What [`Tree::below`] finds. An error ends it.
pub type Entries = BoxStream<'static, Result<Vec<Entry>, StoreError>>;

/// An object, or a directory with nothing in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the root.
    pub path: String,
    /// Its size and time.
    pub sight: Sight,
    /// Whether it is an empty directory.
    pub is_empty_directory: bool,
}

/// Which paths a listing shows.
pub(super) type Valid = fn(&str) -> bool;

/// A directory of a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The last part of its path.
    pub name: String,
    /// Whether the thing is in it.
    pub there: bool,
    /// The thing's size, if it is content. Of links, files would have to be asked one by one.
    pub size: u64,
    /// Whether a mark is in it.
    pub marked: bool,
}

impl Place {
    /// Counts an object of the directory.
    pub(super) fn add(&mut self, object: &str, thing: &str) {
        self.there |= object == thing;
        self.marked |= object == layout::CONDEMNED || object == layout::DYING;
    }
}

/// How many places a piece of a listing has at most.
pub(super) const PIECE: usize = 1000;

/// Small objects under paths, each replaced as a whole.
///
/// Paths are relative, made by `layout` out of parsed names only. What is not
/// there is `None`; directories are not things, and come and go by themselves.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Tree: Send + Sync {
    /// The whole object. For records and links, not for content.
    async fn read(&self, path: &str) -> Result<Option<Bytes>, StoreError>;

    /// Whether there is an object, whatever it holds.
    async fn has(&self, path: &str) -> Result<bool, StoreError> {
        Ok(self.read(path).await?.is_some())
    }

    /// Puts the object in place of whatever is there, all at once. It survives
    /// a power cut only after [`Tree::persist`].
    async fn write(&self, path: &str, bytes: Bytes) -> Result<(), StoreError>;

    /// As [`Tree::write`], but the bytes are durable before they have the name:
    /// for what must never be found empty under it.
    async fn write_synced(&self, path: &str, bytes: Bytes) -> Result<(), StoreError>;

    /// As [`Tree::write_synced`], and no other user of the machine reads it.
    async fn write_private(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.write_synced(path, bytes).await
    }

    /// The object's size and time.
    async fn stat(&self, path: &str) -> Result<Option<Sight>, StoreError>;

    /// Sets the object's time to now; false, and nothing made, where there is none.
    async fn touch(&self, path: &str) -> Result<bool, StoreError>;

    /// Sets the object's time to now, and writes `bytes` where there is none.
    async fn renew(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        if self.touch(path).await? {
            return Ok(());
        }
        self.write(path, bytes).await
    }

    /// Sets the object's time to now, and makes it, empty, where there is none;
    /// for it, no more than one directory. After a power cut, it may be as before.
    async fn stamp(&self, path: &str) -> Result<(), StoreError>;

    /// The objects in `dir`, each with its time.
    async fn times(&self, dir: &str) -> Result<Vec<(String, Timestamp)>, StoreError>;

    /// The names in `dir` whose `leaf` was read after it was written, and when
    /// it last was, not counting this program: as far as the store keeps that.
    async fn read_times(
        &self,
        dir: &str,
        leaf: &'static str,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let _ = (dir, leaf);
        Ok(Vec::new())
    }

    /// The marks in `dir`, and after them the object called `name` in it.
    async fn look(&self, dir: &str, name: &str) -> Result<Look, StoreError>;

    /// Writes `_condemned` with `id` into `dir`, or leaves the one that is
    /// there; answers the id that stands. `None` where there is no `dir`.
    async fn condemn(&self, dir: &str, id: &str) -> Result<Option<String>, StoreError>;

    /// Turns `_condemned` into `_dying` if it carries `id` and nothing is dying.
    async fn doom(&self, dir: &str, id: &str) -> Result<bool, StoreError>;

    /// Removes `_condemned`, then `_dying`.
    async fn pardon(&self, dir: &str) -> Result<(), StoreError>;

    /// Removes the object, and directories that it leaves empty.
    async fn remove(&self, path: &str) -> Result<(), StoreError>;

    /// Removes everything below `dir`. Only for directories of one owner: what
    /// somebody writes into it meanwhile may go as well (lessons.md, 8).
    async fn remove_all(&self, dir: &str) -> Result<(), StoreError>;

    /// The names in `dir` below which `leaf` exists (`""`: the name itself),
    /// in byte order.
    async fn children(
        &self,
        dir: &str,
        leaf: &str,
        page: &Page<String>,
    ) -> Result<Listing<String>, StoreError>;

    /// The directories below `root`, as paths relative to it, that contain one
    /// of the `markers`. Names with a leading `_` are not entered.
    async fn walk(
        &self,
        root: &str,
        markers: &'static [&'static str],
    ) -> Result<Vec<String>, StoreError>;

    /// As [`Tree::walk`], a page of it in byte order, without the paths that
    /// are not `valid` and what is below such.
    async fn marked(
        &self,
        root: &str,
        markers: &'static [&'static str],
        valid: Valid,
        page: &Page<String>,
    ) -> Result<Listing<String>, StoreError> {
        let all = self.walk(root, markers).await?.into_iter();
        Ok(Listing::cut(all.filter(|path| valid(path)), page))
    }

    /// Every directory below `dir`, at whatever depth, that holds an object
    /// called `name`, or a mark. In no order, in pieces.
    fn places(&self, dir: &str, name: &'static str) -> Places;

    /// Whether anything is below `dir`.
    async fn has_any(&self, dir: &str) -> Result<bool, StoreError>;

    /// Every object below `dir` (`""`: everything), and every empty directory
    /// where there are such: in byte order of the names in each directory.
    fn below(&self, dir: &str) -> Entries;

    /// Moves the object, in place of whatever is there. Where it can't be done
    /// at once, it is copied first.
    async fn relocate(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let Some(bytes) = self.read(from).await? else {
            return Ok(());
        };
        self.write_synced(to, bytes).await?;
        self.remove(from).await
    }

    /// Removes the directory if nothing is in it, and those that this leaves empty.
    async fn prune(&self, dir: &str) -> Result<(), StoreError> {
        let _ = dir;
        Ok(())
    }

    /// Opens content.
    async fn open(&self, path: &str) -> Result<Option<Box<dyn BlobReader>>, StoreError>;

    /// Returns when everything written before the call survives a power cut.
    async fn persist(&self) -> Result<(), StoreError>;

    /// Removes temporary objects older than `before`, or counts them; how many.
    async fn sweep(&self, before: Timestamp, remove: bool) -> Result<usize, StoreError>;
}

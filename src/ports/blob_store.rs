//! Content, addressed by digest and shared by every repository.

use std::any::Any;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::domain::model::{ByteStream, Digest, Found, Look};
use crate::ports::StoreError;

/// What a listing finds, in pieces.
pub type Findings = BoxStream<'static, Result<Vec<Found>, StoreError>>;

/// Bytes that never change once stored.
///
/// A digest that is not stored is `None`, never an error: an error means the
/// store could not answer.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// The mark beside the blob, and after it the blob itself.
    async fn look(&self, digest: &Digest) -> Result<Look, StoreError>;

    /// Opens the blob. What was opened can be read to its end even if the blob
    /// is removed meanwhile, on stores that can do that.
    async fn open(&self, digest: &Digest) -> Result<Option<Box<dyn BlobReader>>, StoreError>;

    /// Everything that is stored, in no order. An error ends it, and then it is
    /// not complete.
    fn list(&self) -> Findings;

    /// Takes the content away, under its lock. Asked once: after an error, it
    /// may be gone later. Removing what is not there succeeds.
    async fn remove(&self, digest: &Digest) -> Result<(), StoreError>;
}

/// A blob that is open.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait BlobReader: Send + Sync {
    /// Its size in bytes.
    fn size(&self) -> u64;

    /// The bytes of `range`, which lies within the size.
    async fn read(&self, range: Range<u64>) -> Result<ByteStream, StoreError>;

    /// The same bytes, where some of them may lie in files that the operating
    /// system can send by itself; `None` where none do.
    fn segments(&self, range: Range<u64>) -> Option<Segments> {
        let _ = range;
        None
    }
}

/// Bytes, one segment after the other. An error ends them.
pub type Segments = BoxStream<'static, io::Result<Segment>>;

/// Some bytes.
#[derive(Clone, Debug)]
pub enum Segment {
    /// Bytes that are here.
    Bytes(Bytes),
    /// At most 256 KiB of a file. Who gets it finds them in memory, and need not
    /// wait for a disk.
    File(SystemFile, Range<u64>),
}

/// A `std::fs::File`, which only adapters know.
pub type SystemFile = Arc<dyn Any + Send + Sync>;

impl Segment {
    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, range) => range.end - range.start,
        }
    }
}

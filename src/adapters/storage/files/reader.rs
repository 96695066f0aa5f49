//! Reading content: one open file, any number of ranges.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::reach::Reach;
use crate::domain::model::ByteStream;
use crate::ports::{BlobReader, Segment, Segments, StoreError};

/// How much of a file is sent at once.
const PIECE: u64 = 256 * 1024;

/// Content that stays readable after its removal, as open files do.
pub(super) struct FileReader {
    file: Arc<File>,
    size: u64,
    chunk: u64,
}

impl FileReader {
    pub(super) fn new(file: File, chunk: usize) -> io::Result<Self> {
        Ok(Self {
            size: file.metadata()?.len(),
            file: Arc::new(file),
            chunk: chunk as u64,
        })
    }
}

#[async_trait]
impl BlobReader for FileReader {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream, StoreError> {
        let (file, chunk) = (Arc::clone(&self.file), self.chunk);
        let stream = futures_util::stream::try_unfold(range, move |rest| {
            let file = Arc::clone(&file);
            async move {
                if rest.is_empty() {
                    return Ok(None);
                }
                let length = (rest.end - rest.start).min(chunk);
                let bytes = read_at(file, rest.start, length).await?;
                let next = rest.start + bytes.len() as u64;
                Ok(Some((bytes, next..rest.end)))
            }
        });
        Ok(Box::pin(stream))
    }

    fn segments(&self, range: Range<u64>) -> Option<Segments> {
        let file = Arc::clone(&self.file);
        let segments = futures_util::stream::try_unfold(range, move |rest| {
            let file = Arc::clone(&file);
            async move {
                if rest.is_empty() {
                    return Ok(None);
                }
                let end = rest.end.min(rest.start + PIECE);
                // Files are read from their beginning, and ahead: where a
                // segment's end is in memory, so is the rest of it.
                if Reach::Memory.read_at(&file, end - 1, 1).is_err() {
                    read_at(Arc::clone(&file), rest.start, end - rest.start).await?;
                }
                let segment = Segment::File(file, rest.start..end);
                Ok(Some((segment, end..rest.end)))
            }
        });
        Some(Box::pin(segments))
    }
}

/// The `length` bytes at `offset`.
async fn read_at(file: Arc<File>, offset: u64, length: u64) -> io::Result<Bytes> {
    if let Ok(bytes) = Reach::Memory.read_at(&file, offset, length) {
        return Ok(bytes.into());
    }
    tokio::task::spawn_blocking(move || Reach::Disk.read_at(&file, offset, length))
        .await
        .map_err(io::Error::other)?
        .map(Bytes::from)
}

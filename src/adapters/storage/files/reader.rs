//! Reading content: one open file, any number of ranges.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::model::ByteStream;
use crate::ports::{BlobReader, StoreError};

/// Content that stays readable after its removal, as open files do.
pub(super) struct FileReader {
    file: Arc<File>,
    size: u64,
    chunk: usize,
}

impl FileReader {
    pub(super) fn new(file: File, chunk: usize) -> io::Result<Self> {
        Ok(Self {
            size: file.metadata()?.len(),
            file: Arc::new(file),
            chunk,
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
                let length = usize::try_from(rest.end - rest.start).unwrap_or(chunk);
                let read = read_at(file, rest.start, length.min(chunk));
                let bytes = read.await?;
                let next = rest.start + bytes.len() as u64;
                Ok(Some((bytes, next..rest.end)))
            }
        });
        Ok(Box::pin(stream))
    }
}

/// The `length` bytes at `offset`. Fewer mean that the file was cut short
/// behind our back: better a broken transfer than a silently short one.
async fn read_at(file: Arc<File>, offset: u64, length: usize) -> io::Result<Bytes> {
    tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(Bytes::from(bytes))
    })
    .await
    .map_err(io::Error::other)?
}

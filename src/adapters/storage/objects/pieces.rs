//! The pieces of an upload on S3: written in parts of bounded size, and put
//! together by the service itself. No content travels back through here but
//! the seams: S3 takes no part below 5 MiB, so what two pieces contribute to
//! such a part is read and written again.
//!
//! A request that is cut off leaves nothing that counts. Its parts are given
//! up at once; what a killed process leaves of them no listing shows, and the
//! bucket's own rule for abandoned multipart uploads removes it (docs/s3.md).

use bytes::Bytes;
use futures_util::StreamExt;
use opendal::{Operator, Writer};

use super::{Objects, unavailable};
use crate::domain::model::{ByteStream, Piece, UploadSession};
use crate::ports::{AppendError, StoreError};

/// S3 makes no object of more parts.
const MOST_PARTS: u64 = 10_000;

/// The sizes in which S3 is given content.
#[derive(Clone, Copy, Debug)]
pub(in crate::adapters::storage) struct Parts {
    /// Of an uploaded part. What one transfer buffers is about three of them.
    pub(in crate::adapters::storage) size: usize,
    /// From which size on a copy is made in parts.
    pub(in crate::adapters::storage) copy_threshold: u64,
    /// The size of such a part.
    pub(in crate::adapters::storage) copy_chunk: u64,
    /// How many such parts are copied at a time.
    pub(in crate::adapters::storage) copy_jobs: usize,
}

impl Parts {
    /// In which steps so much is copied.
    fn step(&self, size: u64) -> u64 {
        if size < self.copy_threshold {
            return size;
        }
        self.copy_chunk.max(size.div_ceil(MOST_PARTS))
    }
}

/// A name that no other write has.
pub(super) fn name(number: usize) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{number:06}-{}", &random[..16])
}

/// A write that is given up, parts and all, if it is dropped before its end.
struct Writing {
    writer: Option<Writer>,
    path: String,
    size: u64,
}

impl Writing {
    async fn begin(
        operator: &Operator,
        path: String,
        part: Option<usize>,
        jobs: usize,
    ) -> Result<Self, StoreError> {
        let mut options = operator.writer_with(&path).concurrent(jobs);
        if let Some(part) = part {
            options = options.chunk(part);
        }
        let writer = options.await.map_err(|e| unavailable(&path, e))?;
        Ok(Self {
            writer: Some(writer),
            path,
            size: 0,
        })
    }

    fn writer(&mut self) -> Result<&mut Writer, StoreError> {
        let ended = || unavailable(&self.path, "the write has ended");
        self.writer.as_mut().ok_or_else(ended)
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let size = bytes.len() as u64;
        let written = self.writer()?.write(bytes).await;
        written.map_err(|source| unavailable(&self.path, source))?;
        self.size += size;
        Ok(())
    }

    async fn copy(&mut self, from: &str, range: std::ops::Range<u64>) -> Result<(), StoreError> {
        let copied = self.writer()?.copy_from(from, range).await;
        copied.map_err(|source| unavailable(&self.path, source))
    }

    async fn end(mut self) -> Result<u64, StoreError> {
        let closed = self.writer()?.close().await;
        closed.map_err(|source| unavailable(&self.path, source))?;
        self.writer = None;
        Ok(self.size)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let (Some(mut writer), path) = (self.writer.take(), std::mem::take(&mut self.path)) else {
            return;
        };
        // Outside a runtime the process is at its end.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%error, path, "the parts of a broken upload may be left in the bucket");
                }
            });
        }
    }
}

impl Objects {
    /// Streams the bytes into pieces: one, unless they are more than S3 takes
    /// as parts of one object.
    pub(super) async fn append_pieces(
        &self,
        parts: &Parts,
        dir: &str,
        session: &UploadSession,
        mut stream: ByteStream,
    ) -> Result<UploadSession, AppendError> {
        let most = parts.size as u64 * MOST_PARTS;
        let mut longer = session.clone();
        let mut open: Option<(String, Writing)> = None;
        while let Some(chunk) = stream.next().await {
            let mut chunk = chunk.map_err(AppendError::Body)?;
            longer.hasher.update(&chunk);
            while !chunk.is_empty() {
                let (name, mut writing) = match open.take() {
                    Some(open) => open,
                    None => self.begin_piece(parts, dir, &longer).await?,
                };
                let room = usize::try_from(most - writing.size).unwrap_or(usize::MAX);
                writing.write(chunk.split_to(room.min(chunk.len()))).await?;
                if writing.size == most {
                    let size = writing.end().await?;
                    longer.pieces.push(Piece { name, size });
                } else {
                    open = Some((name, writing));
                }
            }
        }
        if let Some((name, writing)) = open {
            let size = writing.end().await?;
            longer.pieces.push(Piece { name, size });
        }
        Ok(longer)
    }

    async fn begin_piece(
        &self,
        parts: &Parts,
        dir: &str,
        session: &UploadSession,
    ) -> Result<(String, Writing), StoreError> {
        let number = session.pieces.len();
        if number as u64 >= MOST_PARTS {
            let why = "an upload of more than 10000 pieces can't be put together";
            return Err(unavailable(dir, why));
        }
        let name = name(number);
        let path = format!("{dir}/{name}");
        let writing = Writing::begin(&self.operator, path, Some(parts.size), 1).await?;
        Ok((name, writing))
    }

    /// Makes the pieces one object, without their bytes coming here.
    pub(super) async fn join(
        &self,
        parts: &Parts,
        dir: &str,
        pieces: &[Piece],
        to: &str,
    ) -> Result<(), StoreError> {
        match pieces {
            [] => self.put(to, Bytes::new()).await,
            [piece] => self.copy(parts, dir, piece, to).await,
            _ => self.compose(parts, dir, pieces, to).await,
        }
    }

    async fn copy(
        &self,
        parts: &Parts,
        dir: &str,
        piece: &Piece,
        to: &str,
    ) -> Result<(), StoreError> {
        let from = format!("{dir}/{}", piece.name);
        let mut copy = self
            .operator
            .copy_with(&from, to)
            .source_content_length_hint(piece.size);
        let step = parts.step(piece.size);
        if step < piece.size {
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            copy = copy.chunk(step).concurrent(parts.copy_jobs);
        }
        let copied = copy.await;
        copied.map(drop).map_err(|source| unavailable(to, source))
    }

    /// The writer has no part size: with one, it would fetch everything in
    /// order to cut it anew.
    async fn compose(
        &self,
        parts: &Parts,
        dir: &str,
        pieces: &[Piece],
        to: &str,
    ) -> Result<(), StoreError> {
        let mut whole =
            Writing::begin(&self.operator, to.to_owned(), None, parts.copy_jobs).await?;
        for piece in pieces {
            let from = format!("{dir}/{}", piece.name);
            let step = parts.step(piece.size).max(1);
            let mut at = 0;
            while at < piece.size {
                let end = piece.size.min(at + step);
                whole.copy(&from, at..end).await?;
                at = end;
            }
        }
        whole.end().await.map(drop)
    }
}

#[cfg(test)]
mod tests;

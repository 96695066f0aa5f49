//! The pieces of an upload on S3: received in parts, of which one is in memory
//! at a time, and put together by the service itself. No content travels back
//! through here but the seams: S3 takes no part below 5 MiB, so what small
//! pieces contribute to such a part is read and sent again.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::Mutex;

use super::{Objects, S3, Service, unavailable};
use crate::adapters::storage::s3::{Part, Upload};
use crate::adapters::storage::tree::Tree;
use crate::domain::model::{ByteStream, Piece, UploadSession};
use crate::ports::{AppendError, StoreError};

mod plan;

pub(in crate::adapters::storage) use plan::Parts;
use plan::{MOST_PARTS, Range, Source};

/// A name that no other write has.
pub(super) fn name(number: usize) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{number:06}-{}", &random[..16])
}

/// A piece that is being received.
struct Receiving {
    name: String,
    path: String,
    size: u64,
    /// What is not sent yet: no more than a part.
    buffer: BytesMut,
    /// Begun when there is more than one part.
    upload: Option<Upload>,
    parts: Vec<Part>,
}

impl Objects {
    /// Streams the bytes into pieces: one, unless they are more than S3 takes
    /// as parts of one object.
    pub(super) async fn append_pieces(
        &self,
        s3: &S3,
        dir: &str,
        session: &UploadSession,
        mut stream: ByteStream,
    ) -> Result<UploadSession, AppendError> {
        let most = s3.parts.size as u64 * MOST_PARTS;
        let mut longer = session.clone();
        let mut open: Option<Receiving> = None;
        while let Some(chunk) = stream.next().await {
            let mut chunk = chunk.map_err(AppendError::Body)?;
            longer.hasher.update(&chunk);
            while !chunk.is_empty() {
                let mut piece = match open.take() {
                    Some(piece) if piece.size < most => piece,
                    full => {
                        if let Some(full) = full {
                            longer.pieces.push(self.received(full).await?);
                        }
                        begin(dir, longer.pieces.len())?
                    }
                };
                let room = s3.parts.size - piece.buffer.len();
                if room == 0 {
                    piece.flush(s3).await?;
                } else {
                    let bytes = chunk.split_to(room.min(chunk.len()));
                    piece.take(&bytes, s3.parts.size);
                }
                open = Some(piece);
            }
        }
        if let Some(piece) = open {
            longer.pieces.push(self.received(piece).await?);
        }
        Ok(longer)
    }

    /// The end of a piece.
    async fn received(&self, mut piece: Receiving) -> Result<Piece, StoreError> {
        let Receiving { name, size, .. } = piece;
        let Some(upload) = piece.upload.take() else {
            self.put(&piece.path, piece.buffer.freeze()).await?;
            return Ok(Piece { name, size });
        };
        let failed = |source| unavailable(&piece.path, source);
        let number = piece.parts.len() + 1;
        let last = upload.send(number, piece.buffer.freeze()).await;
        piece.parts.push(last.map_err(failed)?);
        match upload.end(&piece.parts).await {
            // Nobody else writes to the name: if it is there, an answer was lost.
            Err(e) if e.kind() == opendal::ErrorKind::NotFound => {
                match self.sight(&piece.path).await? {
                    Some(stored) if stored.size == size => Ok(Piece { name, size }),
                    _ => Err(failed(e)),
                }
            }
            ended => ended.map(|()| Piece { name, size }).map_err(failed),
        }
    }

    /// Makes the pieces one object, without their bytes coming here.
    pub(super) async fn join(
        &self,
        s3: &S3,
        dir: &str,
        pieces: &[Piece],
        to: &str,
    ) -> Result<(), StoreError> {
        match pieces {
            [piece] if piece.size < s3.parts.copy_threshold => {
                let from = format!("{dir}/{}", piece.name);
                let copy = s3.moving.copy_with(&from, to);
                let copied = copy.source_content_length_hint(piece.size).await;
                copied.map(drop).map_err(|source| unavailable(to, source))
            }
            _ => self.compose(s3, dir, pieces, to).await,
        }
    }

    async fn compose(
        &self,
        s3: &S3,
        dir: &str,
        pieces: &[Piece],
        to: &str,
    ) -> Result<(), StoreError> {
        let sources = s3.parts.plan(pieces);
        match &sources[..] {
            [] => return self.put(to, Bytes::new()).await,
            [Source::Seam(all)] => return self.put(to, self.seam(dir, pieces, all).await?).await,
            _ => {}
        }
        let failed = |source| unavailable(to, source);
        let upload = Upload::begin(&s3.client, to).await.map_err(failed)?;
        // Copies cost no memory; a seam is in it, so there is one at a time.
        let (upload_to, one_seam) = (&upload, &Mutex::new(()));
        let made = sources.iter().zip(1..).map(|(source, number)| async move {
            match source {
                Source::Copy(range) => {
                    let from = format!("{dir}/{}", pieces[range.piece].name);
                    let copied = upload_to.copy(number, &from, range.bytes.clone()).await;
                    copied.map_err(failed)
                }
                Source::Seam(ranges) => {
                    let _alone = one_seam.lock().await;
                    let content = self.seam(dir, pieces, ranges).await?;
                    upload_to.send(number, content).await.map_err(failed)
                }
            }
        });
        let made = futures_util::stream::iter(made.collect::<Vec<_>>());
        let made: Vec<Part> = made.buffered(s3.parts.copy_jobs).try_collect().await?;
        upload.end(&made).await.map_err(failed)
    }

    /// Moves the object, which the service copies by itself where it can.
    pub(super) async fn move_to(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let Some(seen) = self.sight(from).await? else {
            return Ok(());
        };
        if let (Service::S3(s3), Some((dir, name))) = (&self.service, from.rsplit_once('/')) {
            let (name, size) = (name.to_owned(), seen.size);
            self.join(s3, dir, &[Piece { name, size }], to).await?;
        } else {
            let bytes = self.get(from).await?.unwrap_or_default();
            self.put(to, bytes).await?;
        }
        self.remove(from).await
    }

    /// What several pieces contribute to one part.
    async fn seam(
        &self,
        dir: &str,
        pieces: &[Piece],
        ranges: &[Range],
    ) -> Result<Bytes, StoreError> {
        let mut seam = Vec::new();
        for range in ranges {
            let path = format!("{dir}/{}", pieces[range.piece].name);
            let content = self.operator.read_with(&path).range(range.bytes.clone());
            for bytes in content.await.map_err(|e| unavailable(&path, e))? {
                seam.extend_from_slice(&bytes);
            }
        }
        Ok(Bytes::from(seam))
    }
}

fn begin(dir: &str, number: usize) -> Result<Receiving, StoreError> {
    if number as u64 >= MOST_PARTS {
        let why = "an upload of more than 10000 pieces can't be put together";
        return Err(unavailable(dir, why));
    }
    let name = name(number);
    Ok(Receiving {
        path: format!("{dir}/{name}"),
        name,
        size: 0,
        buffer: BytesMut::new(),
        upload: None,
        parts: Vec::new(),
    })
}

impl Receiving {
    /// Copied, so that no more than a part is held: what a network frame came
    /// in may be much larger than the frame.
    fn take(&mut self, bytes: &[u8], part: usize) {
        if self.buffer.capacity() < part {
            self.buffer.reserve(part - self.buffer.len());
        }
        self.buffer.extend_from_slice(bytes);
        self.size += bytes.len() as u64;
    }

    /// Sends what is held, and uses its memory again.
    async fn flush(&mut self, s3: &S3) -> Result<(), StoreError> {
        let failed = |source| unavailable(&self.path, source);
        let upload = if let Some(upload) = self.upload.take() {
            upload
        } else {
            let begun = Upload::begin(&s3.client, &self.path).await;
            begun.map_err(failed)?
        };
        let upload = self.upload.insert(upload);
        let full = std::mem::take(&mut self.buffer).freeze();
        let sent = upload.send(self.parts.len() + 1, full.clone()).await;
        self.parts.push(sent.map_err(failed)?);
        if let Ok(mut buffer) = full.try_into_mut() {
            buffer.clear();
            self.buffer = buffer;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

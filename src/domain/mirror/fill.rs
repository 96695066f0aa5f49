//! Fills: a blob on its way from an upstream into the store, and whoever reads it meanwhile.
//!
//! What has arrived lies in the upload session, as far as that was appended,
//! and beyond it in the window, which is what the append under way has taken
//! so far. Readers take it from there at their own pace; nobody waits for them.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::poll_fn;
use futures_util::{StreamExt, TryStreamExt};

use crate::domain::error::RegistryError;
use crate::domain::model::{ByteStream, Digest, RepositoryName, UploadSession};
use crate::ports::{BlobReader, BlobStore, Segment, Segments, StoreError, UploadSessions};

/// How far one fill has come.
#[derive(Default)]
pub(super) struct Fill(Mutex<State>);

#[derive(Default)]
struct State {
    size: Option<u64>,
    session: Option<Arc<UploadSession>>,
    /// What is not in the session yet, each piece with its offset.
    window: Vec<(u64, Bytes)>,
    arrived: u64,
    stage: Stage,
    waiting: Vec<Waker>,
}

#[derive(Clone, Default)]
enum Stage {
    #[default]
    Arriving,
    /// All of it is here, and has the digest.
    Verified,
    Stored,
    Failed(Arc<RegistryError>),
}

/// Where a reader goes on.
enum Next {
    Here(Bytes),
    Staged(Arc<UploadSession>, u64),
    Stored,
}

impl Fill {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waiting = {
            let mut state = self.state();
            change(&mut state);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    async fn wait<T>(&self, mut ready: impl FnMut(&State) -> Option<T>) -> T {
        poll_fn(|context| {
            let mut state = self.state();
            if let Some(value) = ready(&state) {
                return Poll::Ready(value);
            }
            let waker = context.waker();
            if !state.waiting.iter().any(|it| it.will_wake(waker)) {
                state.waiting.push(waker.clone());
            }
            Poll::Pending
        })
        .await
    }

    /// The blob was found, and has so many bytes.
    pub(super) fn begins(&self, size: u64) {
        self.change(|state| state.size = Some(size));
    }

    /// These bytes arrived.
    pub(super) fn receives(&self, bytes: Bytes) {
        self.change(|state| {
            let at = state.arrived;
            state.arrived += bytes.len() as u64;
            state.window.push((at, bytes));
        });
    }

    /// What arrived until now is in the session.
    pub(super) fn stages(&self, session: &UploadSession) {
        self.change(|state| {
            state.window.clear();
            state.session = Some(Arc::new(session.clone()));
        });
    }

    /// All of it is here, and has the digest.
    pub(super) fn is_verified(&self) {
        self.change(|state| state.stage = Stage::Verified);
    }

    /// The blob is stored, with so many bytes.
    pub(super) fn is_stored(&self, size: u64) {
        self.change(|state| {
            state.size = Some(size);
            state.stage = Stage::Stored;
        });
    }

    /// It failed, unless it came to an end before.
    pub(super) fn fails(&self, error: RegistryError) {
        self.change(|state| {
            if matches!(state.stage, Stage::Arriving | Stage::Verified) {
                state.stage = Stage::Failed(Arc::new(error));
            }
        });
    }

    /// The blob's size, once it was found. One without bytes is awaited to its
    /// end: there is no byte to hold back from who reads it.
    pub(super) async fn size(&self) -> Result<u64, Arc<RegistryError>> {
        self.wait(|state| match (&state.stage, state.size) {
            (Stage::Failed(error), _) => Some(Err(Arc::clone(error))),
            (Stage::Arriving, Some(0)) | (_, None) => None,
            (_, Some(size)) => Some(Ok(size)),
        })
        .await
    }

    /// Where the bytes from `at` on are. The last byte of the blob is held back
    /// until its digest is known: nobody comes to a good end with a wrong blob.
    async fn next(&self, at: u64, end: u64) -> Result<Next, Arc<RegistryError>> {
        self.wait(|state| {
            let size = state.size.unwrap_or(0);
            let usable = match &state.stage {
                Stage::Failed(error) => return Some(Err(Arc::clone(error))),
                Stage::Arriving => state.arrived.min(size.saturating_sub(1)),
                Stage::Verified | Stage::Stored => state.arrived,
            };
            let usable = usable.min(end);
            let here = state.window.partition_point(|(offset, _)| *offset <= at);
            if at < usable && here > 0 {
                let (offset, bytes) = &state.window[here - 1];
                let within = |position: u64| usize::try_from(position - offset).unwrap_or(0);
                let until = within(usable).min(bytes.len());
                return Some(Ok(Next::Here(bytes.slice(within(at)..until))));
            }
            match (&state.stage, &state.session) {
                (Stage::Stored, _) => Some(Ok(Next::Stored)),
                (_, Some(session)) if at < usable => {
                    let until = usable.min(session.offset());
                    Some(Ok(Next::Staged(Arc::clone(session), until)))
                }
                _ => None,
            }
        })
        .await
    }

    fn has_been_stored(&self) -> bool {
        matches!(self.state().stage, Stage::Stored)
    }
}

/// A blob that is open while it is filled.
#[derive(Clone)]
pub(super) struct FillReader {
    pub(super) fill: Arc<Fill>,
    pub(super) sessions: Arc<dyn UploadSessions>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) repository: RepositoryName,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// What a reader is about to read.
struct Reading {
    reader: FillReader,
    rest: Range<u64>,
    in_files: bool,
    part: Option<Part>,
}

/// Some of it, as one stream.
struct Part {
    segments: Segments,
    is_staged: bool,
}

#[async_trait]
impl BlobReader for FillReader {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream, StoreError> {
        let bytes = self.follow(range, false).map(|segment| match segment? {
            Segment::Bytes(bytes) => Ok(bytes),
            Segment::File(..) => Err(io::ErrorKind::Unsupported.into()),
        });
        Ok(Box::pin(bytes))
    }

    fn segments(&self, range: Range<u64>) -> Option<Segments> {
        Some(self.follow(range, true))
    }
}

impl FillReader {
    /// The bytes, as they come; from files as such, if wanted.
    fn follow(&self, range: Range<u64>, in_files: bool) -> Segments {
        let reading = Reading {
            reader: self.clone(),
            rest: range,
            in_files,
            part: None,
        };
        let segments = futures_util::stream::try_unfold(reading, |mut reading| async move {
            let segment = reading.next().await?;
            Ok(segment.map(|segment| (segment, reading)))
        });
        Box::pin(segments)
    }
}

impl Reading {
    async fn next(&mut self) -> io::Result<Option<Segment>> {
        while !self.rest.is_empty() {
            let segment = match self.part.take() {
                None => self.open().await?,
                Some(mut part) => match part.segments.next().await {
                    Some(Ok(segment)) => {
                        self.part = Some(part);
                        Some(segment)
                    }
                    None => None,
                    // A session goes once the blob is stored: it is there then.
                    Some(Err(_)) if part.is_staged && self.reader.fill.has_been_stored() => None,
                    Some(Err(error)) => return Err(error),
                },
            };
            if let Some(segment) = segment {
                self.rest.start += segment.size();
                return Ok(Some(segment));
            }
        }
        Ok(None)
    }

    /// The next bytes, or none where a part was opened that has them.
    async fn open(&mut self) -> io::Result<Option<Segment>> {
        let FillReader {
            fill,
            sessions,
            blobs,
            repository,
            digest,
            ..
        } = &self.reader;
        let Range { start, end } = self.rest;
        let next = fill.next(start, end).await.map_err(io::Error::other)?;
        let (opened, until, is_staged) = match next {
            Next::Here(bytes) => return Ok(Some(Segment::Bytes(bytes))),
            Next::Staged(session, until) => {
                match sessions.open(repository, &session).await {
                    // It has gone to where the blob is.
                    Ok(None) | Err(_) if fill.has_been_stored() => return Ok(None),
                    opened => (opened, until, true),
                }
            }
            Next::Stored => (blobs.open(digest).await, end, false),
        };
        let reader = opened.map_err(io::Error::other)?;
        let reader = reader.ok_or(io::ErrorKind::NotFound)?;
        let in_files = self.in_files.then(|| reader.segments(start..until));
        let segments = match in_files.flatten() {
            Some(segments) => segments,
            None => {
                let bytes = reader.read(start..until).await.map_err(io::Error::other)?;
                Box::pin(bytes.map_ok(Segment::Bytes))
            }
        };
        self.part = Some(Part {
            segments,
            is_staged,
        });
        Ok(None)
    }
}

#[cfg(test)]
mod tests;

//! Fills: a blob on its way from an upstream into the store, and whoever reads it meanwhile.
//!
//! What has arrived lies in the upload session, as far as that was appended,
//! and beyond it in the window, which is what the append under way has taken
//! so far. Readers take it from there at their own pace; nobody waits for them.
//! A crowd that keeps pace would have each byte copied for each of its clients,
//! so where the session is a file, who can be sent files waits for it a little.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{Either, poll_fn, select};
use futures_util::{StreamExt, TryStreamExt};

use crate::domain::error::RegistryError;
use crate::domain::model::{ByteStream, Digest};
use crate::ports::{BlobReader, BlobStore, Clock, Segment, Segments, StoreError};

/// How long what is in memory is left there, for it to be in a file.
const PATIENCE: Duration = Duration::from_millis(200);

/// How far one fill has come.
#[derive(Default)]
pub(super) struct Fill(Mutex<State>);

#[derive(Default)]
struct State {
    size: Option<u64>,
    staged: Option<Staged>,
    /// What is not in the session yet, each piece with its offset.
    window: Vec<(u64, Bytes)>,
    arrived: u64,
    stage: Stage,
    waiting: Vec<Waker>,
    /// Who waits for more in the session.
    patient: Vec<Waker>,
}

/// What is in the session.
#[derive(Clone)]
struct Staged {
    reader: Arc<dyn BlobReader>,
    until: u64,
    in_files: bool,
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
    Staged(Arc<dyn BlobReader>, u64),
    Stored,
}

impl Fill {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let (waiting, patient) = {
            let mut state = self.state();
            change(&mut state);
            let state = &mut *state;
            (
                std::mem::take(&mut state.waiting),
                std::mem::take(&mut state.patient),
            )
        };
        waiting.into_iter().chain(patient).for_each(Waker::wake);
    }

    async fn wait<T>(&self, patient: bool, mut ready: impl FnMut(&State) -> Option<T>) -> T {
        poll_fn(|context| {
            let mut state = self.state();
            if let Some(value) = ready(&state) {
                return Poll::Ready(value);
            }
            let list = if patient && state.is_in_files() {
                &mut state.patient
            } else {
                &mut state.waiting
            };
            let waker = context.waker();
            if !list.iter().any(|it| it.will_wake(waker)) {
                list.push(waker.clone());
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
        let waiting = {
            let mut state = self.state();
            let at = state.arrived;
            state.arrived += bytes.len() as u64;
            state.window.push((at, bytes));
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// What arrived until now, so many bytes, is in the session.
    pub(super) fn stages(&self, reader: Arc<dyn BlobReader>, until: u64) {
        let in_files = reader.segments(0..until.min(1)).is_some();
        self.change(|state| {
            state.window.clear();
            state.staged = Some(Staged {
                reader,
                until,
                in_files,
            });
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
        self.wait(false, |state| match (&state.stage, state.size) {
            (Stage::Failed(error), _) => Some(Err(Arc::clone(error))),
            (Stage::Arriving, Some(0)) | (_, None) => None,
            (_, Some(size)) => Some(Ok(size)),
        })
        .await
    }

    /// Where the bytes from `at` on are. The last byte of the blob is held back
    /// until its digest is known: nobody comes to a good end with a wrong blob.
    /// Who is patient takes what is in files only, if anything is.
    async fn next(&self, at: u64, end: u64, patient: bool) -> Result<Next, Arc<RegistryError>> {
        self.wait(patient, |state| {
            let size = state.size.unwrap_or(0);
            let usable = match &state.stage {
                Stage::Failed(error) => return Some(Err(Arc::clone(error))),
                Stage::Arriving => state.arrived.min(size.saturating_sub(1)),
                Stage::Verified | Stage::Stored => state.arrived,
            };
            let usable = usable.min(end);
            let here = state.window.partition_point(|(offset, _)| *offset <= at);
            let takes_window = !patient || !state.is_in_files();
            if at < usable && here > 0 && takes_window {
                let (offset, bytes) = &state.window[here - 1];
                let within = |position: u64| usize::try_from(position - offset).unwrap_or(0);
                let until = within(usable).min(bytes.len());
                return Some(Ok(Next::Here(bytes.slice(within(at)..until))));
            }
            match (&state.stage, &state.staged) {
                (Stage::Stored, _) => Some(Ok(Next::Stored)),
                (_, Some(staged)) if at < usable.min(staged.until) => {
                    let until = usable.min(staged.until);
                    Some(Ok(Next::Staged(Arc::clone(&staged.reader), until)))
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

impl State {
    fn is_in_files(&self) -> bool {
        self.staged.as_ref().is_some_and(|it| it.in_files)
    }
}

/// A blob that is open while it is filled.
#[derive(Clone)]
pub(super) struct FillReader {
    pub(super) fill: Arc<Fill>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// What a reader is about to read.
struct Reading {
    reader: FillReader,
    rest: Range<u64>,
    in_files: bool,
    /// Up to where it has waited for long enough.
    overdue: u64,
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
            overdue: 0,
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

    /// Where it goes on.
    async fn find(&mut self) -> Result<Next, Arc<RegistryError>> {
        let FillReader { fill, clock, .. } = &self.reader;
        let Range { start, end } = self.rest;
        if !self.in_files || start < self.overdue {
            return fill.next(start, end, false).await;
        }
        let next = std::pin::pin!(fill.next(start, end, true));
        match select(next, clock.sleep(PATIENCE)).await {
            Either::Left((next, _)) => next,
            Either::Right(_) => {
                self.overdue = fill.state().arrived;
                fill.next(start, end, false).await
            }
        }
    }

    /// The next bytes, or none where a part was opened that has them.
    async fn open(&mut self) -> io::Result<Option<Segment>> {
        let next = self.find().await.map_err(io::Error::other)?;
        let FillReader { blobs, digest, .. } = &self.reader;
        let Range { start, end } = self.rest;
        let (reader, until, is_staged) = match next {
            Next::Here(bytes) => return Ok(Some(Segment::Bytes(bytes))),
            Next::Staged(reader, until) => (reader, until, true),
            Next::Stored => {
                let stored = blobs.open(digest).await.map_err(io::Error::other)?;
                let stored = stored.ok_or(io::ErrorKind::NotFound)?;
                (Arc::from(stored), end, false)
            }
        };
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

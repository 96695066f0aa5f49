//! Holes: places in a response that the kernel fills from a file by itself.
//!
//! hyper sends bytes, so it is given some: slices of a stretch of memory that
//! nobody ever touches. The socket knows them by their address and sends what
//! the file has in their place (measured: 0.2 s of CPU for a GiB; 0.5 s with
//! bytes that pass through here). That takes a hyper that hands slices on as
//! they are, which it does for HTTP/1.1 on a socket that takes several at once;
//! nothing else gets holes. Should one be out of its turn, the connection breaks
//! before anything wrong is sent.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::body::ResponseBody;
use crate::ports::{Segment, Segments};

/// The longest hole.
const LENGTH: usize = 256 * 1024;

/// How many may wait to be filled: hyper takes no more than half a megabyte.
const MOST: usize = 8;

/// Where holes are: memory that is never used, and so takes none.
static GROUND: LazyLock<Bytes> = LazyLock::new(|| vec![0; MOST * LENGTH].into());

/// The holes that are on their way through one connection, in their order.
#[derive(Debug, Default)]
pub struct Holes(Mutex<Line>);

#[derive(Debug, Default)]
struct Line {
    dug: usize,
    waiting: VecDeque<Hole>,
}

#[derive(Debug)]
struct Hole {
    address: usize,
    file: Arc<File>,
    rest: Range<u64>,
}

impl Holes {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A body of the segments, with holes for those that lie in files.
    pub fn body(self: &Arc<Self>, segments: Segments) -> ResponseBody {
        let holes = Arc::clone(self);
        let frames = segments.map(move |segment| {
            let bytes = match segment? {
                Segment::Bytes(bytes) => bytes,
                Segment::File(file, range) => {
                    let file = file.downcast::<File>().map_err(|_| out_of_turn())?;
                    holes.dig(&file, range)?
                }
            };
            Ok(Frame::data(bytes))
        });
        StreamBody::new(frames).boxed_unsync()
    }

    fn dig(&self, file: &Arc<File>, rest: Range<u64>) -> io::Result<Bytes> {
        let length = usize::try_from(rest.end - rest.start).unwrap_or(usize::MAX);
        let mut line = self.line();
        if length > LENGTH || line.waiting.len() >= MOST {
            return Err(out_of_turn());
        }
        let at = line.dug % MOST * LENGTH;
        let hole = GROUND.slice(at..at + length);
        line.dug += 1;
        line.waiting.push_back(Hole {
            address: hole.as_ptr().addr(),
            file: Arc::clone(file),
            rest,
        });
        Ok(hole)
    }

    /// Whether these bytes are none, but a hole.
    pub fn is_one(bytes: &[u8]) -> bool {
        let start = GROUND.as_ptr().addr();
        (start..start + GROUND.len()).contains(&bytes.as_ptr().addr())
    }

    /// What belongs in place of the slices, the first of which is a hole: the
    /// file, and which part of it.
    pub fn content(&self, slices: &[IoSlice<'_>]) -> io::Result<(Arc<File>, Range<u64>)> {
        let line = self.line();
        let mut content: Option<(Arc<File>, Range<u64>)> = None;
        let mut holes = line.waiting.iter();
        let mut hole: Option<(&Hole, usize, u64)> = None;
        for slice in slices {
            // Several slices may lie in one hole: it goes to hyper piece by piece.
            let (inside, address, offset) = match hole.take() {
                Some((inside, address, offset)) if offset < inside.rest.end => {
                    (inside, address, offset)
                }
                _ => match holes.next() {
                    Some(next) => (next, next.address, next.rest.start),
                    None => break,
                },
            };
            let end = offset + slice.len() as u64;
            if slice.as_ptr().addr() != address || end > inside.rest.end {
                break;
            }
            match &mut content {
                None => content = Some((Arc::clone(&inside.file), offset..end)),
                Some((file, range)) if Arc::ptr_eq(file, &inside.file) && range.end == offset => {
                    range.end = end;
                }
                Some(_) => break,
            }
            hole = Some((inside, address + slice.len(), end));
        }
        content.ok_or_else(out_of_turn)
    }

    /// So many bytes of it have been sent.
    pub fn filled(&self, bytes: usize) {
        let mut line = self.line();
        let mut left = bytes as u64;
        while let Some(hole) = line.waiting.front_mut() {
            let length = (hole.rest.end - hole.rest.start).min(left);
            left -= length;
            hole.rest.start += length;
            hole.address += usize::try_from(length).unwrap_or(usize::MAX);
            if !hole.rest.is_empty() {
                return;
            }
            line.waiting.pop_front();
        }
    }
}

fn out_of_turn() -> io::Error {
    io::Error::other("a hole in a response is out of its turn")
}

#[cfg(test)]
mod tests;

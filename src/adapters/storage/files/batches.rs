//! Batches: what is hashed and written at once.
//!
//! The kernel keeps what is written in one call, at a multiple of its length, in
//! large pieces of its memory, and sends it at a third less of the CPU
//! (docs/performance.md).

use std::fs::File;
use std::io::{self, IoSlice, Write};

use bytes::Bytes;
use futures_util::StreamExt;

use crate::domain::model::ByteStream;

/// A stream, cut where its bytes will lie at a multiple of `size` in the file.
pub(super) struct Batches<'a> {
    stream: &'a mut ByteStream,
    /// What was received beyond the last batch.
    rest: Bytes,
    /// How far the next cut is.
    left: usize,
    size: usize,
}

impl<'a> Batches<'a> {
    /// Batches of a stream whose first byte goes to `start`.
    pub(super) fn new(stream: &'a mut ByteStream, start: u64, size: usize) -> Self {
        let beyond = usize::try_from(start % size as u64).unwrap_or(0);
        Self {
            stream,
            rest: Bytes::new(),
            left: size - beyond,
            size,
        }
    }

    /// The next batch, and how the stream ended if it did.
    pub(super) async fn next(&mut self) -> (Vec<Bytes>, Option<io::Result<()>>) {
        let mut batch = Vec::new();
        loop {
            if !self.rest.is_empty() {
                let piece = self.rest.split_to(self.left.min(self.rest.len()));
                self.left -= piece.len();
                batch.push(piece);
            }
            if self.left == 0 {
                self.left = self.size;
                return (batch, None);
            }
            match self.stream.next().await {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(e)) => return (batch, Some(Err(e))),
                None => return (batch, Some(Ok(()))),
            }
        }
    }
}

/// Writes the pieces one behind the other, in one call if the system takes them.
pub(super) fn write_all(file: &mut File, pieces: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|it| IoSlice::new(it)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut left, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

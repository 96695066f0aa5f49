//! Chunks: what a request says of the part that it sends.

use futures_util::StreamExt;

use crate::domain::error::RegistryError;
use crate::domain::model::{ByteStream, UploadSession};

/// Where a chunk says it lies (`Content-Range: <first>-<last>`), both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /// The offset of its first byte.
    pub first: u64,
    /// The offset of its last byte.
    pub last: u64,
}

/// How many bytes the chunk must have, if anything says so; an error where the
/// range does not continue the session, or contradicts the declared length.
pub(super) fn expected_length(
    session: &UploadSession,
    range: Option<ChunkRange>,
    declared: Option<u64>,
) -> Result<Option<u64>, RegistryError> {
    let Some(range) = range else {
        return Ok(declared);
    };
    if range.first != session.offset() || range.last < range.first {
        return Err(RegistryError::UploadInvalid(Box::new(session.clone())));
    }
    let length = (range.last - range.first).saturating_add(1);
    match declared {
        Some(declared) if declared != length => Err(RegistryError::SizeInvalid(format!(
            "Content-Range announces {length} bytes, Content-Length {declared}"
        ))),
        _ => Ok(Some(length)),
    }
}

/// The stream, but no more than one byte beyond `limit`: enough to see that it
/// is too long, without storing all of it.
pub(super) fn bounded(stream: ByteStream, limit: u64) -> ByteStream {
    let mut left = limit.saturating_add(1);
    let stream = stream.map(move |chunk| {
        chunk.map(|mut bytes| {
            let keep = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            bytes.truncate(keep);
            left -= keep as u64;
            (bytes, left)
        })
    });
    // Once the surplus byte is in, the rest is not even read.
    let mut over = false;
    Box::pin(
        stream
            .take_while(move |chunk| {
                let go_on = !over;
                over = matches!(chunk, Ok((_, 0)));
                futures_util::future::ready(go_on)
            })
            .map(|chunk| chunk.map(|(bytes, _)| bytes)),
    )
}

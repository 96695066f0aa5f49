//! Content on its way: streams of bytes, and what can be opened to get one.

use std::io;

use bytes::Bytes;
use futures_util::stream::BoxStream;

/// Bytes as they come. An error ends the stream; what came before it stands.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// A request's body: the bytes, and how many the client declared.
pub struct Body {
    /// The bytes.
    pub stream: ByteStream,
    /// The declared length, where there is one. It is exact: a body of another
    /// length is refused (lessons.md, correctness 22).
    pub length: Option<u64>,
}

impl Body {
    /// A body that is known whole.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self {
            length: Some(bytes.len() as u64),
            stream: Box::pin(futures_util::stream::once(async { Ok(bytes) })),
        }
    }
}

//! Several ranges in one answer (RFC 9110, section 14.6), as clients ask for
//! that pull only the files of a layer they lack (`zstd:chunked`).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use hyper::Response;
use hyper::header::CONTENT_TYPE;
use uuid::Uuid;

use crate::adapters::http::body::{self, ResponseBody};
use crate::adapters::http::range;
use crate::adapters::http::reply::Reply;
use crate::domain::model::ByteStream;
use crate::ports::BlobReader;

/// Answers with all of `parts`, in the order in which they were asked for.
pub fn reply(
    reply: Reply,
    reader: Arc<dyn BlobReader>,
    content_type: &str,
    parts: Vec<Range<u64>>,
) -> Response<ResponseBody> {
    // Random, so that nobody can have put it into the content.
    let boundary = Uuid::new_v4().simple().to_string();
    let size = reader.size();
    let sections: Vec<Section> = parts
        .into_iter()
        .map(|part| {
            let content_range = range::content_range(&part, size);
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: {content_type}\r\n\
                 Content-Range: {content_range}\r\n\r\n"
            );
            Section {
                head: head.into(),
                part,
            }
        })
        .collect();
    let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    let length = sections.iter().map(Section::len).sum::<u64>() + end.len() as u64;

    let sections = stream::iter(sections).flat_map(move |section| section.read(&reader));
    let bytes: ByteStream = Box::pin(sections.chain(stream::once(async { Ok(end) })));
    reply
        .header(
            CONTENT_TYPE,
            format_args!("multipart/byteranges; boundary={boundary}"),
        )
        .body(body::stream(bytes), length)
        .done()
}

/// One part, and the lines before it.
struct Section {
    head: Bytes,
    part: Range<u64>,
}

impl Section {
    fn len(&self) -> u64 {
        self.head.len() as u64 + (self.part.end - self.part.start)
    }

    fn read(self, reader: &Arc<dyn BlobReader>) -> ByteStream {
        let reader = Arc::clone(reader);
        let part = async move {
            let bytes = reader.read(self.part).await;
            bytes.map_err(std::io::Error::other)
        };
        let head = stream::once(async { Ok(self.head) });
        Box::pin(head.chain(stream::once(part).try_flatten()))
    }
}

//! Blobs: end-2, end-10.

use std::ops::Range;
use std::sync::Arc;

use hyper::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION};
use hyper::{Response, StatusCode};

use super::{Answer, Exchange, multipart};
use crate::adapters::http::body::{self, ResponseBody};
use crate::adapters::http::callers::Visitor;
use crate::adapters::http::conditions;
use crate::adapters::http::error::HttpError;
use crate::adapters::http::headers::CONTENT_DIGEST;
use crate::adapters::http::progress::LEAST;
use crate::adapters::http::range::{self, Wanted};
use crate::adapters::http::reply::Reply;
use crate::domain::error::RegistryError;
use crate::domain::model::{Digest, RepositoryName};
use crate::ports::BlobReader;

/// Blobs say nothing about what they are.
const OCTETS: &str = "application/octet-stream";

/// What a digest names never changes.
pub const IMMUTABLE: &str = "max-age=31536000, immutable";

/// end-2, HEAD
pub async fn head(exchange: Exchange, repository: &RepositoryName, digest: &Digest) -> Answer {
    let size = exchange.registry.stat_blob(repository, digest).await?;
    if conditions::is_known(&exchange.visitor.headers, digest) {
        return Ok(about(StatusCode::NOT_MODIFIED, digest).done());
    }
    Ok(about(StatusCode::OK, digest)
        .fixed(CONTENT_TYPE, OCTETS)
        .length(size)
        .done())
}

/// end-2, GET
pub async fn get(exchange: Exchange, repository: &RepositoryName, digest: &Digest) -> Answer {
    let (reader, url) = exchange.registry.open_blob(repository, digest).await?;
    if conditions::is_known(&exchange.visitor.headers, digest) {
        return Ok(about(StatusCode::NOT_MODIFIED, digest).done());
    }
    if let Some(url) = url {
        return Ok(elsewhere(digest, &url));
    }
    let (size, headers) = (reader.size(), &exchange.visitor.headers);
    match range::wanted(headers, size) {
        _ if conditions::is_range_stale(headers, digest) => {
            whole(&exchange.visitor, &*reader, digest).await
        }
        Wanted::Whole => whole(&exchange.visitor, &*reader, digest).await,
        Wanted::Nothing => Err(RegistryError::RangeInvalid { size }.into()),
        Wanted::Parts(parts) => match <[Range<u64>; 1]>::try_from(parts) {
            Ok([part]) => partial(&exchange.visitor, &*reader, digest, part).await,
            Err(parts) => Ok(multipart::reply(
                about(StatusCode::PARTIAL_CONTENT, digest),
                Arc::from(reader),
                OCTETS,
                parts,
            )),
        },
    }
}

async fn whole(visitor: &Visitor, reader: &dyn BlobReader, digest: &Digest) -> Answer {
    let size = reader.size();
    Ok(about(StatusCode::OK, digest)
        .fixed(CONTENT_TYPE, OCTETS)
        .body(content(visitor, reader, 0..size).await?, size)
        .done())
}

/// The bytes of the range: sent by the kernel where it can and that pays.
async fn content(
    visitor: &Visitor,
    reader: &dyn BlobReader,
    range: Range<u64>,
) -> Result<ResponseBody, HttpError> {
    let length = range.end - range.start;
    let read = |range| async { reader.read(range).await.map_err(RegistryError::from) };
    if length <= LEAST {
        // It goes out together with its head.
        return Ok(body::small(read(range).await?, length).await);
    }
    if let Some(holes) = &visitor.holes
        && let Some(segments) = reader.segments(range.clone())
    {
        return Ok(holes.body(segments));
    }
    Ok(body::stream(read(range).await?))
}

async fn partial(
    visitor: &Visitor,
    reader: &dyn BlobReader,
    digest: &Digest,
    part: Range<u64>,
) -> Answer {
    let content_range = range::content_range(&part, reader.size());
    let length = part.end - part.start;
    let content = content(visitor, reader, part).await?;
    Ok(about(StatusCode::PARTIAL_CONTENT, digest)
        .fixed(CONTENT_TYPE, OCTETS)
        .header(CONTENT_RANGE, content_range)
        .body(content, length)
        .done())
}

/// Where the client gets the blob, or its range of it: for some minutes, so
/// nobody keeps the answer.
fn elsewhere(digest: &Digest, url: &str) -> Response<ResponseBody> {
    Reply::new(StatusCode::TEMPORARY_REDIRECT)
        .header(LOCATION, url)
        .header(CONTENT_DIGEST, digest)
        .fixed(CACHE_CONTROL, "no-store")
        .done()
}

/// What every answer says about a blob that is there.
fn about(status: StatusCode, digest: &Digest) -> Reply {
    Reply::new(status)
        .header(CONTENT_DIGEST, digest)
        .header(ETAG, conditions::etag(digest))
        .fixed(ACCEPT_RANGES, "bytes")
        .fixed(CACHE_CONTROL, IMMUTABLE)
}

/// end-10
pub async fn delete(exchange: Exchange, repository: &RepositoryName, digest: &Digest) -> Answer {
    exchange.registry.delete_blob(repository, digest).await?;
    Ok(Reply::new(StatusCode::ACCEPTED).done())
}

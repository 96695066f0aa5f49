//! Manifests: end-3, end-7, end-9.

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION};

use super::blobs::IMMUTABLE;
use super::{Answer, Exchange};
use crate::adapters::http::conditions;
use crate::adapters::http::headers::{CONTENT_DIGEST, OCI_SUBJECT, OCI_TAG};
use crate::adapters::http::reply::Reply;
use crate::adapters::units::one_thread;
use crate::domain::manifests::{FoundManifest, ManifestPush};
use crate::domain::model::{Manifest, MediaType, Reference, RepositoryName, Tag};

/// The client who pushed a manifest chose its type: were it a web page, a
/// browser must not run it in the registry's name.
const NO_PAGE: &str = "default-src 'none'; sandbox";

/// end-3, HEAD
pub async fn head(
    exchange: Exchange,
    repository: &RepositoryName,
    reference: &Reference,
) -> Answer {
    let registry = &exchange.registry;
    let found = registry.stat_manifest(repository, reference).await?;
    if conditions::is_known(&exchange.visitor.headers, &found.digest) {
        return Ok(about(StatusCode::NOT_MODIFIED, reference, &found).done());
    }
    Ok(about(StatusCode::OK, reference, &found)
        .header(CONTENT_TYPE, &found.media_type)
        .length(found.size)
        .done())
}

/// end-3, GET
pub async fn get(exchange: Exchange, repository: &RepositoryName, reference: &Reference) -> Answer {
    let registry = &exchange.registry;
    let (found, bytes) = registry.get_manifest(repository, reference).await?;
    if conditions::is_known(&exchange.visitor.headers, &found.digest) {
        return Ok(about(StatusCode::NOT_MODIFIED, reference, &found).done());
    }
    Ok(about(StatusCode::OK, reference, &found)
        .header(CONTENT_TYPE, &found.media_type)
        .header(CONTENT_SECURITY_POLICY, NO_PAGE)
        .bytes(bytes)
        .done())
}

/// end-7
pub async fn put(
    exchange: Exchange,
    repository: &RepositoryName,
    reference: &Reference,
    tags: Vec<Tag>,
) -> Answer {
    let content_type = exchange.visitor.headers.get(CONTENT_TYPE);
    let by_parameter = !tags.is_empty();
    let push = ManifestPush {
        content_type: content_type.and_then(|it| MediaType::parse(it.to_str().ok()?)),
        if_match: conditions::if_match(&exchange.visitor.headers),
        bytes: exchange.body.collect(Manifest::MAX_BYTES).await?,
        caller: exchange.caller,
        tags,
    };
    let manifests = exchange.registry.manifests();
    let pushed = one_thread::whole(manifests.put(repository, reference, push)).await?;

    let digest = &pushed.digest;
    let mut reply = Reply::new(StatusCode::CREATED)
        .header(
            LOCATION,
            format_args!("/v2/{repository}/manifests/{digest}"),
        )
        .header(CONTENT_DIGEST, digest);
    if let Some(subject) = &pushed.subject {
        reply = reply.header(OCI_SUBJECT, subject);
    }
    for tag in pushed.tags.iter().filter(|_| by_parameter) {
        reply = reply.header(OCI_TAG, tag);
    }
    Ok(reply.done())
}

/// end-9
pub async fn delete(
    exchange: Exchange,
    repository: &RepositoryName,
    reference: &Reference,
) -> Answer {
    let manifests = exchange.registry.manifests();
    manifests
        .delete(repository, reference, &exchange.caller)
        .await?;
    Ok(Reply::new(StatusCode::ACCEPTED).done())
}

/// What every answer says about a manifest that is there. What a tag points at
/// may be kept, but must be asked about again.
fn about(status: StatusCode, reference: &Reference, found: &FoundManifest) -> Reply {
    let caching = match reference {
        Reference::Digest(_) => IMMUTABLE,
        Reference::Tag(_) => "no-cache",
    };
    Reply::new(status)
        .header(CONTENT_DIGEST, &found.digest)
        .header(ETAG, conditions::etag(&found.digest))
        .fixed(CACHE_CONTROL, caching)
}

//! Uploads: end-4 to end-6, end-11, end-13, end-14.

use std::future::Future;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hyper::StatusCode;
use hyper::header::{LOCATION, RANGE};

use super::{Answer, Exchange};
use crate::adapters::http::body::RequestBody;
use crate::adapters::http::error::{Cause, HttpError};
use crate::adapters::http::headers::{CONTENT_DIGEST, UPLOAD_UUID};
use crate::adapters::http::range;
use crate::adapters::http::reply::Reply;
use crate::adapters::units::one_thread;
use crate::domain::error::RegistryError;
use crate::domain::model::{
    AccessRequest, Action, Algorithm, Body, Digest, RepositoryName, UploadId, UploadSession,
};
use crate::domain::uploads::MountSource;

/// Up to which length a body is received before the work with it begins.
const SHORT: usize = 128 << 10;

/// end-4a, end-4c
pub async fn start(
    exchange: Exchange,
    repository: &RepositoryName,
    algorithm: Algorithm,
) -> Answer {
    let session = exchange
        .registry
        .uploads()
        .start(repository, algorithm)
        .await?;
    Ok(going_on(StatusCode::ACCEPTED, repository, &session).done())
}

/// end-4b
pub async fn push(exchange: Exchange, repository: &RepositoryName, digest: &Digest) -> Answer {
    let uploads = exchange.registry.uploads();
    let push = |body| uploads.push(repository, digest, body);
    with_body(exchange.body, push).await?;
    Ok(created(repository, digest).done())
}

/// end-11: 201 for a blob that could be mounted, and for any other a session
/// to upload it with, whatever the reason.
pub async fn mount(
    exchange: Exchange,
    repository: &RepositoryName,
    digest: &Digest,
    from: Option<&RepositoryName>,
) -> Answer {
    let (access, caller) = (exchange.registry.access(), &exchange.caller);
    let request = |action: Action, repository: &RepositoryName| AccessRequest {
        digest: Some(digest.clone()),
        ..AccessRequest::on(repository, action)
    };
    let reading = |source: &RepositoryName| request(Action::GetBlob, source);
    // No scope could name where the blob may be: whose token it is decides.
    let may_read = |source: &RepositoryName| access.judge(caller, &reading(source)).allowed;
    let source = match from {
        Some(from) if !may_read(from) => None,
        // The client learns which token it lacks: it would rather mount.
        Some(from) if !caller.covers(&reading(from)) => {
            return Err(RegistryError::ScopeInsufficient.into());
        }
        Some(from) => Some(MountSource::Repository(from)),
        None => Some(MountSource::Anywhere {
            may_read: &may_read,
        }),
    };
    let uploads = exchange.registry.uploads();
    let finishing = request(Action::CompleteUpload, repository);
    if let Some(source) = source.filter(|_| access.allows(caller, &finishing))
        && uploads.mount(repository, digest, source).await?
    {
        return Ok(created(repository, digest).done());
    }
    let session = uploads.start(repository, digest.algorithm()).await?;
    Ok(going_on(StatusCode::ACCEPTED, repository, &session).done())
}

/// end-5
pub async fn append(exchange: Exchange, repository: &RepositoryName, id: &UploadId) -> Answer {
    let range = range::chunk(&exchange.visitor.headers)?;
    let uploads = exchange.registry.uploads();
    let append = |body| uploads.append(repository, id, range, body);
    let session = with_body(exchange.body, append)
        .await
        .map_err(|error| refused(repository, error))?;
    Ok(going_on(StatusCode::ACCEPTED, repository, &session).done())
}

/// end-6
pub async fn finish(
    exchange: Exchange,
    repository: &RepositoryName,
    id: &UploadId,
    digest: &Digest,
) -> Answer {
    let range = range::chunk(&exchange.visitor.headers)?;
    let uploads = exchange.registry.uploads();
    let finish = |body| uploads.finish(repository, id, digest, range, body);
    with_body(exchange.body, finish)
        .await
        .map_err(|error| refused(repository, error))?;
    Ok(created(repository, digest).done())
}

/// end-13
pub async fn status(exchange: Exchange, repository: &RepositoryName, id: &UploadId) -> Answer {
    let session = exchange.registry.uploads().status(repository, id).await?;
    Ok(going_on(StatusCode::NO_CONTENT, repository, &session).done())
}

/// end-14
pub async fn cancel(exchange: Exchange, repository: &RepositoryName, id: &UploadId) -> Answer {
    exchange.registry.uploads().cancel(repository, id).await?;
    Ok(Reply::new(StatusCode::NO_CONTENT).done())
}

/// Does the work with the body: on one thread, if the body is a short one and
/// all of it is here.
async fn with_body<T, W: Future<Output = T>>(body: RequestBody, work: impl FnOnce(Body) -> W) -> T {
    let mut body = body.into_body();
    let (mut begun, mut size) = (Vec::new(), 0);
    while size < SHORT {
        let Some(chunk) = body.stream.next().await else {
            body.stream = stream::iter(begun).boxed();
            return one_thread::whole(work(body)).await;
        };
        size += chunk.as_ref().map_or(SHORT, Bytes::len);
        begun.push(chunk);
    }
    body.stream = stream::iter(begun).chain(body.stream).boxed();
    work(body).await
}

/// Where the session is, and where it stands. The location carries no state:
/// clients add, drop and reorder parameters.
fn going_on(status: StatusCode, repository: &RepositoryName, session: &UploadSession) -> Reply {
    Reply::new(status)
        .header(LOCATION, location(repository, &session.id))
        .header(RANGE, received(session))
        .header(UPLOAD_UUID, &session.id)
}

/// A chunk that was out of order tells where to go on.
fn refused(repository: &RepositoryName, error: RegistryError) -> HttpError {
    let headers = match &error {
        RegistryError::UploadInvalid(session) => {
            Some((location(repository, &session.id), received(session)))
        }
        _ => None,
    };
    let error = HttpError::from(Cause::from(error));
    match headers {
        Some((location, received)) => error.with(LOCATION, location).with(RANGE, received),
        None => error,
    }
}

/// The blob is there.
fn created(repository: &RepositoryName, digest: &Digest) -> Reply {
    Reply::new(StatusCode::CREATED)
        .header(LOCATION, format_args!("/v2/{repository}/blobs/{digest}"))
        .header(CONTENT_DIGEST, digest)
}

fn location(repository: &RepositoryName, id: &UploadId) -> String {
    format!("/v2/{repository}/blobs/uploads/{id}")
}

/// What was received: `0-<last>`. Nothing is `0-0` as well, because the spec
/// has no way to say it.
fn received(session: &UploadSession) -> String {
    format!("0-{}", session.offset().saturating_sub(1))
}

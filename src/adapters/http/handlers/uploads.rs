//! Uploads: end-4 to end-6, end-11, end-13, end-14.

use hyper::StatusCode;
use hyper::header::{LOCATION, RANGE};

use super::{Answer, Exchange};
use crate::adapters::http::error::{Cause, HttpError};
use crate::adapters::http::headers::{CONTENT_DIGEST, UPLOAD_UUID};
use crate::adapters::http::range;
use crate::adapters::http::reply::Reply;
use crate::domain::error::RegistryError;
use crate::domain::model::{
    AccessRequest, Action, Algorithm, Digest, RepositoryName, UploadId, UploadSession,
};
use crate::domain::uploads::MountSource;

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
    let body = exchange.body.into_body();
    exchange
        .registry
        .uploads()
        .push(repository, digest, body)
        .await?;
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
    let body = exchange.body.into_body();
    let session = exchange
        .registry
        .uploads()
        .append(repository, id, range, body)
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
    let body = exchange.body.into_body();
    exchange
        .registry
        .uploads()
        .finish(repository, id, digest, range, body)
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

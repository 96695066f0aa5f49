//! Handlers: one function per endpoint. Each reads the request, calls one use
//! case and writes the response; none decides anything.

use std::sync::Arc;

use hyper::Response;

use super::body::{RequestBody, ResponseBody};
use super::callers::Visitor;
use super::error::HttpError;
use super::route::Route;
use crate::domain::model::Caller;
use crate::domain::registry::Registry;

mod blobs;
mod catalog;
mod extensions;
mod manifests;
mod multipart;
mod referrers;
mod tags;
mod token;
mod uploads;
mod version;

/// What a handler answers.
type Answer = Result<Response<ResponseBody>, HttpError>;

/// A request, but for its URL.
pub struct Exchange {
    /// The registry as it was when the request came.
    pub registry: Arc<Registry>,
    /// Who sent it.
    pub visitor: Arc<Visitor>,
    /// The request's body.
    pub body: RequestBody,
    /// Who asks.
    pub caller: Caller,
}

/// Does what the visitor asks for, if all of it is allowed.
pub async fn handle(visitor: &Visitor, exchange: Exchange) -> Answer {
    let route = &visitor.route;
    for need in route.needs() {
        exchange.registry.authorise(&exchange.caller, &need)?;
    }
    match route {
        Route::Version => Ok(version::get()),
        Route::GetBlob(name, digest) => blobs::get(exchange, name, digest).await,
        Route::StatBlob(name, digest) => blobs::head(exchange, name, digest).await,
        Route::GetManifest(name, reference) => manifests::get(exchange, name, reference).await,
        Route::StatManifest(name, reference) => manifests::head(exchange, name, reference).await,
        Route::StartUpload(name, algorithm) => uploads::start(exchange, name, *algorithm).await,
        Route::PushBlob(name, digest) => uploads::push(exchange, name, digest).await,
        Route::AppendUpload(name, id) => uploads::append(exchange, name, id).await,
        Route::FinishUpload(name, id, digest) => uploads::finish(exchange, name, id, digest).await,
        Route::PutManifest(name, reference, tags) => {
            manifests::put(exchange, name, reference, tags.clone()).await
        }
        Route::ListTags(name, page) => tags::list(exchange, name, page).await,
        Route::DeleteManifest(name, reference) => {
            manifests::delete(exchange, name, reference).await
        }
        Route::DeleteBlob(name, digest) => blobs::delete(exchange, name, digest).await,
        Route::MountBlob {
            repository,
            digest,
            from,
        } => uploads::mount(exchange, repository, digest, from.as_ref()).await,
        Route::ListReferrers {
            repository,
            subject,
            artifact_type,
            page,
        } => {
            let filter = artifact_type.as_deref();
            referrers::list(exchange, repository, subject, filter, page).await
        }
        Route::UploadStatus(name, id) => uploads::status(exchange, name, id).await,
        Route::CancelUpload(name, id) => uploads::cancel(exchange, name, id).await,
        Route::Catalog(page) => catalog::list(exchange, page).await,
        Route::Token(scope) => token::get(exchange, scope).await,
        Route::TokenByForm => token::post(exchange).await,
        Route::Extensions(name) => Ok(extensions::discover(name.as_ref())),
    }
}

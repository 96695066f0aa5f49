//! Routes: which endpoint a request means, with everything that its URL says.

use hyper::Method;

use super::error::{Cause, HttpError};
use super::pagination;
use super::query::Query;
use crate::domain::error::RegistryError;
use crate::domain::model::{
    Algorithm, Digest, MediaType, Page, Reference, RepositoryName, Scope, Tag, UploadId,
};
use crate::domain::namespaces::Namespaces;

mod needs;
mod path;

use path::Path;

/// The most `tag` parameters that one push may have; the spec wants ten at least.
pub const MAX_TAGS: usize = 100;

/// The parameter by which a client names the registry that it means.
pub const NS: &str = "ns";

/// What is counted and logged as the action of a request that means nothing.
pub const NO_ACTION: &str = "none";

/// How many referrers a page has where the client does not say.
const REFERRERS_PER_PAGE: usize = 1000;

/// One variant per endpoint of the spec (spec.md, "Endpoints"), and the two
/// extensions that clients use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// end-1
    Version,
    /// end-2, GET
    GetBlob(RepositoryName, Digest),
    /// end-2, HEAD
    StatBlob(RepositoryName, Digest),
    /// end-3, GET
    GetManifest(RepositoryName, Reference),
    /// end-3, HEAD
    StatManifest(RepositoryName, Reference),
    /// end-4a, and end-4c with another algorithm than sha256
    StartUpload(RepositoryName, Algorithm),
    /// end-4b: the whole blob in the POST
    PushBlob(RepositoryName, Digest),
    /// end-5
    AppendUpload(RepositoryName, UploadId),
    /// end-6
    FinishUpload(RepositoryName, UploadId, Digest),
    /// end-7a, and end-7b with `tag` parameters
    PutManifest(RepositoryName, Reference, Vec<Tag>),
    /// end-8a, end-8b
    ListTags(RepositoryName, Page<Tag>),
    /// end-9
    DeleteManifest(RepositoryName, Reference),
    /// end-10
    DeleteBlob(RepositoryName, Digest),
    /// end-11
    MountBlob {
        /// Where to.
        repository: RepositoryName,
        /// What.
        digest: Digest,
        /// Where from; anywhere if nothing is said.
        from: Option<RepositoryName>,
    },
    /// end-12a, and end-12b with a filter
    ListReferrers {
        /// Where.
        repository: RepositoryName,
        /// What is pointed at.
        subject: Digest,
        /// Only referrers of this type.
        artifact_type: Option<String>,
        /// Which part of the list.
        page: Page<Digest>,
    },
    /// end-13
    UploadStatus(RepositoryName, UploadId),
    /// end-14
    CancelUpload(RepositoryName, UploadId),
    /// `GET /v2/_catalog`
    Catalog(Page<String>),
    /// `GET /token`
    Token(Scope),
    /// `POST /token`
    TokenByForm,
    /// `GET /v2/_oci/ext/discover`, of the registry or of one repository
    Extensions(Option<RepositoryName>),
}

/// What a request is about, as far as it is about something.
#[derive(Default)]
pub struct Subject<'r> {
    /// Where.
    pub repository: Option<&'r RepositoryName>,
    /// What, by its digest.
    pub digest: Option<&'r Digest>,
    /// What, by its tag.
    pub tag: Option<&'r Tag>,
}

impl Route {
    /// What the request means. Text that cannot be a name, a digest or a
    /// number is refused as such, never as an address that does not exist.
    ///
    /// Where the query names another registry (`ns`, as containerd's mirrors
    /// do), the path's name is that registry's: `namespaces` say what it is
    /// called here, and who is not answered for is unknown.
    pub fn parse(
        method: &Method,
        path: &str,
        query: Option<&str>,
        namespaces: &Namespaces,
    ) -> Result<Self, HttpError> {
        let mut path = Path::parse(path)?;
        if !path.methods().split(", ").any(|it| it == method.as_str()) {
            return Err(Cause::MethodNotAllowed(path.methods()).into());
        }
        if path == Path::Token {
            return Self::token(method, query.unwrap_or_default());
        }
        let query = Query::parse(query)?;
        if let Some(registry) = query.first(NS) {
            if !namespaces.answer_for(registry) {
                return Err(RegistryError::NameUnknown.into());
            }
            if let Some(name) = path.repository_mut() {
                let mirror = namespaces.mirror_of(registry, name);
                *name = mirror.ok_or(RegistryError::NameUnknown)?;
            }
        }
        Self::of(path, method, &query)
    }

    fn token(method: &Method, query: &str) -> Result<Self, HttpError> {
        if method == Method::POST {
            return Ok(Self::TokenByForm);
        }
        let query = Query::form(query)?;
        Ok(Self::Token(Scope::parse(query.all("scope"))))
    }

    fn of(path: Path, method: &Method, query: &Query) -> Result<Self, HttpError> {
        Ok(match path {
            Path::Token => Self::token(method, "")?,
            Path::Version => Self::Version,
            Path::Catalog => Self::Catalog(Page {
                after: pagination::last(query).map(str::to_owned),
                limit: Some(pagination::limit(query)?.unwrap_or(pagination::MAX_PAGE)),
            }),
            Path::Extensions(repository) => Self::Extensions(repository),
            Path::Tags(repository) => Self::ListTags(repository, tags_page(query)?),
            Path::Blob(repository, digest) => match *method {
                Method::GET => Self::GetBlob(repository, digest),
                Method::HEAD => Self::StatBlob(repository, digest),
                _ => Self::DeleteBlob(repository, digest),
            },
            Path::Manifest(repository, reference) => match *method {
                Method::GET => Self::GetManifest(repository, reference),
                Method::HEAD => Self::StatManifest(repository, reference),
                Method::PUT => Self::PutManifest(repository, reference, tags(query)?),
                _ => Self::DeleteManifest(repository, reference),
            },
            Path::Referrers(repository, subject) => referrers(repository, subject, query)?,
            Path::Uploads(repository) => post_upload(repository, query)?,
            Path::Upload(repository, id) => match *method {
                Method::PATCH => Self::AppendUpload(repository, id),
                Method::PUT => Self::FinishUpload(repository, id, final_digest(query)?),
                Method::DELETE => Self::CancelUpload(repository, id),
                _ => Self::UploadStatus(repository, id),
            },
        })
    }

    /// Whether what it does must come to an end even if the client leaves. To
    /// ask for a blob is among it: the answer renews the repository's claim.
    pub fn writes(&self) -> bool {
        match self {
            Self::StatBlob(..)
            | Self::StartUpload(..)
            | Self::PushBlob(..)
            | Self::AppendUpload(..)
            | Self::FinishUpload(..)
            | Self::PutManifest(..)
            | Self::DeleteManifest(..)
            | Self::DeleteBlob(..)
            | Self::MountBlob { .. }
            | Self::CancelUpload(..) => true,
            Self::Version
            | Self::GetBlob(..)
            | Self::GetManifest(..)
            | Self::StatManifest(..)
            | Self::ListTags(..)
            | Self::ListReferrers { .. }
            | Self::UploadStatus(..)
            | Self::Catalog(..)
            | Self::Token(..)
            | Self::TokenByForm
            | Self::Extensions(..) => false,
        }
    }
}

/// POST to `uploads/`: a mount, a whole blob, or the start of a session.
fn post_upload(repository: RepositoryName, query: &Query) -> Result<Route, HttpError> {
    let algorithm = match query.first("digest-algorithm") {
        Some(algorithm) => algorithm.parse()?,
        None => Algorithm::Sha256,
    };
    if let Some(digest) = query.first("mount") {
        return Ok(Route::MountBlob {
            repository,
            digest: digest.parse()?,
            from: query.first("from").map(str::parse).transpose()?,
        });
    }
    Ok(match query.first("digest") {
        Some(digest) => Route::PushBlob(repository, digest.parse()?),
        None => Route::StartUpload(repository, algorithm),
    })
}

fn final_digest(query: &Query) -> Result<Digest, HttpError> {
    let Some(digest) = query.first("digest") else {
        let message = "the last request of an upload needs ?digest=<digest of the whole blob>";
        return Err(RegistryError::DigestInvalid(message.to_owned()).into());
    };
    Ok(digest.parse()?)
}

fn tags(query: &Query) -> Result<Vec<Tag>, HttpError> {
    let mut tags: Vec<Tag> = Vec::new();
    for text in query.all("tag") {
        let tag: Tag = text.parse()?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        if tags.len() > MAX_TAGS {
            return Err(RegistryError::TooManyTags { limit: MAX_TAGS }.into());
        }
    }
    Ok(tags)
}

fn tags_page(query: &Query) -> Result<Page<Tag>, HttpError> {
    Ok(Page {
        after: pagination::last(query).map(str::parse).transpose()?,
        // Without a number the spec wants all the rest.
        limit: pagination::limit(query)?,
    })
}

fn referrers(
    repository: RepositoryName,
    subject: Digest,
    query: &Query,
) -> Result<Route, HttpError> {
    let artifact_type = query.first("artifactType").filter(|it| !it.is_empty());
    // A filter that cannot match must not become one that matches everything
    // (lessons.md, correctness 48).
    if artifact_type.is_some_and(|it| MediaType::parse(it).is_none()) {
        let message = "artifactType must be a media type, for example application/spdx+json";
        return Err(Cause::Malformed(message.to_owned()).into());
    }
    Ok(Route::ListReferrers {
        repository,
        subject,
        artifact_type: artifact_type.map(str::to_owned),
        page: Page {
            after: pagination::last(query).map(str::parse).transpose()?,
            limit: Some(pagination::limit(query)?.unwrap_or(REFERRERS_PER_PAGE)),
        },
    })
}

#[cfg(test)]
mod tests;

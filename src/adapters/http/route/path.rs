//! Paths: the part of a URL that says which thing is meant.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Cause, HttpError};
use crate::domain::error::RegistryError;
use crate::domain::model::{Digest, Reference, RepositoryName, UploadId};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// `/token`
    Token,
    /// `/v2/`
    Version,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/_oci/ext/discover`, `/v2/<name>/_oci/ext/discover`
    Extensions(Option<RepositoryName>),
    /// `/v2/<name>/tags/list`
    Tags(RepositoryName),
    /// `/v2/<name>/blobs/<digest>`
    Blob(RepositoryName, Digest),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(RepositoryName, Reference),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(RepositoryName, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(RepositoryName),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(RepositoryName, UploadId),
}

impl Path {
    /// What the path names. Names may contain the words of the API
    /// (`/v2/blobs/tags/list` lists the tags of `blobs`), so paths are read
    /// from their end.
    pub fn parse(path: &str) -> Result<Self, HttpError> {
        if path == "/token" {
            return Ok(Self::Token);
        }
        let rest = path.strip_prefix("/v2").ok_or(Cause::NoSuchPath)?;
        if rest.is_empty() || rest == "/" {
            return Ok(Self::Version);
        }
        let rest = rest.strip_prefix('/').ok_or(Cause::NoSuchPath)?;
        let segments: Vec<Cow<'_, str>> = rest.split('/').map(decode).collect::<Result<_, _>>()?;
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();

        // Reserved names come before repositories.
        match segments.as_slice() {
            ["_catalog"] => return Ok(Self::Catalog),
            ["_oci", "ext", "discover"] => return Ok(Self::Extensions(None)),
            [name @ .., "_oci", "ext", "discover"] => {
                return Ok(Self::Extensions(Some(repository(name)?)));
            }
            [name @ .., "tags", "list"] => return Ok(Self::Tags(repository(name)?)),
            _ => {}
        }
        Self::of_repository(&segments)
    }

    /// The last `blobs`, `manifests` or `referrers` with anything after it
    /// divides the name from the rest.
    fn of_repository(segments: &[&str]) -> Result<Self, HttpError> {
        let words = &segments[..segments.len().saturating_sub(1)];
        let kind = words
            .iter()
            .rposition(|word| matches!(*word, "blobs" | "manifests" | "referrers"))
            .ok_or(Cause::NoSuchPath)?;
        let (name, rest) = (&segments[..kind], &segments[kind + 1..]);
        let repository = repository(name)?;
        Ok(match (segments[kind], rest) {
            ("blobs", ["uploads"] | ["uploads", ""]) => Self::Uploads(repository),
            ("blobs", ["uploads", id]) => Self::Upload(repository, upload_id(id)?),
            ("blobs", rest) => Self::Blob(repository, rest.join("/").parse()?),
            ("manifests", rest) => Self::Manifest(repository, rest.join("/").parse()?),
            (_, rest) => Self::Referrers(repository, rest.join("/").parse()?),
        })
    }

    /// The repository that it names, if it names one.
    pub fn repository_mut(&mut self) -> Option<&mut RepositoryName> {
        match self {
            Self::Token | Self::Version | Self::Catalog | Self::Extensions(None) => None,
            Self::Extensions(Some(name))
            | Self::Tags(name)
            | Self::Blob(name, _)
            | Self::Manifest(name, _)
            | Self::Referrers(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _) => Some(name),
        }
    }

    /// The methods that the path takes, as `Allow` lists them.
    pub fn methods(&self) -> &'static str {
        match self {
            Self::Token => "GET, POST",
            Self::Version
            | Self::Catalog
            | Self::Extensions(_)
            | Self::Tags(_)
            | Self::Referrers(..) => "GET, HEAD",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
        }
    }
}

/// One segment, decoded. An escaped slash is refused: a proxy in front of us
/// that guards paths would have read the segment as something else.
fn decode(segment: &str) -> Result<Cow<'_, str>, HttpError> {
    match percent_decode_str(segment).decode_utf8() {
        Ok(text) if !text.contains('/') => Ok(text),
        _ => Err(RegistryError::NameInvalid("the path is not made of names".to_owned()).into()),
    }
}

fn repository(segments: &[&str]) -> Result<RepositoryName, HttpError> {
    Ok(segments.join("/").parse()?)
}

/// What is no id names no session.
fn upload_id(text: &str) -> Result<UploadId, HttpError> {
    Ok(text.parse().map_err(|_| RegistryError::UploadUnknown)?)
}

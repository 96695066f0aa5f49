//! `Client`: the registry of another, over HTTP.

use std::error::Error;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use futures_util::stream::try_unfold;
use futures_util::{Stream, TryStreamExt};
use reqwest::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE,
};
use reqwest::{Method, Response, StatusCode};
use serde::de::IgnoredAny;

use super::address::Address;
use super::auth::Auth;
use super::config::UpstreamConfig;
use super::error::Asked;
use super::transport::{Question, Transport};
use super::{OpenError, Patience};
use crate::domain::model::{
    Algorithm, ByteStream, Digest, Hasher, Manifest, MediaType, Reference, RepositoryName,
};
use crate::ports::{TokenCache, Upstream, UpstreamBlob, UpstreamError, UpstreamManifest};

/// Every kind of manifest. What is not among them an upstream may hide, or convert.
const MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json",
);

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Types that say nothing about a manifest.
const SILENT: [&str; 3] = ["application/json", "application/octet-stream", "text/plain"];

const OTHER_DIGEST: &str = "the answer has another digest";

/// An upstream.
pub(super) struct Client {
    address: Address,
    transport: Transport,
    auth: Auth,
}

/// Something that an upstream has.
pub(super) struct Found {
    pub response: Response,
    pub asked: Asked,
}

impl Client {
    pub(super) fn open(
        namespace: &str,
        config: &UpstreamConfig,
        tokens: &Arc<dyn TokenCache>,
        patience: Patience,
    ) -> Result<Self, OpenError> {
        let failed = |(key, source)| OpenError {
            upstream: config.url.as_str().to_owned(),
            key,
            source,
        };
        let address =
            Address::new(namespace, &config.url).map_err(|bad| failed(("url", bad.into())))?;
        let home = address.origin().clone();
        let transport = Transport::open(home, config, patience).map_err(failed)?;
        let auth = Auth::new(address.name(), config, Arc::clone(tokens));
        Ok(Self {
            address,
            transport,
            auth,
        })
    }

    /// Asks for a part of a repository of ours.
    pub(super) async fn ask(
        &self,
        method: Method,
        repository: &RepositoryName,
        (kind, of, query): (&str, &str, Option<&str>),
        headers: HeaderMap,
    ) -> Result<Option<Found>, UpstreamError> {
        let Some(name) = self.address.name_there(repository) else {
            return Ok(None);
        };
        let asked = Asked::new(self.name(), format!("{kind}/{of} of {name}"));
        let mut url = self.address.origin().clone();
        url.set_path(&format!("/v2/{name}/{kind}/{of}"));
        url.set_query(query);
        let question = Question {
            method,
            url,
            headers,
            asked: asked.clone(),
        };
        let mut shown = self.auth.first(&name, &self.transport).await?;
        // Nothing, a token that is kept, a new one: whoever asks for more leads us on.
        for _ in 0..3 {
            let header = shown.as_ref().map(|it| &it.header);
            let answer = self.transport.send(&question, header).await?;
            if answer.response.status() == StatusCode::UNAUTHORIZED && !answer.elsewhere {
                let (refused, headers) = (shown.as_ref(), answer.response.headers());
                let better = self.auth.next(&name, refused, headers, &self.transport);
                shown = better.await?;
                if shown.is_some() {
                    continue;
                }
            }
            let found = asked.judge(answer.response, answer.elsewhere)?;
            return Ok(found.map(|response| Found { response, asked }));
        }
        Err(asked.denied())
    }

    async fn ask_manifest(
        &self,
        method: Method,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<Found>, UpstreamError> {
        let headers = HeaderMap::from_iter([(ACCEPT, MANIFESTS)]);
        let reference = reference.to_string();
        self.ask(method, repository, ("manifests", &reference, None), headers)
            .await
    }

    async fn ask_blob(
        &self,
        method: Method,
        repository: &RepositoryName,
        digest: &Digest,
        headers: HeaderMap,
    ) -> Result<Option<Found>, UpstreamError> {
        let digest = digest.to_string();
        self.ask(method, repository, ("blobs", &digest, None), headers)
            .await
    }
}

impl Found {
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    fn length(&self) -> Option<u64> {
        self.header(&CONTENT_LENGTH)?.parse().ok()
    }

    /// The size of the whole, where this is its part from `offset` to the end.
    fn size_from(&self, offset: u64) -> Option<u64> {
        let (range, size) = self.header(&CONTENT_RANGE)?.split_once('/')?;
        let (first, last) = range.strip_prefix("bytes ")?.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let size: u64 = size.parse().ok()?;
        (first == offset && last.checked_add(1) == Some(size)).then_some(size)
    }

    /// The digest that the upstream names; one that is none is an error, because it was meant as one.
    fn digest(&self) -> Result<Option<Digest>, UpstreamError> {
        let Some(value) = self.response.headers().get(CONTENT_DIGEST) else {
            return Ok(None);
        };
        let digest = value.to_str().ok().and_then(|text| text.parse().ok());
        let bad = || self.asked.invalid("its Docker-Content-Digest is no digest");
        digest.map(Some).ok_or_else(bad)
    }
}

#[async_trait]
impl Upstream for Client {
    fn name(&self) -> &str {
        self.address.name()
    }

    async fn resolve_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<Digest>, UpstreamError> {
        let Some(found) = self
            .ask_manifest(Method::HEAD, repository, reference)
            .await?
        else {
            return Ok(None);
        };
        match (reference, found.digest()?) {
            (Reference::Digest(wanted), named) => match named {
                Some(named) if is_other(&named, wanted) => Err(found.asked.invalid(OTHER_DIGEST)),
                _ => Ok(Some(wanted.clone())),
            },
            (Reference::Tag(_), Some(named)) => Ok(Some(named)),
            (Reference::Tag(_), None) => {
                let manifest = self.get_manifest(repository, reference).await?;
                Ok(manifest.map(|it| it.digest))
            }
        }
    }

    async fn get_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<UpstreamManifest>, UpstreamError> {
        let Some(found) = self
            .ask_manifest(Method::GET, repository, reference)
            .await?
        else {
            return Ok(None);
        };
        let named = found.digest()?;
        let wanted = match reference {
            Reference::Digest(digest) => Some(digest.clone()),
            Reference::Tag(_) => None,
        };
        let media_type = found.header(&CONTENT_TYPE).and_then(MediaType::parse);
        let asked = found.asked;
        let bytes = asked.read(found.response, Manifest::MAX_BYTES).await?;

        for digest in [&wanted, &named].into_iter().flatten() {
            if Hasher::digest_of(digest.algorithm(), &bytes) != *digest {
                return Err(asked.invalid(OTHER_DIGEST));
            }
        }
        let kind = media_type.as_ref().map_or("of no type", MediaType::as_str);
        if kind == "text/html" || !is_object(&bytes) {
            return Err(asked.invalid(format!("the answer is no manifest, but {kind}")));
        }
        let media_type = media_type.filter(|it| !SILENT.contains(&it.as_str()));
        let digest = wanted.or(named);
        Ok(Some(UpstreamManifest {
            digest: digest.unwrap_or_else(|| Hasher::digest_of(Algorithm::Sha256, &bytes)),
            media_type: media_type.unwrap_or_else(|| Manifest::media_type_of(&bytes)),
            bytes,
        }))
    }

    async fn stat_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, UpstreamError> {
        let head = self.ask_blob(Method::HEAD, repository, digest, HeaderMap::new());
        let Some(head) = head.await? else {
            return Ok(None);
        };
        if let Some(size) = head.length() {
            return Ok(Some(size));
        }
        let blob = self.open_blob(repository, digest, 0).await?;
        Ok(blob.map(|it| it.size))
    }

    async fn open_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        offset: u64,
    ) -> Result<Option<UpstreamBlob>, UpstreamError> {
        let range = HeaderValue::from_str(&format!("bytes={offset}-")).ok();
        let range = range.filter(|_| offset > 0).map(|range| (RANGE, range));
        let headers = HeaderMap::from_iter(range);
        let Some(found) = self
            .ask_blob(Method::GET, repository, digest, headers)
            .await?
        else {
            return Ok(None);
        };
        let (size, skip) = match found.response.status() {
            StatusCode::PARTIAL_CONTENT => (found.size_from(offset), 0),
            _ => (found.response.content_length(), offset),
        };
        let size = match size {
            Some(size) => Some(size),
            None if skip == offset => {
                let head = self.ask_blob(Method::HEAD, repository, digest, HeaderMap::new());
                head.await?.and_then(|it| it.length())
            }
            None => None,
        };
        let asked = found.asked;
        let size = size.ok_or_else(|| asked.invalid("it does not say how long it is"))?;
        let left = size.checked_sub(offset);
        let left = left.ok_or_else(|| asked.invalid(format!("it is {size} bytes long only")))?;
        let stream = exactly(found.response.bytes_stream(), skip, left, asked);
        Ok(Some(UpstreamBlob { size, stream }))
    }

    async fn get_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Option<Bytes>, UpstreamError> {
        self.referrers(repository, subject).await
    }
}

/// Whether it is JSON, and as a whole an object.
fn is_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

fn is_other(one: &Digest, other: &Digest) -> bool {
    one.algorithm() == other.algorithm() && one != other
}

/// `left` bytes of a body, after the first `skip`: fewer or more are an error.
fn exactly(
    body: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
    skip: u64,
    left: u64,
    asked: Asked,
) -> ByteStream {
    let failed = move |kind, error: Box<dyn Error + Send + Sync>| {
        io::Error::new(kind, asked.unavailable(error))
    };
    let start = (Box::pin(body), skip, left, failed);
    Box::pin(try_unfold(
        start,
        async |(mut body, mut skip, left, failed)| {
            loop {
                let chunk = body.try_next().await.map_err(|error| {
                    let kind = if error.is_timeout() {
                        io::ErrorKind::TimedOut
                    } else {
                        io::ErrorKind::ConnectionReset
                    };
                    failed(kind, error.without_url().into())
                })?;
                let Some(mut chunk) = chunk else {
                    return match left {
                        0 => Ok(None),
                        _ => Err(failed(
                            io::ErrorKind::UnexpectedEof,
                            "it was cut short".into(),
                        )),
                    };
                };
                let skipped =
                    usize::try_from(skip).map_or(chunk.len(), |skip| skip.min(chunk.len()));
                skip -= skipped as u64;
                chunk.advance(skipped);
                if !chunk.is_empty() {
                    let left = left.checked_sub(chunk.len() as u64).ok_or_else(|| {
                        failed(
                            io::ErrorKind::InvalidData,
                            "it is longer than it said".into(),
                        )
                    })?;
                    return Ok(Some((chunk, (body, skip, left, failed))));
                }
            }
        },
    ))
}

#[cfg(test)]
mod tests;

//! Signed requests of our own to S3, for what OpenDAL has no call for.

use std::time::Duration;

use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use opendal::{Buffer, Error, ErrorKind, HttpTransport, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, ProvideCredential, Signer};

use super::transport::Transport;
use super::{CALL, SMALL_CALL};
use crate::adapters::storage::config::S3Config;

/// How often a call is made again that failed for a reason that may pass.
const AGAIN: u32 = 4;

/// The pause before the first repetition; each one after it doubles it.
const PAUSE: Duration = Duration::from_millis(200);

/// What may stand in a query as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What may stand in a path as it is.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// A bucket, as requests see it.
pub(in crate::adapters::storage) struct Client {
    transport: Transport,
    signer: Signer<Credential>,
    /// The URL of the bucket, without a slash at its end.
    url: String,
    bucket: String,
    /// What every key begins with: nothing, or something with a slash at its end.
    prefix: String,
}

/// A request that can be sent again.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Below the prefix; nothing for the bucket itself.
    pub(super) path: &'a str,
    pub(super) query: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Buffer,
}

/// An answer that says that it was done.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Client {
    pub(super) fn new(
        config: &S3Config,
        transport: Transport,
        credentials: impl ProvideCredential<Credential = Credential>,
    ) -> Self {
        let signer = RequestSigner::new("s3", &config.region);
        let prefix = config.key_prefix.as_deref().unwrap_or_default();
        let names = prefix.split('/').filter(|name| !name.is_empty());
        Self {
            transport,
            signer: Signer::new(Context::new(), credentials, signer),
            url: url(config),
            bucket: config.bucket.clone(),
            prefix: names.flat_map(|name| [name, "/"]).collect(),
        }
    }

    /// The key of a path.
    pub(super) fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The path of a key, where it is one of ours.
    pub(super) fn path<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(&self.prefix)
    }

    /// A path, as the source of a copy is named.
    pub(super) fn source(&self, path: &str) -> String {
        let key = self.key(path);
        format!("/{}/{}", self.bucket, utf8_percent_encode(&key, PATH))
    }

    /// Asks until there is an answer, or a failure that does not pass. A 200
    /// with an error in it, as S3 answers to what takes long, is a failure.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer> {
        let moves_content = ask.method == Method::PUT || !ask.body.is_empty();
        let limit = if moves_content { CALL } else { SMALL_CALL };
        let mut pause = PAUSE;
        for _ in 0..AGAIN {
            match self.ask_within(limit, ask).await {
                Err(error) if error.is_temporary() => {}
                answered => return answered,
            }
            tokio::time::sleep(pause.mul_f64(jitter())).await;
            pause *= 2;
        }
        self.ask_within(limit, ask).await
    }

    async fn ask_within(&self, limit: Duration, ask: &Ask<'_>) -> Result<Answer> {
        let answer = tokio::time::timeout(limit, self.ask_once(ask)).await;
        answer.unwrap_or_else(|_| {
            let late = Error::new(ErrorKind::Unexpected, "no answer in time");
            Err(late.set_temporary())
        })
    }

    async fn ask_once(&self, ask: &Ask<'_>) -> Result<Answer> {
        let url = match ask.path {
            "" => format!("{}/?{}", self.url, ask.query),
            path => {
                let key = self.key(path);
                let key = utf8_percent_encode(&key, PATH);
                format!("{}/{key}?{}", self.url, ask.query)
            }
        };
        let mut request = Request::builder().method(&ask.method).uri(url);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let request = request.body(ask.body.clone()).map_err(odd)?;
        let (mut parts, body) = request.into_parts();
        self.signer.sign(&mut parts, None).await.map_err(odd)?;
        parts.headers.remove(HOST); // hyper names it, as it was signed
        let request = Request::from_parts(parts, body);
        let (answer, mut body) = self.transport.fetch(request).await?.into_parts();
        let body = body.to_buffer().await?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        match failure(answer.status, &body) {
            Some(error) => Err(error),
            None => Ok(Answer {
                headers: answer.headers,
                body,
            }),
        }
    }
}

/// Where the bucket is: as OpenDAL has it.
fn url(config: &S3Config) -> String {
    let bucket = &config.bucket;
    let endpoint = match config.endpoint.as_str() {
        "https://s3.amazonaws.com" => format!("https://s3.{}.amazonaws.com", config.region),
        endpoint => endpoint.replace(&format!("//{bucket}."), "//"),
    };
    if config.virtual_host_style {
        endpoint.replacen("//", &format!("//{bucket}."), 1)
    } else {
        format!("{endpoint}/{bucket}")
    }
}

/// Half of something up to one and a half of it, so that those who were
/// refused together do not come back together.
fn jitter() -> f64 {
    0.5 + f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}

fn odd(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let source = std::io::Error::other(source);
    Error::new(ErrorKind::Unexpected, "the request could not be made").set_source(source)
}

/// What an answer says went wrong, if anything.
fn failure(status: StatusCode, body: &str) -> Option<Error> {
    if status.is_success() && !body.contains("<Error>") {
        return None;
    }
    let code = text(body, "Code").unwrap_or_default();
    let (kind, passes) = match (code, status.as_u16()) {
        ("NoSuchUpload", _) => (ErrorKind::NotFound, false),
        ("NotImplemented" | "MethodNotAllowed", _) | (_, 405 | 501) => {
            (ErrorKind::Unsupported, false)
        }
        (
            "InternalError" | "RequestTimeout" | "ServiceUnavailable" | "SlowDown"
            | "TooManyRequests",
            _,
        )
        | (_, 429 | 499 | 500 | 502..=504) => (ErrorKind::Unexpected, true),
        (_, 403) => (ErrorKind::PermissionDenied, false),
        _ => (ErrorKind::Unexpected, false),
    };
    let message = text(body, "Message").unwrap_or_default();
    let message = format!("S3Error {{ code: {code:?}, message: {message:?}, status: {status} }}");
    let error = Error::new(kind, message);
    Some(if passes { error.set_temporary() } else { error })
}

/// The text of the first element of this name.
pub(super) fn text<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim())
}

/// A value, as it stands in a query.
pub(super) fn escaped(value: &str) -> impl std::fmt::Display {
    utf8_percent_encode(value, QUERY)
}

#[cfg(test)]
mod tests;

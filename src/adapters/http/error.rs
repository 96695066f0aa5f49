//! Errors on the wire: the one place that chooses a status of 400 or above.

use std::error::Error;
use std::fmt::{Display, Write as _};
use std::io;
use std::time::Duration;

use hyper::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::body::ResponseBody;
use super::headers;
use super::reply::Reply;
use crate::domain::error::RegistryError;
use crate::domain::model::{InvalidDigest, InvalidName, InvalidReference};
use crate::ports::UpstreamError;

/// After how many seconds a client that was turned away may come back.
const RETRY_AFTER_SECONDS: u64 = 5;

/// The answer to who speaks in the clear where TLS is spoken.
pub const PLAINTEXT_REFUSED: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 42\r\nConnection: close\r\n\r\n\
    this port speaks TLS: use an https:// URL\n";

/// Why a request is answered with 4xx or 5xx.
#[derive(Debug)]
pub struct HttpError {
    cause: Cause,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The registry said no.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is nothing at this path.
    #[error("there is nothing here; the registry's API is under /v2/")]
    NoSuchPath,
    /// The path is known, and takes other methods.
    #[error("this address takes only {0}")]
    MethodNotAllowed(&'static str),
    /// A query parameter that the spec has no error code for.
    #[error("{0}")]
    Malformed(String),
    /// Without credentials, or with wrong ones (code-11).
    #[error("{0}")]
    Unauthorized(&'static str),
    /// With a token that is none, or is none any more (code-11 as well).
    #[error("the token is not valid here, or not any more; get a new one")]
    BadToken,
    /// More bytes than a form may have.
    #[error("a form may have at most {0} bytes")]
    FormTooLarge(u64),
    /// Too many wrong credentials; may try again after this time.
    #[error("too many failed logins; try again later")]
    LockedOut(Duration),
    /// Something that requests rest on does not work.
    #[error("not ready: {0}")]
    NotReady(String),
    /// No progress towards a response for too long.
    #[error("the request made no progress for too long")]
    Stuck,
    /// A bug: the code that handled the request panicked.
    #[error("the request's handler panicked: {0}")]
    Panicked(String),
}

impl<E: Into<Cause>> From<E> for HttpError {
    fn from(cause: E) -> Self {
        Self {
            cause: cause.into(),
            headers: Vec::new(),
        }
    }
}

impl From<InvalidName> for Cause {
    fn from(error: InvalidName) -> Self {
        RegistryError::NameInvalid(error.to_string()).into()
    }
}

impl From<InvalidDigest> for Cause {
    fn from(error: InvalidDigest) -> Self {
        RegistryError::DigestInvalid(error.to_string()).into()
    }
}

impl From<InvalidReference> for Cause {
    fn from(error: InvalidReference) -> Self {
        match error {
            InvalidReference::Tag => RegistryError::NameInvalid(error.to_string()).into(),
            InvalidReference::Digest(digest) => digest.into(),
        }
    }
}

impl HttpError {
    /// Adds a header to the answer.
    pub fn with(mut self, name: HeaderName, value: impl Display) -> Self {
        self.headers.push((name, headers::value(value)));
        self
    }

    /// What happened.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether the fault is ours, or of something of ours that we rest on.
    pub fn is_ours(&self) -> bool {
        self.status_and_code().0.is_server_error() && !self.is_upstreams()
    }

    /// Whether another registry failed, which is logged where it is noticed.
    fn is_upstreams(&self) -> bool {
        matches!(self.cause, Cause::Registry(RegistryError::Upstream(_)))
    }

    /// The cause and everything beneath it, for the log.
    pub fn chain(&self) -> String {
        let mut text = self.cause.to_string();
        let mut source = self.cause.source();
        while let Some(error) = source {
            let _ = write!(text, ": {error}");
            source = error.source();
        }
        text
    }

    /// The answer. Of a fault of ours it shows the code and the request's id,
    /// by which the log is found, and nothing of what the log says.
    pub fn into_response(self, request_id: &str) -> Response<ResponseBody> {
        let (status, code) = self.status_and_code();
        let mut reply = self.with_standard_headers(Reply::new(status));
        reply = match code {
            Some(code) if self.is_ours() => reply.json(&error_body(
                code,
                "the registry cannot answer now; its log says why",
                &json!({ "request_id": request_id }),
            )),
            Some(code) => reply.json(&error_body(code, &self.cause.to_string(), &self.detail())),
            None => reply
                .fixed(CONTENT_TYPE, "text/plain; charset=utf-8")
                .bytes(format!("{}\n", self.cause).into()),
        };
        let mut response = reply.done();
        response.headers_mut().extend(self.headers);
        response
    }

    /// The table: which status, and which of the spec's codes. The spec wants
    /// one of its fourteen codes in every JSON body of a 4xx, so what has no
    /// code has no JSON body.
    fn status_and_code(&self) -> (StatusCode, Option<&'static str>) {
        use RegistryError as R;

        let error = match &self.cause {
            Cause::Registry(error) => error,
            Cause::NoSuchPath => return (StatusCode::NOT_FOUND, None),
            Cause::MethodNotAllowed(_) => {
                return (StatusCode::METHOD_NOT_ALLOWED, Some("UNSUPPORTED"));
            }
            Cause::Malformed(_) => return (StatusCode::BAD_REQUEST, None),
            Cause::Unauthorized(_) | Cause::BadToken => {
                return (StatusCode::UNAUTHORIZED, Some("UNAUTHORIZED"));
            }
            Cause::FormTooLarge(_) => return (StatusCode::PAYLOAD_TOO_LARGE, None),
            Cause::LockedOut(_) => {
                return (StatusCode::TOO_MANY_REQUESTS, Some("TOOMANYREQUESTS"));
            }
            Cause::NotReady(_) => return (StatusCode::SERVICE_UNAVAILABLE, None),
            Cause::Stuck => return (StatusCode::SERVICE_UNAVAILABLE, Some("UNAVAILABLE")),
            Cause::Panicked(_) => return (StatusCode::INTERNAL_SERVER_ERROR, Some("UNKNOWN")),
        };
        match error {
            R::BlobUnknown(_) => (StatusCode::NOT_FOUND, Some("BLOB_UNKNOWN")),
            R::UploadInvalid(_) => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                Some("BLOB_UPLOAD_INVALID"),
            ),
            R::UploadUnknown => (StatusCode::NOT_FOUND, Some("BLOB_UPLOAD_UNKNOWN")),
            R::DigestInvalid(_) => (StatusCode::BAD_REQUEST, Some("DIGEST_INVALID")),
            R::ManifestBlobUnknown(_) => (StatusCode::NOT_FOUND, Some("MANIFEST_BLOB_UNKNOWN")),
            R::ManifestInvalid(_) => (StatusCode::BAD_REQUEST, Some("MANIFEST_INVALID")),
            R::ManifestTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Some("MANIFEST_INVALID")),
            R::ManifestUnknown(_) => (StatusCode::NOT_FOUND, Some("MANIFEST_UNKNOWN")),
            R::NameInvalid(_) => (StatusCode::BAD_REQUEST, Some("NAME_INVALID")),
            R::NameUnknown => (StatusCode::NOT_FOUND, Some("NAME_UNKNOWN")),
            R::ScopeInsufficient => (StatusCode::UNAUTHORIZED, Some("UNAUTHORIZED")),
            R::Denied | R::TagImmutable { .. } => (StatusCode::FORBIDDEN, Some("DENIED")),
            R::Unsupported(_) => (StatusCode::METHOD_NOT_ALLOWED, Some("UNSUPPORTED")),
            R::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, Some("TOOMANYREQUESTS")),
            R::RangeInvalid { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, None),
            R::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, None),
            R::TooManyTags { .. } => (StatusCode::URI_TOO_LONG, None),
            R::BodyBroken(error) if error.kind() == io::ErrorKind::TimedOut => {
                (StatusCode::REQUEST_TIMEOUT, None)
            }
            R::SizeInvalid(_) | R::BodyBroken(_) => (StatusCode::BAD_REQUEST, Some("SIZE_INVALID")),
            R::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, Some("UNAVAILABLE")),
            R::Upstream(error) => match &**error {
                UpstreamError::TooManyRequests { .. } => {
                    (StatusCode::TOO_MANY_REQUESTS, Some("TOOMANYREQUESTS"))
                }
                UpstreamError::Unavailable { .. } => {
                    (StatusCode::SERVICE_UNAVAILABLE, Some("UNAVAILABLE"))
                }
                UpstreamError::Denied { .. } | UpstreamError::Invalid { .. } => {
                    (StatusCode::BAD_GATEWAY, Some("UNAVAILABLE"))
                }
            },
        }
    }

    /// What tells a client what to do next, in a fixed shape.
    fn detail(&self) -> Value {
        let error = match &self.cause {
            Cause::Registry(error) => error,
            Cause::LockedOut(time) => return json!({ "retry_after": seconds(*time) }),
            _ => return Value::Null,
        };
        match error {
            RegistryError::BlobUnknown(digest) | RegistryError::ManifestBlobUnknown(digest) => {
                json!({ "digest": digest })
            }
            RegistryError::ManifestUnknown(reference) => json!({ "reference": reference }),
            RegistryError::ManifestTooLarge { limit } => json!({ "limit": limit }),
            RegistryError::TooManyRequests => json!({ "retry_after": RETRY_AFTER_SECONDS }),
            _ => Value::Null,
        }
    }

    /// The headers that belong to the status.
    fn with_standard_headers(&self, reply: Reply) -> Reply {
        match &self.cause {
            Cause::MethodNotAllowed(methods) => reply.header(ALLOW, methods),
            Cause::Registry(RegistryError::TooManyRequests) => {
                reply.header(RETRY_AFTER, RETRY_AFTER_SECONDS)
            }
            Cause::LockedOut(time) => reply.header(RETRY_AFTER, seconds(*time)),
            Cause::Registry(RegistryError::Upstream(error)) => match &**error {
                UpstreamError::TooManyRequests {
                    retry_after: Some(time),
                    ..
                } => reply.header(RETRY_AFTER, seconds(*time)),
                _ => reply.header(RETRY_AFTER, RETRY_AFTER_SECONDS),
            },
            Cause::Registry(RegistryError::RangeInvalid { size }) => {
                reply.header(CONTENT_RANGE, format_args!("bytes */{size}"))
            }
            _ => reply,
        }
    }
}

/// Whole seconds, so that whoever waits for them has waited long enough.
fn seconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

fn error_body(code: &str, message: &str, detail: &Value) -> Value {
    let mut error = json!({ "code": code, "message": message });
    if !detail.is_null() {
        error["detail"] = detail.clone();
    }
    json!({ "errors": [error] })
}

#[cfg(test)]
mod tests;

//! How S3 is reached: hyper's pooled client, under OpenDAL.
//!
//! No redirect is followed: S3 sends them for buckets of another region, and
//! then the configuration is to be mended.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, Result};
use rustls::{ClientConfig, RootCertStore};

use crate::adapters::storage::metrics::Requests;
use crate::adapters::units::pem;

/// How long the service may take to answer the telephone.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept: less than servers keep theirs.
const IDLE: Duration = Duration::from_secs(20);

/// The client.
#[derive(Clone)]
pub(super) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    requests: Requests,
}

impl Transport {
    /// A client that trusts the authorities in `ca_bundle`, or else the
    /// system's, which are not asked for where the endpoint is plain http.
    pub(super) fn new(https: bool, ca_bundle: Option<&Path>) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let tls = match ca_bundle {
            Some(path) => tls.with_root_certificates(authorities(path)?),
            None if https => tls.with_native_roots()?,
            None => tls.with_root_certificates(RootCertStore::empty()),
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        let requests = Requests::default();
        Ok(Self { client, requests })
    }

    /// The same, and its requests are counted in `requests`.
    pub(super) fn counting(self, requests: Requests) -> Self {
        Self { requests, ..self }
    }
}

fn authorities(path: &Path) -> io::Result<RootCertStore> {
    let mut authorities = RootCertStore::empty();
    for certificate in pem::certificates(path).map_err(io::Error::other)? {
        authorities.add(certificate).map_err(io::Error::other)?;
    }
    Ok(authorities)
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let method = request.method().clone();
        let head = method == Method::HEAD;
        let listing = method == Method::GET && is_listing(request.uri());
        let answer = self.client.request(request.map(Body)).await;
        let status = answer.as_ref().ok().map(Response::status);
        self.requests.note(&method, status);
        let (parts, body) = answer.map_err(|e| broken("no answer", e))?.into_parts();
        let length = parts
            .headers
            .get(hyper::header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());

        if listing && parts.status.is_success() {
            let bytes = body.collect().await;
            let bytes = bytes.map_err(|e| broken("the listing broke off", e))?;
            let bytes = bytes.to_bytes();
            goes_on_or_ends(&String::from_utf8_lossy(&bytes))?;
            let length = bytes.len() as u64;
            let stream = futures_util::stream::iter([Ok(Buffer::from(bytes))]);
            let body = HttpBody::new(stream, Some(length));
            return Ok(Response::from_parts(parts, body));
        }
        let stream = body
            .into_data_stream()
            .map_ok(Buffer::from)
            .map_err(|e| broken("the answer broke off", e));
        // The answer to a HEAD names the length of a body that does not come.
        let length = length.filter(|_| !head);
        Ok(Response::from_parts(parts, HttpBody::new(stream, length)))
    }
}

fn broken(
    what: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let error = Error::new(ErrorKind::Unexpected, what).set_temporary();
    error.set_source(io::Error::other(source))
}

fn is_listing(uri: &Uri) -> bool {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    parameters.any(|parameter| parameter == "list-type=2")
}

/// A page of a listing must be the last, or say where the next one begins
/// (lessons.md, 4). OpenDAL would begin from the start again.
fn goes_on_or_ends(page: &str) -> Result<()> {
    let text = |tag: &str| {
        let (_, rest) = page.split_once(&format!("<{tag}>"))?;
        let (text, _) = rest.split_once(&format!("</{tag}>"))?;
        Some(text.trim())
    };
    let problem = match text("IsTruncated") {
        Some("false") => return Ok(()),
        Some("true") => match text("NextContinuationToken") {
            Some(token) if !token.is_empty() => return Ok(()),
            _ => "the service cut a listing short and does not say where it goes on",
        },
        _ => "the service does not say whether a listing is complete",
    };
    Err(Error::new(ErrorKind::Unexpected, problem))
}

/// A request's body, whose pieces are sent as they are.
struct Body(Buffer);

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

#[cfg(test)]
mod tests;

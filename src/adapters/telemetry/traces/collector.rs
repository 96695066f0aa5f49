//! `Collector`: who collects traces, over OTLP: one POST for each batch.
//!
//! OTLP over gRPC is the same message behind five bytes, over HTTP/2, with the verdict in the trailers; for that much,
//! no library of gRPC is worth its weight.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, TE};
use hyper::http::uri::Scheme;
use hyper::{HeaderMap, Request};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use rustls::{ClientConfig, RootCertStore};

use super::endpoint::Endpoint;
use crate::adapters::units::HttpUrl;

/// How long a batch may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection is kept that nobody uses: less than collectors keep theirs.
const IDLE: Duration = Duration::from_secs(20);

/// The longest answer that is read.
const LONGEST: usize = 64 << 10;

type AnyError = Box<dyn Error + Send + Sync>;

/// A collector, which need not be there; or why there can be none.
pub(super) struct Collector(Result<Reached, Arc<str>>);

struct Reached {
    endpoint: Endpoint,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Collector {
    /// The one at `url`.
    pub(super) fn new(url: &HttpUrl) -> Self {
        Self(Reached::new(url).map_err(|error| told(&*error)))
    }

    /// Sends a batch. How many of its spans were refused; the error says in one line why all were lost.
    pub(super) async fn send(&self, message: Bytes) -> Result<u64, Arc<str>> {
        let reached = self.0.as_ref().map_err(Arc::clone)?;
        let sent = tokio::time::timeout(PATIENCE, reached.send(message)).await;
        let sent = sent.unwrap_or_else(|_| Err("it does not answer in time".into()));
        sent.map_err(|error| told(&*error))
    }
}

impl Reached {
    fn new(url: &HttpUrl) -> Result<Self, AnyError> {
        let endpoint = Endpoint::of(url)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider);
        let tls = tls.with_safe_default_protocol_versions()?;
        // A container may have no authorities.
        let tls = if endpoint.uri.scheme() == Some(&Scheme::HTTPS) {
            tls.with_native_roots()?
        } else {
            tls.with_root_certificates(RootCertStore::empty())
        };
        let schemes = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_or_http();
        let connector = if endpoint.is_grpc {
            schemes.enable_http2().build()
        } else {
            schemes.enable_http1().build()
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http2_only(endpoint.is_grpc)
            .build(connector);
        Ok(Self { endpoint, client })
    }

    async fn send(&self, message: Bytes) -> Result<u64, AnyError> {
        let is_grpc = self.endpoint.is_grpc;
        let request = Request::post(self.endpoint.uri.clone());
        let request = if is_grpc {
            let request = request.header(CONTENT_TYPE, "application/grpc");
            let request = request.header(TE, "trailers");
            request.body(Full::new(framed(&message)?))?
        } else {
            let request = request.header(CONTENT_TYPE, "application/x-protobuf");
            request.body(Full::new(message))?
        };
        let (head, body) = self.client.request(request).await?.into_parts();
        if !head.status.is_success() {
            return Err(format!("it answers with {}", head.status).into());
        }
        let body = Limited::new(body, LONGEST).collect().await?;
        if is_grpc {
            // Where there is no message, the head is the trailers.
            let end = body.trailers().unwrap_or(&head.headers);
            verdict(end)?;
        }
        let answer = body.to_bytes();
        let answer = if is_grpc {
            answer.get(5..).unwrap_or_default()
        } else {
            &answer
        };
        // It arrived, whatever the answer to that says.
        let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
        let refused = answer.partial_success.map(|it| it.rejected_spans);
        Ok(refused.and_then(|it| it.try_into().ok()).unwrap_or(0))
    }
}

/// A message as gRPC sends it: not compressed, so long, and itself.
fn framed(message: &Bytes) -> Result<Bytes, AnyError> {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len().try_into()?);
    frame.extend_from_slice(message);
    Ok(frame.freeze())
}

fn verdict(trailers: &HeaderMap) -> Result<(), AnyError> {
    let text = |name| trailers.get(name)?.to_str().ok();
    match text("grpc-status") {
        Some("0") => Ok(()),
        Some(status) => {
            let message = text("grpc-message").unwrap_or_default();
            Err(format!("it answers with status {status} {message}").into())
        }
        None => Err("what it answers is no gRPC".into()),
    }
}

/// The error and its causes, in one line.
fn told(error: &(dyn Error + 'static)) -> Arc<str> {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line.into()
}

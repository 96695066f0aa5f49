//! Somebody who collects traces: OTLP over HTTP and over gRPC, on one port.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A span, and how it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub span: Span,
    pub resource: BTreeMap<String, String>,
    pub attributes: BTreeMap<String, String>,
}

#[derive(Default)]
struct Seen {
    spans: Vec<Got>,
    /// Path and headers of each request.
    heads: Vec<(String, HeaderMap)>,
}

/// Listens until it is dropped.
pub struct Receiver {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Receiver {
    /// One that answers, or one that never does.
    pub fn start(port: u16, answers: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let told = Arc::clone(&seen);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let told = Arc::clone(&told);
                let service = hyper::service::service_fn(move |request| {
                    answer(Arc::clone(&told), request, answers)
                });
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let stream = TokioIo::new(stream);
                    drop(server.serve_connection(stream, service).await);
                });
            }
        });
        Self {
            port,
            seen,
            runtime: Some(runtime),
        }
    }

    pub fn spans(&self) -> Vec<Got> {
        self.seen.lock().unwrap().spans.clone()
    }

    pub fn heads(&self) -> Vec<(String, HeaderMap)> {
        self.seen.lock().unwrap().heads.clone()
    }

    /// The first span that is `wanted`, once it is there.
    pub fn wait_for(&self, wanted: impl Fn(&Got) -> bool) -> Got {
        let begun = Instant::now();
        loop {
            if let Some(got) = self.spans().into_iter().find(&wanted) {
                return got;
            }
            let in_time = begun.elapsed() < Duration::from_secs(20);
            assert!(in_time, "{:#?}", self.spans());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Answer =
    StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

async fn answer(
    told: Arc<Mutex<Seen>>,
    request: Request<Incoming>,
    answers: bool,
) -> Result<Response<Answer>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = head.uri.path().to_owned();
    told.lock()
        .unwrap()
        .heads
        .push((path.clone(), head.headers.clone()));
    if !answers {
        std::future::pending::<()>().await;
    }
    let kind = head
        .headers
        .get("content-type")
        .map(|it| it.to_str().unwrap());
    let (message, frames) = match (path.as_str(), kind) {
        ("/v1/traces", Some("application/x-protobuf")) => (body, Vec::new()),
        (
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Some("application/grpc"),
        ) => {
            assert_eq!(head.headers["te"], "trailers");
            let length = u32::from_be_bytes(body[1..5].try_into().unwrap());
            assert_eq!((body[0], length as usize), (0, body.len() - 5));
            let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), 0.into())]);
            let empty = Bytes::from_static(&[0; 5]);
            let frames = vec![Ok(Frame::data(empty)), Ok(Frame::trailers(trailers))];
            (body.slice(5..), frames)
        }
        _ => {
            let mut response =
                Response::new(StreamBody::new(futures_util::stream::iter(Vec::new())));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    let message = ExportTraceServiceRequest::decode(message).unwrap();
    for of_resource in message.resource_spans {
        let resource = texts(&of_resource.resource.unwrap().attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|it| it.spans) {
            told.lock().unwrap().spans.push(Got {
                attributes: texts(&span.attributes),
                resource: resource.clone(),
                span,
            });
        }
    }
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
    if let Some(kind) = head.headers.get("content-type") {
        response.headers_mut().insert("content-type", kind.clone());
    }
    Ok(response)
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |it: &KeyValue| match it.value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .iter()
        .map(|it| (it.key.clone(), text(it)))
        .collect()
}

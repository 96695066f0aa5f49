//! The listener for health and metrics alone: in the clear, and in nobody's way.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::body::{self, ResponseBody};
use super::current::Current;
use super::error::Cause;
use super::health::Probe;

/// How many monitors may be connected; the others wait.
const CONNECTIONS: usize = 64;

/// How long one may take to ask, and be connected at all.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(5));

/// How long to wait before the next try when no connection can be accepted.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Answers `/healthz`, `/readyz` and `/metrics` on `listener` until `shutdown`.
pub async fn monitor(listener: TcpListener, current: Arc<Current>, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let accept = async {
        // Nobody closes it.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(BACK_OFF).await;
                continue;
            };
            let (current, shutdown) = (Arc::clone(&current), shutdown.clone());
            tokio::spawn(async move {
                let _place = place;
                let answer = service_fn(|request: Request<Incoming>| answer(&current, request));
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE.0);
                let serving = http.serve_connection(TokioIo::new(stream), answer);
                let serving = tokio::time::timeout(PATIENCE.1, serving);
                // A monitor that leaves is no event.
                let _ = shutdown.run_until_cancelled(serving).await;
            });
        }
    };
    shutdown.run_until_cancelled(accept).await;
}

async fn answer(
    current: &Current,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let (head, _) = request.into_parts();
    let answer = match Probe::of(head.uri.path()) {
        Some(probe) => probe.answer(current, &head).await,
        None => Err(Cause::NoSuchPath.into()),
    };
    let mut response = answer.unwrap_or_else(|error| error.into_response(""));
    if head.method == Method::HEAD {
        *response.body_mut() = body::empty();
    }
    Ok(response)
}

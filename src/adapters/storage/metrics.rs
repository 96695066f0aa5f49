//! Metrics of the store: how long its operations take, and how many fail.

use std::fmt::Display;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use hyper::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tracing::{Instrument, Span, debug_span};

use crate::adapters::units::TRACE;

/// From what memory answers to what a slow bucket needs, in seconds.
const BUCKETS: [f64; 9] = [0.000_1, 0.000_5, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0, 30.0];

/// What is done to a store.
#[rustfmt::skip] // a table
const OPERATIONS: [&str; 13] = [
    "read", "stat", "list", "write", "touch", "mark", "remove", "persist", "session",
    "content_open", "content_read", "content_write", "content_commit",
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: String,
    /// 0 where none came.
    code: u16,
}

/// Requests to S3.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests(Family<Answer, Counter>);

impl Requests {
    /// One was answered so, if it was.
    pub(super) fn note(&self, method: &Method, status: Option<StatusCode>) {
        let answer = Answer {
            method: method.to_string(),
            code: status.map_or(0, |it| it.as_u16()),
        };
        self.0.get_or_create(&answer).inc();
    }
}

/// What is counted. Clones count together.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    duration: Family<By, Histogram, fn() -> Histogram>,
    errors: Family<By, Counter>,
    pub(super) requests: Requests,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        let metrics = Self {
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            errors: Family::default(),
            requests: Requests::default(),
        };
        // They are shown before they happen, so that the first is a change.
        for operation in OPERATIONS {
            drop(metrics.duration.get_or_create(&By { operation }));
            drop(metrics.errors.get_or_create(&By { operation }));
        }
        metrics
    }
}

impl StoreMetrics {
    /// Shows them in `registry`.
    #[rustfmt::skip] // a table
    pub fn register(&self, registry: &mut Registry) {
        let to = registry.sub_registry_with_prefix("simple_registry");
        to.register_with_unit("store_operation_duration", "Time that operations of the store took", Unit::Seconds, self.duration.clone());
        to.register("store_errors", "Operations of the store that failed", self.errors.clone());
        to.register("s3_requests", "Requests to S3", self.requests.0.clone());
    }

    /// An operation begins.
    pub(super) fn call(&self, operation: &'static str, path: impl Display) -> Call {
        let by = By { operation };
        let duration = self.duration.get_or_create(&by).clone();
        // What nobody asked for, as the collector's passes, would be thousands of traces of one span.
        let span = if Span::current().is_disabled() {
            Span::none()
        } else {
            debug_span!(
                target: TRACE,
                "store",
                otel.name = %format_args!("store {operation}"),
                operation,
                %path,
            )
        };
        Call {
            timer: Some(Timer(duration, Instant::now())),
            errors: self.errors.get_or_create(&by).clone(),
            span,
        }
    }
}

/// An operation: it is timed until there is an answer, or nobody waits for one any more.
pub(super) struct Call {
    timer: Option<Timer>,
    errors: Counter,
    span: Span,
}

struct Timer(Histogram, Instant);

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.observe(self.1.elapsed().as_secs_f64());
    }
}

impl Call {
    /// The answer of `work`.
    pub(super) async fn of<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.blaming(work, |_| true).await
    }

    /// The answer of `work`, whose errors are the store's where `is_ours` says so.
    pub(super) async fn blaming<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        is_ours: fn(&E) -> bool,
    ) -> Result<T, E> {
        let answer = work.instrument(self.span.clone()).await;
        if answer.as_ref().is_err_and(is_ours) {
            self.errors.inc();
        }
        answer
    }

    /// The stream: timed until its first piece. An error ends it.
    pub(super) fn through<T: 'static, E: 'static>(
        mut self,
        stream: BoxStream<'static, Result<T, E>>,
    ) -> BoxStream<'static, Result<T, E>> {
        let looked_at = stream.inspect(move |piece| {
            drop(self.timer.take());
            if piece.is_err() {
                self.errors.inc();
            }
        });
        looked_at.boxed()
    }
}

//! Traces: spans of `tracing` become those of OpenTelemetry, wait in a queue, and are sent by a task of their own.

mod collector;
mod endpoint;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use self::collector::Collector;
use super::config::TracingConfig;
use crate::adapters::units::{HttpUrl, TRACE};

/// How many spans wait to be sent. What comes when there are as many is dropped.
const QUEUE: usize = 4096;

/// How many are sent at once.
const BATCH: usize = 512;

/// How long the first of a batch waits for more.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the end of the server waits for what is still to be sent.
const LAST: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    result: &'static str,
}

/// What became of spans. Clones count together.
#[derive(Clone, Debug)]
pub struct TraceMetrics {
    spans: Family<By, Counter>,
    exported: Counter,
    failed: Counter,
    dropped: Counter,
}

impl Default for TraceMetrics {
    fn default() -> Self {
        let spans: Family<By, Counter> = Family::default();
        let of = |result| spans.get_or_create_owned(&By { result });
        Self {
            exported: of("exported"),
            failed: of("failed"),
            dropped: of("dropped"),
            spans,
        }
    }
}

impl TraceMetrics {
    /// Shows them in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "simple_registry_trace_spans",
            "Spans of traces, by what became of them",
            self.spans.clone(),
        );
    }
}

/// Makes traces, and keeps them until they can be sent.
pub struct Traces {
    /// What becomes of them.
    pub metrics: TraceMetrics,
    endpoint: watch::Sender<HttpUrl>,
    spans: mpsc::Receiver<SpanData>,
}

/// A task that sends traces.
pub struct Exporting {
    endpoint: watch::Sender<HttpUrl>,
    last: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Traces {
    /// Traces as the configuration wants them, and the layer by which they are made of spans with the target [`TRACE`].
    /// A request that belongs to a trace is traced if that is; of others, the configured share.
    #[must_use]
    pub fn new<S>(config: &TracingConfig) -> (Self, impl Layer<S> + Send + Sync + 'static)
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let (queue, spans) = mpsc::channel(QUEUE);
        let metrics = TraceMetrics::default();
        let queue = Queue {
            spans: queue,
            dropped: metrics.dropped.clone(),
        };
        let of_others = Box::new(Sampler::TraceIdRatioBased(config.sampling_rate));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            .with_sampler(Sampler::ParentBased(of_others))
            .build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("simple-registry"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TRACE, LevelFilter::DEBUG));
        let traces = Self {
            metrics,
            endpoint: watch::Sender::new(config.endpoint.clone()),
            spans,
        };
        (traces, layer)
    }

    /// Sends them from now on, to where `config` says. Must be called inside a runtime.
    #[must_use]
    pub fn start(self, config: Option<&TracingConfig>) -> Exporting {
        let last = CancellationToken::new();
        let exporter = Exporter {
            spans: self.spans,
            endpoint: self.endpoint.subscribe(),
            metrics: self.metrics,
            last: last.clone(),
            resource: (&service()).into(),
            works: true,
        };
        let exporting = Exporting {
            endpoint: self.endpoint,
            last,
            task: tokio::spawn(exporter.run()),
        };
        exporting.follow(config);
        exporting
    }
}

impl Exporting {
    /// Sends to where `config` says, from now on.
    pub fn follow(&self, config: Option<&TracingConfig>) {
        if let Some(config) = config {
            let new = &config.endpoint;
            self.endpoint.send_if_modified(|endpoint| {
                let differs = endpoint != new;
                endpoint.clone_from(new);
                differs
            });
        }
    }

    /// Sends what there still is, if that does not take long.
    pub async fn end(self) {
        self.last.cancel();
        let abort = self.task.abort_handle();
        if tokio::time::timeout(LAST, self.task).await.is_err() {
            abort.abort();
            tracing::warn!("the last traces can't be sent in time, and are lost");
        }
    }
}

/// Whose spans they are.
fn service() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let named = Resource::builder_empty().with_service_name("simple-registry");
    named.with_attribute(version).build()
}

/// Where spans go when they end. It keeps nobody waiting.
#[derive(Debug)]
struct Queue {
    spans: mpsc::Sender<SpanData>,
    dropped: Counter,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.dropped.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

struct Exporter {
    spans: mpsc::Receiver<SpanData>,
    endpoint: watch::Receiver<HttpUrl>,
    metrics: TraceMetrics,
    last: CancellationToken,
    resource: ResourceAttributesWithSchema,
    /// Whether the last batch arrived, or there was none yet.
    works: bool,
}

impl Exporter {
    async fn run(mut self) {
        let mut collector = Collector::new(&self.endpoint.borrow_and_update());
        loop {
            let batch = self.batch().await;
            if batch.is_empty() {
                return;
            }
            let count = batch.len() as u64;
            let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
            let message = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
            let message = bytes::Bytes::from(message);
            let sent = loop {
                tokio::select! {
                    sent = collector.send(message.clone()) => break sent,
                    // The one before may hang.
                    Ok(()) = self.endpoint.changed() => {
                        collector = Collector::new(&self.endpoint.borrow_and_update());
                    }
                }
            };
            self.count(count, sent);
        }
    }

    /// The next spans; none when there will be none any more.
    async fn batch(&mut self) -> Vec<SpanData> {
        let mut batch = Vec::with_capacity(BATCH);
        let mut until = None;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            let pause = tokio::time::sleep_until(until.unwrap_or_else(Instant::now));
            tokio::select! {
                more = self.spans.recv_many(&mut batch, room) => match more {
                    0 => return batch,
                    _ => until = until.or(Some(Instant::now() + PAUSE)),
                },
                () = pause, if until.is_some() => return batch,
                () = self.last.cancelled(), if !self.spans.is_closed() => self.spans.close(),
            }
        }
        batch
    }

    /// The log tells of changes only.
    fn count(&mut self, spans: u64, sent: Result<u64, Arc<str>>) {
        let endpoint = self.endpoint.borrow().as_str().to_owned();
        match &sent {
            Ok(refused) => {
                let refused = spans.min(*refused);
                self.metrics.exported.inc_by(spans - refused);
                self.metrics.failed.inc_by(refused);
            }
            Err(_) => drop(self.metrics.failed.inc_by(spans)),
        }
        match sent {
            Err(error) if self.works => {
                tracing::warn!(endpoint, %error, "traces can't be sent; from now on, what is lost is only counted");
            }
            Ok(_) if !self.works => tracing::info!(endpoint, "traces can be sent again"),
            _ => return,
        }
        self.works = !self.works;
    }
}

#[cfg(test)]
mod tests;

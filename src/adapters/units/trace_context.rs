//! Where a span of a trace belongs: the W3C's `traceparent` and `tracestate`, in the headers of requests.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of each span that belongs into a trace, and of nothing else.
pub const TRACE: &str = "simple_registry::trace";

/// Makes `span`, which nobody has entered yet, a child of the one that the headers name, if they name one.
pub fn adopt(span: &Span, headers: &HeaderMap) {
    let parent =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Received(headers));
    if parent.span().span_context().is_valid() {
        // It fails where nobody traces.
        let _ = span.set_parent(parent);
    }
}

/// Names `span` in the headers of a request to somebody else, if it belongs into a trace.
pub fn name_in(headers: &mut HeaderMap, span: &Span) {
    if !span.is_disabled() {
        TraceContextPropagator::new().inject_context(&span.context(), &mut Sent(headers));
    }
}

/// Calls `span` so, which was begun before anybody knew what it is.
pub fn rename(span: &Span, name: &'static str) {
    span.context().span().update_name(name);
}

/// The trace that what runs here belongs to, if somebody collects it.
#[must_use]
pub fn current_trace() -> Option<TraceId> {
    Context::map_current(|context| {
        let span = context.span();
        let context = span.span_context();
        context.is_sampled().then(|| context.trace_id())
    })
}

struct Received<'h>(&'h HeaderMap);

impl Extractor for Received<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Sent<'h>(&'h mut HeaderMap);

impl Injector for Sent<'_> {
    fn set(&mut self, key: &str, value: String) {
        let pair = (HeaderName::try_from(key), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = pair {
            self.0.insert(name, value);
        }
    }
}

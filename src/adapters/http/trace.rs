//! The span of a request, by OpenTelemetry's conventions for HTTP. Where nothing is traced, none is made.

use hyper::StatusCode;
use hyper::http::request::Parts;
use tracing::field::{Empty, display};
use tracing::{Span, debug_span};

use super::callers::Visitor;
use super::metrics::known;
use super::route::{NO_ACTION, Subject};
use crate::adapters::units::{TRACE, adopt, rename};

/// Of a request that has just come. No query and no credentials are in it.
pub(super) fn begin(head: &Parts, id: &str, encrypted: bool) -> Span {
    let span = debug_span!(
        target: TRACE,
        parent: None,
        "request",
        otel.name = known(&head.method),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = known(&head.method),
        http.response.status_code = Empty,
        url.scheme = if encrypted { "https" } else { "http" },
        url.path = head.uri.path(),
        request_id = id,
        action = Empty,
        repository = Empty,
        digest = Empty,
        reference = Empty,
    );
    if !span.is_disabled() {
        adopt(&span, &head.headers);
    }
    span
}

/// The request is answered: what it was about is known, as far as it was understood.
pub(super) fn end(
    span: &Span,
    action: &'static str,
    visitor: Option<&Visitor>,
    status: StatusCode,
) {
    if span.is_disabled() {
        return;
    }
    if action != NO_ACTION {
        rename(span, action);
        span.record("action", action);
    }
    let Subject {
        repository,
        digest,
        tag,
    } = visitor.map(|it| it.route.subject()).unwrap_or_default();
    span.record("repository", repository.map(display));
    span.record("digest", digest.map(display));
    span.record("reference", tag.map(display));
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

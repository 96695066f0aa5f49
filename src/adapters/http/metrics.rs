//! Metrics of HTTP: what is counted of requests and connections, and the text of all metrics.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::admission::Admission;
use super::error::{Cause, HttpError};
use crate::domain::error::RegistryError;
use crate::domain::model::Action;

/// From what memory answers to what a slow bucket needs, in seconds.
const BUCKETS: [f64; 14] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// What is counted. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Request, Counter>,
    duration: Family<Asked, Histogram, fn() -> Histogram>,
    /// The kinds of answers that there were: few, and found sooner than by their words' hashes.
    kinds: Arc<RwLock<Vec<Kind>>>,
    denied: Family<Asked, Counter>,
    login_failures: Counter,
    /// Bytes of bodies that clients sent.
    pub received: Counter,
    /// Bytes of bodies that were sent to clients.
    pub sent: Counter,
    connections: Gauge,
    in_flight: Gauge,
    waiting: Gauge,
}

/// All metrics, as text.
#[derive(Clone)]
pub struct Exposition(Arc<Registry>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    action: &'static str,
    method: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    action: &'static str,
}

/// Where one kind of answer is counted.
#[derive(Clone, Debug)]
struct Kind {
    request: Request,
    count: Counter,
    duration: Histogram,
}

/// A connection that is open, until it is dropped.
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Counts in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            kinds: Arc::default(),
            denied: Family::default(),
            login_failures: Counter::default(),
            received: Counter::default(),
            sent: Counter::default(),
            connections: Gauge::default(),
            in_flight: Gauge::default(),
            waiting: Gauge::default(),
        };
        // They are shown before they happen, so that the first is a change.
        for action in Action::ALL.map(Action::as_str) {
            drop(metrics.denied.get_or_create(&Asked { action }));
        }
        let http = registry.sub_registry_with_prefix("simple_registry");
        http.register(
            "http_requests",
            "Requests that were answered",
            metrics.requests.clone(),
        );
        http.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its response's head",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        http.register_with_unit(
            "http_received",
            "Content of requests",
            Unit::Bytes,
            metrics.received.clone(),
        );
        http.register_with_unit(
            "http_sent",
            "Content of responses",
            Unit::Bytes,
            metrics.sent.clone(),
        );
        http.register(
            "http_connections",
            "Connections that are open",
            metrics.connections.clone(),
        );
        http.register(
            "http_requests_in_flight",
            "Requests that hold one of max_concurrent_requests places",
            metrics.in_flight.clone(),
        );
        http.register(
            "http_requests_waiting",
            "Requests that wait for a place",
            metrics.waiting.clone(),
        );
        http.register(
            "policy_denials",
            "Requests that an access policy denied",
            metrics.denied.clone(),
        );
        http.register(
            "login_failures",
            "Requests that were refused with 401 or a lockout though they carried credentials",
            metrics.login_failures.clone(),
        );
        metrics
    }

    /// A request was answered.
    pub fn answered(
        &self,
        action: &'static str,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let request = Request {
            action,
            method: known(method),
            code: status.as_u16(),
        };
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = kinds.iter().find(|kind| kind.request == request) {
            return kind.add(took);
        }
        drop(kinds);
        let kind = Kind {
            count: self.requests.get_or_create(&request).clone(),
            duration: self.duration.get_or_create(&Asked { action }).clone(),
            request,
        };
        kind.add(took);
        // Should two find it missing at a time, it is there twice, and counts in one place.
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        kinds.push(kind);
    }

    /// A request was refused.
    pub fn refused(&self, action: &'static str, error: &HttpError, had_credentials: bool) {
        match error.cause() {
            Cause::Registry(RegistryError::Denied) => {
                self.denied.get_or_create(&Asked { action }).inc();
            }
            Cause::Unauthorized(_) | Cause::BadToken | Cause::LockedOut(_) if had_credentials => {
                self.login_failures.inc();
            }
            _ => {}
        }
    }

    /// A connection is open.
    pub fn open(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    /// Notes how full it is inside, and in front of the door.
    pub fn look_at(&self, admission: &Admission) {
        let crowd = admission.crowd();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.in_flight.set(number(crowd.inside));
        self.waiting.set(number(crowd.waiting));
    }
}

impl Kind {
    fn add(&self, took: Duration) {
        self.count.inc();
        self.duration.observe(took.as_secs_f64());
    }
}

/// The method as a label: clients may make up others, without end.
pub(super) fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let mut known = KNOWN.into_iter();
    known.find(|it| *it == method.as_str()).unwrap_or("other")
}

impl Exposition {
    /// Of what is registered in `registry`.
    pub fn new(registry: Registry) -> Self {
        Self(Arc::new(registry))
    }

    /// The `OpenMetrics` text.
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        // Nothing that is written to memory fails.
        let _ = text::encode(&mut text, &self.0);
        text
    }

    /// The older format, version 0.0.4, in which a counter's own name ends in `_total`.
    pub fn classic(&self) -> String {
        let text = self.open_metrics();
        let types = text.lines().filter_map(|it| it.strip_prefix("# TYPE "));
        let counters: HashSet<&str> = types.filter_map(|it| it.strip_suffix(" counter")).collect();
        let mut classic = String::with_capacity(text.len());
        for line in text.lines() {
            let mut words = line.splitn(4, ' ');
            let parts = [words.next(), words.next(), words.next(), words.next()];
            match parts {
                [Some("#"), Some("UNIT" | "EOF"), ..] => continue,
                [Some("#"), Some(kind), Some(name), Some(rest)] if counters.contains(name) => {
                    classic.extend(["# ", kind, " ", name, "_total ", rest]);
                }
                _ => classic.push_str(line),
            }
            classic.push('\n');
        }
        classic
    }
}

#[cfg(test)]
mod tests;

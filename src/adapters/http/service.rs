//! One request: admitted, understood, done, answered, logged.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::admission::Place;
use super::body::{self, Outgoing, Received, RequestBody, ResponseBody};
use super::callers::Visitor;
use super::connection::Connection;
use super::current::Current;
use super::error::{Cause, HttpError};
use super::handlers::{self, Exchange};
use super::headers;
use super::health::Probe;
use super::query::Query;
use super::route::{NO_ACTION, NS, Route};
use super::trace;
use crate::domain::model::Caller;

/// Everything that requests share.
pub struct Service {
    current: Arc<Current>,
    writers: TaskTracker,
    /// Tells the requests of this run of the server from those of others.
    run: String,
    requests: AtomicU64,
}

/// A request's result, and the place that it holds until that is sent.
struct Outcome {
    action: &'static str,
    result: Result<Response<ResponseBody>, HttpError>,
    place: Option<Arc<Place>>,
    /// Who came in.
    visitor: Option<Arc<Visitor>>,
}

impl Service {
    /// A service of whatever `current` holds when a request comes.
    pub fn new(current: Arc<Current>) -> Self {
        let run = Uuid::new_v4().simple().to_string();
        Self {
            current,
            writers: TaskTracker::new(),
            run: run[..8].to_owned(),
            requests: AtomicU64::new(0),
        }
    }

    /// The writes that are going on. They outlive the connections they came on.
    pub fn writers(&self) -> &TaskTracker {
        &self.writers
    }

    /// Answers one request. Whatever happens, there is an answer.
    pub async fn answer(
        &self,
        connection: &Arc<Connection>,
        request: Request<Incoming>,
    ) -> Result<Response<Outgoing>, Infallible> {
        let started = Instant::now();
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", self.run);
        let active = connection.begin();
        let (head, incoming) = request.into_parts();
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());

        let query_timeout = self.current.get().settings.query_timeout;
        // Who asked before it sent anything still waits for the answer.
        let asked_first = head.headers.contains_key(EXPECT);
        let metrics = self.current.metrics();
        if let Some(probe) = self.probe(&path) {
            // Apart, so that every other request needs no room for it.
            let answer = Box::pin(probe.answer(&self.current, &head)).await;
            let response = answer.unwrap_or_else(|error| error.into_response(&id));
            let (head, body) = finish(response, &method).into_parts();
            let body = Outgoing::new(body, query_timeout, active, None, metrics.sent.clone());
            return Ok(Response::from_parts(head, body));
        }
        let span = trace::begin(&head, &id, connection.is_encrypted());
        let length = incoming.size_hint().exact();
        let received = Received::new(incoming);
        let counted = metrics.received.clone();
        let body = RequestBody::new(received.clone(), query_timeout, counted);
        let outcome = self.outcome(connection, head, body, query_timeout, &span);
        let outcome = outcome.await;
        if !received.end(outcome.result.is_err() && !asked_first).await {
            connection.leave_unread();
        }
        let visitor = outcome.visitor.as_deref();
        // The lines below belong to the request's trace.
        let entered = span.enter();
        let response = match outcome.result {
            Ok(response) => response,
            Err(error) => {
                let named = visitor.is_some_and(|it| it.headers.contains_key(AUTHORIZATION));
                metrics.refused(outcome.action, &error, named);
                log_error(&error, &id, &method, &path);
                error.into_response(&id)
            }
        };
        let response = finish(response, &method);
        let took = started.elapsed();
        metrics.answered(outcome.action, &method, response.status(), took);
        tracing::info!(
            request_id = %id,
            %method,
            path,
            status = response.status().as_u16(),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            // From here on last: what reads these lines knows the others by their order.
            action = outcome.action,
            identity = visitor.and_then(|it| Some(it.identity().as_ref()?.id.clone())),
            repository = visitor.and_then(|it| it.route.subject().repository.map(display)),
            digest = visitor.and_then(|it| it.route.subject().digest.map(display)),
            reference = visitor.and_then(|it| it.route.subject().tag.map(display)),
            received = length.filter(|it| *it > 0),
            length = promised(&response),
            "request"
        );
        trace::end(&span, outcome.action, visitor, response.status());
        drop(entered);
        let (head, body) = response.into_parts();
        let (place, counted) = (outcome.place, metrics.sent.clone());
        let body = Outgoing::new(body, query_timeout, active, place, counted);
        Ok(Response::from_parts(head, body))
    }

    /// What beside the API is asked for here.
    fn probe(&self, path: &str) -> Option<Probe> {
        let probe = Probe::of(path)?;
        let is_here = probe != Probe::Metrics || self.current.get().settings.serves_metrics;
        is_here.then_some(probe)
    }

    async fn outcome(
        &self,
        connection: &Arc<Connection>,
        head: Parts,
        body: RequestBody,
        patience: Duration,
        span: &Span,
    ) -> Outcome {
        let refused = |action, error: HttpError| Outcome {
            action,
            result: Err(error),
            place: None,
            visitor: None,
        };
        let uri = &head.uri;
        let serving = self.current.get();
        let namespaces = serving.registry.access().namespaces();
        let route = match Route::parse(&head.method, uri.path(), uri.query(), namespaces) {
            Ok(route) => route,
            Err(error) => return refused(NO_ACTION, error),
        };
        let action = route.action();
        let named = Query::parse(uri.query()).ok();
        let named = named.and_then(|query| Some(query.first(NS)?.to_owned()));
        let place = match self.current.admission().enter(patience).await {
            Ok(place) => Arc::new(place),
            Err(error) => return refused(action, error.into()),
        };
        // Only now: what was replaced while this waited is over.
        let serving = self.current.get();
        let is_one_at_a_time = head.version <= Version::HTTP_11;
        let registry = Arc::clone(&serving.registry);
        let visitor = Arc::new(Visitor {
            serving,
            headers: head.headers,
            authority: head.uri.authority().cloned(),
            connection: Arc::clone(connection),
            holes: connection.holes().filter(|_| is_one_at_a_time).cloned(),
            route,
            identity: Mutex::default(),
        });
        let exchange = Exchange {
            registry,
            visitor: Arc::clone(&visitor),
            body,
            caller: Caller::default(),
        };
        let mut result = self.run(exchange, &place, span).await;
        if let (Some(named), Ok(response)) = (named, &mut result) {
            let answered = headers::value(named);
            response
                .headers_mut()
                .insert(headers::OCI_NAMESPACE, answered);
        }
        Outcome {
            action,
            result,
            place: Some(place),
            visitor: Some(visitor),
        }
    }

    /// Runs the handler, but not for longer than it comes forward. A panic in
    /// it is an error like another.
    ///
    /// What writes has a task of its own that nobody stops: a client that
    /// leaves must not leave half a write behind. Once the body is in, it has
    /// longer to finish, because its client would only do it all again.
    async fn run(
        &self,
        exchange: Exchange,
        place: &Arc<Place>,
        span: &Span,
    ) -> Result<Response<ResponseBody>, HttpError> {
        let pulse = exchange.body.pulse();
        pulse.beat();
        let writes = exchange.visitor.route.writes();
        let settings = &exchange.visitor.serving.settings;
        let (query_timeout, grace_period) = (settings.query_timeout, settings.grace_period);
        let work = AssertUnwindSafe(answer(exchange)).catch_unwind().boxed();
        let mut work = work.instrument(span.clone());
        let done = if let Some(done) = (&mut work).now_or_never() {
            // Most of what is only looked at is in memory: no task, no alarm.
            done
        } else if writes {
            let place = Arc::clone(place);
            let task = self.writers.spawn(async move {
                let _place = place;
                work.await
            });
            let allowance = query_timeout + grace_period;
            tokio::select! {
                done = task => done.unwrap_or_else(|error| Err(Box::new(error.to_string()))),
                () = pulse.stopped(allowance) => return Err(Cause::Stuck.into()),
            }
        } else {
            tokio::select! {
                done = work => done,
                () = pulse.stopped(query_timeout) => return Err(Cause::Stuck.into()),
            }
        };
        done.unwrap_or_else(|panic| Err(Cause::Panicked(message(&*panic)).into()))
    }
}

/// Finds out who asks, and does what they ask for.
async fn answer(exchange: Exchange) -> Result<Response<ResponseBody>, HttpError> {
    let visitor = Arc::clone(&exchange.visitor);
    let mut anonymous = true;
    let answer = match visitor.identify().await {
        Ok(caller) => {
            anonymous = caller.identity.is_none();
            handlers::handle(&visitor, Exchange { caller, ..exchange }).await
        }
        Err(error) => Err(error),
    };
    answer.map_err(|error| visitor.challenge(error, anonymous))
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
        .to_owned()
}

/// Adds what every answer has, and takes away what an answer to HEAD must not.
fn finish(response: Response<ResponseBody>, method: &Method) -> Response<ResponseBody> {
    let mut response = response;
    let status = response.status();
    response
        .headers_mut()
        .insert(headers::API_VERSION, headers::REGISTRY_2);
    if method != Method::HEAD {
        return response;
    }
    let length = response.body().size_hint().exact().unwrap_or(0);
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !bodiless {
        response
            .headers_mut()
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    *response.body_mut() = body::empty();
    response
}

/// How long the body is, where that is said.
fn promised(response: &Response<ResponseBody>) -> Option<u64> {
    let length = response.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()?.parse().ok());
    length.or_else(|| response.body().size_hint().exact())
}

/// The one place where a request's failure is logged. The query stays out of
/// it: nobody knows what clients put there.
fn log_error(error: &HttpError, id: &str, method: &Method, path: &str) {
    let chain = error.chain();
    if error.is_ours() {
        tracing::error!(request_id = %id, %method, path, error = chain, "request failed");
    } else {
        tracing::debug!(request_id = %id, %method, path, error = chain, "request refused");
    }
}

//! Health and metrics: what probes and monitors ask for, beside the API. No policy and no place is needed for it.

use std::time::Duration;

use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::http::request::Parts;
use hyper::{Method, Response};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::body::ResponseBody;
use super::current::Current;
use super::error::{Cause, HttpError};
use super::reply::Reply;
use crate::domain::error::RegistryError;
use crate::domain::readiness::Readiness;

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(1);

/// How long the store and the locks may take.
const PATIENCE: Duration = Duration::from_secs(3);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `/healthz`: whether the process answers at all.
    Alive,
    /// `/readyz`: whether requests can be served.
    Ready,
    /// `/metrics`
    Metrics,
}

/// Remembers for a second whether the registry is ready, so that probes cost the store nothing.
#[derive(Default)]
pub struct Health(Mutex<Option<Verdict>>);

struct Verdict {
    at: Instant,
    /// What is wrong; nothing where all is well.
    faults: String,
}

impl Probe {
    /// What this path asks for, if it is no path of the API.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Alive),
            "/readyz" => Some(Self::Ready),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }

    /// The answer.
    pub async fn answer(
        self,
        current: &Current,
        head: &Parts,
    ) -> Result<Response<ResponseBody>, HttpError> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return Err(Cause::MethodNotAllowed("GET, HEAD").into());
        }
        match self {
            Self::Alive => {}
            Self::Ready => {
                let faults = current.health().faults(&current.get().readiness).await;
                if !faults.is_empty() {
                    return Err(Cause::NotReady(faults).into());
                }
            }
            Self::Metrics => return Ok(metrics(current, head)),
        }
        let reply = Reply::ok().fixed(CONTENT_TYPE, "text/plain; charset=utf-8");
        Ok(reply.bytes("ok\n".into()).done())
    }
}

fn metrics(current: &Current, head: &Parts) -> Response<ResponseBody> {
    current.metrics().look_at(current.admission());
    let accepted = head.headers.get_all(ACCEPT).iter();
    let accepted: String = accepted.filter_map(|it| it.to_str().ok()).collect();
    let is_classic = accepted.contains("text/plain") && !accepted.contains("openmetrics");
    let (content_type, text) = if is_classic {
        (CLASSIC, current.exposition().classic())
    } else {
        (OPEN_METRICS, current.exposition().open_metrics())
    };
    let reply = Reply::ok().header(CONTENT_TYPE, content_type);
    reply.bytes(text.into()).done()
}

impl Health {
    /// What is wrong, for people who may know no details: those are in the log.
    async fn faults(&self, readiness: &Readiness) -> String {
        // Whoever comes meanwhile waits for this answer, and asks for none of their own.
        let mut last = self.0.lock().await;
        if let Some(fresh) = last.as_ref().filter(|it| it.at.elapsed() < FRESH) {
            return fresh.faults.clone();
        }
        let (store, locks) = tokio::join!(
            timeout(PATIENCE, readiness.store()),
            timeout(PATIENCE, readiness.locks()),
        );
        let answers = [("store", store), ("lock store", locks)];
        let faults = answers
            .into_iter()
            .filter_map(|(what, answer)| match answer {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some((format!("the {what} fails"), Some(error))),
                Err(_) => Some((format!("the {what} does not answer in time"), None)),
            });
        let faults: Vec<_> = faults.collect();
        let texts: Vec<&str> = faults.iter().map(|(text, _)| text.as_str()).collect();
        let verdict = texts.join(", ");
        let before = last.as_ref().map_or("", |it| it.faults.as_str());
        if verdict != before {
            tell(&faults);
        }
        *last = Some(Verdict {
            at: Instant::now(),
            faults: verdict.clone(),
        });
        verdict
    }
}

fn tell(faults: &[(String, Option<RegistryError>)]) {
    if faults.is_empty() {
        tracing::info!("ready again");
    }
    for (fault, error) in faults {
        let error = error.as_ref().map(|it| it as &dyn std::error::Error);
        tracing::error!(error, "not ready: {fault}");
    }
}

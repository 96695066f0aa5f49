//! `Transport`: questions on their way: redirects, second tries, and who may see what.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Method, Response, Url};
use tracing::field::Empty;
use tracing::{Instrument, Span, debug_span};

use super::Patience;
use super::config::UpstreamConfig;
use super::error::Asked;
use super::reach::Reach;
use super::tls::{self, Clients};
use crate::adapters::units::{TRACE, jittered, name_in};
use crate::ports::UpstreamError;

/// How often a question is asked again that met a broken connection or a server's error.
const SECOND_TRIES: u32 = 2;

/// The pause before the first of them, at most. It doubles.
const PAUSE: Duration = Duration::from_millis(200);

/// How long an idle connection is kept: less than servers keep theirs.
const IDLE: Duration = Duration::from_secs(20);

/// What one connection of HTTP/2 may hold unread. It is shared: the default lets a few transfers that are stored slowly
/// stop all others.
const WINDOW: u32 = 16 << 20;

/// The way to an upstream.
pub(super) struct Transport {
    pub reach: Reach,
    clients: Clients,
    max_redirect: u8,
}

/// What is asked. All of it can be asked twice.
pub(super) struct Question {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub asked: Asked,
}

/// What was answered, and by whom.
pub(super) struct Answer {
    pub response: Response,
    /// Somebody else than the question's URL names.
    pub elsewhere: bool,
}

impl Transport {
    pub(super) fn open(
        home: Url,
        config: &UpstreamConfig,
        patience: Patience,
    ) -> Result<Self, tls::Failure> {
        let reach = Reach::new(home);
        let base = || {
            let client = ClientBuilder::new()
                .user_agent(concat!("simple-registry/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::none())
                .connect_timeout(patience.connect)
                .read_timeout(patience.silence)
                .pool_idle_timeout(IDLE)
                .http2_initial_connection_window_size(WINDOW);
            // No proxy is nearer.
            if reach.is_inner() {
                client.no_proxy()
            } else {
                client
            }
        };
        let clients = tls::clients(config, base)?;
        Ok(Self {
            reach,
            clients,
            max_redirect: config.max_redirect,
        })
    }

    /// Asks, and asks again where that may help: not when somebody was slow, nor when they want to be asked less.
    pub(super) async fn send(
        &self,
        question: &Question,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, UpstreamError> {
        let mut tries = 0;
        loop {
            let answer = self.follow(question, authorization).await;
            let again = match &answer {
                Ok(answer) => answer.response.status().is_server_error(),
                Err(Failure::Broken(error)) => !error.is_timeout(),
                Err(Failure::Misled(_)) => false,
            };
            if !again || tries == SECOND_TRIES {
                return answer.map_err(|failure| match failure {
                    Failure::Broken(error) => question.asked.unavailable(error),
                    Failure::Misled(why) => question.asked.invalid(why),
                });
            }
            tokio::time::sleep(jittered(PAUSE * 2_u32.pow(tries))).await;
            tries += 1;
        }
    }

    /// Asks, and goes where the answers lead. What is shown to one host is not shown to another.
    async fn follow(
        &self,
        question: &Question,
        mut authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let mut url = question.url.clone();
        for _ in 0..=self.max_redirect {
            let span = call(&question.method, &url);
            let mut headers = question.headers.clone();
            let client = if self.reach.is_home(&url) {
                name_in(&mut headers, &span);
                &self.clients.near
            } else {
                &self.clients.far
            };
            let mut request = client
                .request(question.method.clone(), url.clone())
                .headers(headers);
            if let Some(value) = authorization {
                request = request.header(AUTHORIZATION, value);
            }
            let response = request.send().instrument(span.clone()).await;
            answered(&span, &response);
            let response = response?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                let elsewhere = url.origin() != question.url.origin();
                return Ok(Answer {
                    response,
                    elsewhere,
                });
            }
            let location = response.headers().get(LOCATION);
            let next = location.and_then(|it| url.join(it.to_str().ok()?).ok());
            let next = next.ok_or_else(|| Failure::Misled("it leads nowhere".to_owned()))?;
            // Else reqwest would show them.
            if !next.username().is_empty() || next.password().is_some() {
                return Err(Failure::Misled(
                    "it leads to a URL with a password".to_owned(),
                ));
            }
            self.reach
                .admits(&url, &next)
                .await
                .map_err(Failure::Misled)?;
            if next.origin() != url.origin() {
                authorization = None;
            }
            url = next;
        }
        let most = self.max_redirect;
        Err(Failure::Misled(format!(
            "it leads on after {most} redirects (max_redirect)"
        )))
    }
}

/// The span of one request to somebody else. What a query has may be a secret.
fn call(method: &Method, url: &Url) -> Span {
    debug_span!(
        target: TRACE,
        "upstream",
        otel.name = method.as_str(),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method.as_str(),
        http.response.status_code = Empty,
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        url.scheme = url.scheme(),
        url.path = url.path(),
    )
}

/// To its client, also a refusal is an error.
fn answered(span: &Span, response: &reqwest::Result<Response>) {
    let status = response.as_ref().ok().map(Response::status);
    span.record("http.response.status_code", status.map(|it| it.as_u16()));
    if status.is_none_or(|it| it.as_u16() >= 400) {
        span.record("otel.status_code", "ERROR");
    }
}

enum Failure {
    Broken(reqwest::Error),
    Misled(String),
}

impl From<reqwest::Error> for Failure {
    /// A URL may hold what must not be logged.
    fn from(error: reqwest::Error) -> Self {
        Self::Broken(error.without_url())
    }
}

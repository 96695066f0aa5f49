//! `Auth`: what an upstream is shown: our name and password, or a token that they are good for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;

use super::challenge::{Bearer, Challenge, challenge};
use super::config::UpstreamConfig;
use super::error::Asked;
use super::transport::{Question, Transport};
use crate::domain::model::{Algorithm, Hasher, RepositoryName, Secret};
use crate::ports::{TokenCache, UpstreamError};

/// How long a token is good that does not say so.
const LIFETIME: Duration = Duration::from_mins(1);

/// How long before its end a token is not used any more: clocks differ, and requests take time.
const MARGIN: Duration = Duration::from_secs(10);

/// Longer than this no token is kept, whatever it says.
const LONGEST: Duration = Duration::from_hours(1);

/// No token is longer.
const MAX_BYTES: u64 = 256 * 1024;

/// Of how many repositories the challenge is remembered.
const MOST: usize = 10_000;

/// Our credentials at one upstream.
pub(super) struct Auth {
    upstream: String,
    /// Name and password, as they are sent.
    credentials: Option<HeaderValue>,
    /// The certificate that we show.
    certificate: String,
    tokens: Arc<dyn TokenCache>,
    /// What each repository's last challenge was: it saves the question that is answered by a challenge.
    challenges: Mutex<HashMap<RepositoryName, Challenge>>,
    /// One token is fetched once, however many wait for it. Others may have to wait their turn.
    turns: [tokio::sync::Mutex<()>; 16],
}

/// What a question was asked with.
pub(super) struct Shown {
    pub header: HeaderValue,
    challenge: Challenge,
    token: Option<Secret>,
    is_new: bool,
}

impl Auth {
    pub(super) fn new(
        upstream: &str,
        config: &UpstreamConfig,
        tokens: Arc<dyn TokenCache>,
    ) -> Self {
        let credentials = config.username.as_ref().zip(config.password.as_ref());
        let credentials = credentials.and_then(|(username, password)| {
            let encoded = STANDARD.encode(format!("{username}:{}", password.expose()));
            sensitive(&format!("Basic {encoded}"))
        });
        let certificate = config.client_certificate.as_deref();
        Self {
            upstream: upstream.to_owned(),
            credentials,
            certificate: certificate
                .map(|it| it.display().to_string())
                .unwrap_or_default(),
            tokens,
            challenges: Mutex::default(),
            turns: Default::default(),
        }
    }

    /// What `repository` is asked with at first: nothing, where no challenge is known.
    pub(super) async fn first(
        &self,
        repository: &RepositoryName,
        transport: &Transport,
    ) -> Result<Option<Shown>, UpstreamError> {
        let challenge = self.challenges().get(repository).cloned();
        match challenge {
            Some(challenge) => self.meet(challenge, None, transport).await,
            None => Ok(None),
        }
    }

    /// What is shown next, after a question was refused with these headers; `None` where there is nothing better.
    pub(super) async fn next(
        &self,
        repository: &RepositoryName,
        refused: Option<&Shown>,
        headers: &HeaderMap,
        transport: &Transport,
    ) -> Result<Option<Shown>, UpstreamError> {
        let Some(asked_for) = challenge(headers) else {
            return Ok(None);
        };
        let challenge = asked_for.challenge;
        self.remember(repository, &challenge);
        let refused = refused.filter(|it| it.challenge == challenge);
        match refused {
            // A new token would be refused for the same reason.
            Some(shown) if shown.is_new || asked_for.insufficient_scope => Ok(None),
            refused => {
                let refused = refused.and_then(|it| it.token.as_ref());
                self.meet(challenge, refused, transport).await
            }
        }
    }

    fn challenges(&self) -> MutexGuard<'_, HashMap<RepositoryName, Challenge>> {
        (self.challenges.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, repository: &RepositoryName, challenge: &Challenge) {
        let mut challenges = self.challenges();
        if challenges.len() >= MOST {
            challenges.clear();
        }
        challenges.insert(repository.clone(), challenge.clone());
    }

    async fn meet(
        &self,
        challenge: Challenge,
        refused: Option<&Secret>,
        transport: &Transport,
    ) -> Result<Option<Shown>, UpstreamError> {
        match &challenge {
            Challenge::Basic => Ok(self.credentials.clone().map(|header| Shown {
                header,
                challenge,
                token: None,
                is_new: true,
            })),
            Challenge::Bearer(bearer) => {
                let request = self.request(bearer, transport)?;
                let (token, is_new) = self.token(&request, refused, transport).await?;
                let header = sensitive(&format!("Bearer {}", token.expose()));
                let header = header
                    .ok_or_else(|| request.question.asked.invalid("it is no text for a header"))?;
                Ok(Some(Shown {
                    header,
                    challenge,
                    token: Some(token),
                    is_new,
                }))
            }
        }
    }

    /// How the token is asked for: with our credentials where the realm may know them, else as nobody.
    fn request(
        &self,
        wanted: &Bearer,
        transport: &Transport,
    ) -> Result<TokenRequest, UpstreamError> {
        let asked = Asked::new(&self.upstream, format!("a token for {:?}", wanted.scope));
        let realm = Url::parse(&wanted.realm).ok();
        let realm = realm.filter(|it| it.username().is_empty() && it.password().is_none());
        let mut url = realm.ok_or_else(|| asked.invalid("its realm is no URL"))?;
        let reach = &transport.reach;
        let credentials = self.credentials.as_ref().filter(|_| reach.trusts(&url));
        let name = [
            reach.home().as_str(),
            url.as_str(),
            &wanted.service,
            &wanted.scope,
            &self.certificate,
            credentials.map_or("", |it| it.to_str().unwrap_or_default()),
        ];
        let name = Hasher::digest_of(Algorithm::Sha256, name.join("\n").as_bytes());

        // An empty one would be no better than none.
        let service = Some(wanted.service.as_str()).filter(|it| !it.is_empty());
        let service = service.map(|it| ("service", it));
        let scopes = wanted.scope.split_ascii_whitespace();
        (url.query_pairs_mut())
            .extend_pairs(service.into_iter().chain(scopes.map(|it| ("scope", it))));
        Ok(TokenRequest {
            name: name.hex().to_owned(),
            question: Question {
                method: Method::GET,
                url,
                headers: HeaderMap::new(),
                asked,
            },
            authorization: credentials.cloned(),
        })
    }

    /// A token out of the cache, or a new one; not the one that was refused.
    async fn token(
        &self,
        request: &TokenRequest,
        refused: Option<&Secret>,
        transport: &Transport,
    ) -> Result<(Secret, bool), UpstreamError> {
        if let Some(token) = self.kept(&request.name, refused).await {
            return Ok((token, false));
        }
        let turn = request.name.bytes().next().map_or(0, usize::from) % self.turns.len();
        let _turn = self.turns[turn].lock().await;
        if let Some(token) = self.kept(&request.name, refused).await {
            return Ok((token, false));
        }
        let (url, reach) = (&request.question.url, &transport.reach);
        if request.authorization.is_none() && self.credentials.is_some() {
            tracing::warn!(
                upstream = self.upstream,
                realm = url.host_str(),
                "asks for a token without username and password: its realm is of another site"
            );
        }
        let led = reach.admits(reach.home(), url).await;
        led.map_err(|why| request.question.asked.invalid(format!("its realm: {why}")))?;
        let (token, keep) = fetch(request, transport).await?;
        if let Err(error) = self.tokens.put(&request.name, &token, keep).await {
            tracing::warn!(upstream = self.upstream, %error, "a token can't be kept");
        }
        Ok((token, true))
    }

    async fn kept(&self, name: &str, refused: Option<&Secret>) -> Option<Secret> {
        match self.tokens.get(name).await {
            Ok(token) => token.filter(|it| Some(it) != refused),
            Err(error) => {
                tracing::debug!(upstream = self.upstream, %error, "the cache of tokens does not answer");
                None
            }
        }
    }
}

/// A header that is not shown; `None` where the text can't be one.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A token that is wanted, and how it is asked for.
struct TokenRequest {
    /// Its name in the cache: a hash of all that it depends on.
    name: String,
    question: Question,
    authorization: Option<HeaderValue>,
}

async fn fetch(
    request: &TokenRequest,
    transport: &Transport,
) -> Result<(Secret, Duration), UpstreamError> {
    #[derive(Deserialize)]
    struct Token {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<serde_json::Value>,
    }
    let asked = &request.question.asked;
    let answer = transport
        .send(&request.question, request.authorization.as_ref())
        .await?;
    let answer = asked.judge(answer.response, answer.elsewhere)?;
    let answer = answer.ok_or_else(|| asked.invalid("its realm does not exist"))?;
    let bytes = asked.read(answer, MAX_BYTES).await?;
    // What is wrong with it might be shown with a part of it.
    let answer: Option<Token> = serde_json::from_slice(&bytes).ok();
    let expires_in = answer
        .as_ref()
        .and_then(|it| it.expires_in.as_ref()?.as_f64());
    let token = answer.and_then(|it| it.token.or(it.access_token));
    let token = token.filter(|it| !it.is_empty());
    let token = token.ok_or_else(|| asked.invalid("the answer has no token"))?;
    Ok((Secret::new(token), keep(expires_in)))
}

/// How long a token is kept that is good for so many seconds.
fn keep(expires_in: Option<f64>) -> Duration {
    let lifetime = expires_in.map_or(LIFETIME, |seconds| {
        Duration::try_from_secs_f64(seconds.clamp(0.0, LONGEST.as_secs_f64())).unwrap_or_default()
    });
    lifetime.saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests;

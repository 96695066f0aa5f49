//! What is asked of an upstream, and what its answers mean.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::ports::UpstreamError;

/// How long anything small may be on its way, drop by drop.
const SMALL: Duration = Duration::from_mins(1);

/// What an upstream is asked, for messages: no token, no query.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    upstream: String,
    what: String,
}

impl Asked {
    pub(super) fn new(upstream: &str, what: String) -> Self {
        Self {
            upstream: upstream.to_owned(),
            what,
        }
    }

    pub(super) fn unavailable(
        &self,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> UpstreamError {
        UpstreamError::Unavailable {
            upstream: self.upstream.clone(),
            what: self.what.clone(),
            source: source.into(),
        }
    }

    pub(super) fn invalid(&self, why: impl Into<String>) -> UpstreamError {
        UpstreamError::Invalid {
            upstream: self.upstream.clone(),
            what: self.what.clone(),
            why: why.into(),
        }
    }

    pub(super) fn denied(&self) -> UpstreamError {
        UpstreamError::Denied {
            upstream: self.upstream.clone(),
            what: self.what.clone(),
        }
    }

    /// The body of an answer, which has to fit in memory.
    pub(super) async fn read(
        &self,
        mut answer: Response,
        most: u64,
    ) -> Result<Bytes, UpstreamError> {
        let too_long = || self.invalid(format!("it is longer than {most} bytes"));
        if answer.content_length().is_some_and(|length| length > most) {
            return Err(too_long());
        }
        let whole = async {
            let mut bytes = BytesMut::new();
            while let Some(chunk) = answer
                .chunk()
                .await
                .map_err(|e| self.unavailable(e.without_url()))?
            {
                if (bytes.len() + chunk.len()) as u64 > most {
                    return Err(too_long());
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes.freeze())
        };
        match tokio::time::timeout(SMALL, whole).await {
            Ok(bytes) => bytes,
            Err(late) => Err(self.unavailable(late)),
        }
    }

    /// What an answer is good for: `None` is the upstream's "no such thing".
    ///
    /// Who is `elsewhere`, behind a redirect, does not know our credentials: that it refuses us says nothing of them.
    pub(super) fn judge(
        &self,
        answer: Response,
        elsewhere: bool,
    ) -> Result<Option<Response>, UpstreamError> {
        let status = answer.status();
        let what = match answer.url().host_str() {
            Some(host) if elsewhere => format!("the answer from {host} is {status}"),
            _ => format!("the answer is {status}"),
        };
        match status.as_u16() {
            200..300 => Ok(Some(answer)),
            404 => Ok(None),
            429 => Err(UpstreamError::TooManyRequests {
                upstream: self.upstream.clone(),
                retry_after: retry_after(answer.headers()),
            }),
            401 | 403 if !elsewhere => Err(self.denied()),
            401 | 403 | 408 | 500.. => Err(self.unavailable(what)),
            _ => Err(self.invalid(what)),
        }
    }
}

/// Seconds, or a date: that is compared with the upstream's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let after = text(RETRY_AFTER)?;
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = |text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    let wait = time(after).ok()? - time(text(DATE)?).ok()?;
    Duration::try_from(wait).ok()
}

#[cfg(test)]
mod tests;

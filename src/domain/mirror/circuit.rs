//! Circuits: an upstream that fails is left alone for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::model::{Digest, Reference, RepositoryName, Timestamp};
use crate::ports::{Clock, Upstream, UpstreamBlob, UpstreamError, UpstreamManifest};

/// How many failures in a row break the circuit: fewer may be about one image.
const FAILURES: u32 = 3;

/// For how long it is broken first; twice as long each time after that.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How long a 429 holds that does not say, and how long any holds at most.
const LIMIT_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_LIMIT: Duration = Duration::from_hours(1);

/// How long everybody else waits for what comes of the one who asks again.
const PROBE: Duration = Duration::from_secs(30);

/// An upstream that fails at once while it is known to be down, or wants to be
/// asked less. What is wrong is logged when it begins and when it ends.
pub struct Circuit {
    upstream: Arc<dyn Upstream>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    told: Box<dyn Fn(&'static str) + Send + Sync>,
}

#[derive(Default)]
struct State {
    failures: u32,
    pause: Option<Pause>,
    /// How many answers went wrong, or were not asked for, since the last good one.
    missed: u64,
}

struct Pause {
    since: Timestamp,
    length: Duration,
    is_limit: bool,
}

impl Circuit {
    /// What becomes of a question: the upstream's answers and failures, and `refused`, where it is not asked.
    pub const RESULTS: [&'static str; 7] = [
        "found", "missing", "limited", "failed", "denied", "invalid", "refused",
    ];

    /// A circuit before `upstream`.
    #[must_use]
    pub fn new(upstream: Arc<dyn Upstream>, clock: Arc<dyn Clock>) -> Self {
        Self {
            upstream,
            clock,
            state: Mutex::default(),
            told: Box::new(|_| {}),
        }
    }

    /// The same, and `told` is told what becomes of each question: one of [`Circuit::RESULTS`].
    #[must_use]
    pub fn telling(self, told: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        let told = Box::new(told);
        Self { told, ..self }
    }

    /// Whether the upstream is not asked now, or by one only.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let now = self.clock.now();
        let state = self.state();
        let pause = state.pause.as_ref();
        pause.is_some_and(|it| now.since(it.since) < it.length)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass<T>(
        &self,
        ask: impl Future<Output = Result<Option<T>, UpstreamError>>,
    ) -> Result<Option<T>, UpstreamError> {
        self.admit().inspect_err(|_| (self.told)("refused"))?;
        let answer = ask.await;
        (self.told)(match &answer {
            Ok(Some(_)) => "found",
            Ok(None) => "missing",
            Err(UpstreamError::TooManyRequests { .. }) => "limited",
            Err(UpstreamError::Unavailable { .. }) => "failed",
            Err(UpstreamError::Denied { .. }) => "denied",
            Err(UpstreamError::Invalid { .. }) => "invalid",
        });
        match &answer {
            Ok(_) => self.works(),
            Err(error) => self.fails(error),
        }
        answer
    }

    /// Lets the request through, or says how long nobody asks. When that time
    /// is over, one asks first.
    fn admit(&self) -> Result<(), UpstreamError> {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(pause) = &mut state.pause else {
            return Ok(());
        };
        let left = pause.length.saturating_sub(now.since(pause.since));
        // A clock that was set back must not make the pause longer.
        if left.is_zero() || now < pause.since {
            *pause = Pause {
                since: now,
                length: PROBE,
                is_limit: false,
            };
            return Ok(());
        }
        let upstream = self.name().to_owned();
        let error = if pause.is_limit {
            UpstreamError::TooManyRequests {
                upstream,
                retry_after: Some(left),
            }
        } else {
            UpstreamError::Unavailable {
                upstream,
                what: "not asked, because it failed just now".to_owned(),
                source: format!("it is asked again in {} ms", left.as_millis()).into(),
            }
        };
        state.missed += 1;
        Err(error)
    }

    fn works(&self) {
        let state = std::mem::take(&mut *self.state());
        if state.missed > 0 {
            let missed = state.missed;
            tracing::info!(upstream = self.name(), missed, "the upstream answers again");
        }
    }

    fn fails(&self, error: &UpstreamError) {
        let now = self.clock.now();
        let mut state = self.state();
        if state.missed == 0 {
            let error = error as &dyn std::error::Error;
            tracing::warn!(upstream = self.name(), error, "an upstream fails");
        }
        state.missed += 1;
        let pause = match error {
            UpstreamError::TooManyRequests { retry_after, .. } => {
                Some(retry_after.unwrap_or(LIMIT_PAUSE).min(LONGEST_LIMIT))
            }
            UpstreamError::Unavailable { .. } => {
                state.failures = state.failures.saturating_add(1);
                let times = state.failures.checked_sub(FAILURES);
                let length = |times: u32| FIRST_PAUSE.saturating_mul(1 << times.min(16));
                times.map(|times| length(times).min(LONGEST_PAUSE))
            }
            // It answered; another question may have a better answer.
            UpstreamError::Denied { .. } | UpstreamError::Invalid { .. } => None,
        };
        state.pause = pause.map(|length| Pause {
            since: now,
            length,
            is_limit: matches!(error, UpstreamError::TooManyRequests { .. }),
        });
    }
}

#[async_trait]
impl Upstream for Circuit {
    fn name(&self) -> &str {
        self.upstream.name()
    }

    async fn resolve_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<Digest>, UpstreamError> {
        self.pass(self.upstream.resolve_manifest(repository, reference))
            .await
    }

    async fn get_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<UpstreamManifest>, UpstreamError> {
        self.pass(self.upstream.get_manifest(repository, reference))
            .await
    }

    async fn stat_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, UpstreamError> {
        self.pass(self.upstream.stat_blob(repository, digest)).await
    }

    async fn open_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        offset: u64,
    ) -> Result<Option<UpstreamBlob>, UpstreamError> {
        self.pass(self.upstream.open_blob(repository, digest, offset))
            .await
    }

    async fn get_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Option<Bytes>, UpstreamError> {
        self.pass(self.upstream.get_referrers(repository, subject))
            .await
    }
}

#[cfg(test)]
mod tests;

//! One lock that is held in Redis, and renewed for as long as it is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::locks::Scripts;
use crate::adapters::units::uptime;
use crate::ports::{Lease, LockKey};

/// A name that this process asks for or holds. Dropped, it is given back: also
/// where nobody knows whether it was got.
pub(super) struct Hold {
    state: Arc<State>,
    renewing: Option<JoinHandle<()>>,
}

struct State {
    scripts: Arc<Scripts>,
    key: LockKey,
    token: String,
    /// When the last question began that was answered with "it is yours".
    renewed: Mutex<Duration>,
    lost: CancellationToken,
}

impl Hold {
    /// Nothing yet.
    pub(super) fn of(key: &LockKey, scripts: &Arc<Scripts>) -> Self {
        Self {
            state: Arc::new(State {
                scripts: Arc::clone(scripts),
                key: key.clone(),
                // Tells this hold from every other one, before and after.
                token: uuid::Uuid::new_v4().simple().to_string(),
                renewed: Mutex::new(Duration::ZERO),
                lost: CancellationToken::new(),
            }),
            renewing: None,
        }
    }

    pub(super) fn token(&self) -> &str {
        &self.state.token
    }

    /// It is ours since `began`; false where the answer took so long that it is
    /// not any more.
    pub(super) fn begins(&mut self, began: Duration) -> bool {
        self.state.renew_at(began);
        if !self.state.stands() {
            return false;
        }
        let state = Arc::clone(&self.state);
        self.renewing = Some(tokio::spawn(state.renew_for_ever()));
        true
    }
}

impl Lease for Hold {
    fn key(&self) -> &LockKey {
        &self.state.key
    }

    fn stands(&self) -> bool {
        self.state.stands()
    }

    fn lost(&self) -> BoxFuture<'static, ()> {
        self.state.lost.clone().cancelled_owned().boxed()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(renewing) = &self.renewing {
            renewing.abort();
        }
        // Outside a runtime the process is at its end, and so is the lock after
        // its time.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let state = Arc::clone(&self.state);
            runtime.spawn(async move {
                let released = state.scripts.release(&state.key, &state.token).await;
                if let Err(error) = released {
                    tracing::debug!(%error, key = %state.key, "a lock stays until its time is over");
                }
            });
        }
    }
}

impl State {
    fn age(&self) -> Duration {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        uptime().saturating_sub(renewed)
    }

    /// For two thirds of its time. The rest is for what was sent to the store
    /// in the last moment, before somebody else can have the lock.
    fn stands(&self) -> bool {
        !self.lost.is_cancelled() && self.age() < self.trusted()
    }

    fn trusted(&self) -> Duration {
        self.scripts.ttl() * 2 / 3
    }

    fn renew_at(&self, began: Duration) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = began;
    }

    /// Every third of its time; where Redis does not answer, until it cannot be
    /// trusted any more.
    async fn renew_for_ever(self: Arc<Self>) {
        let ttl = self.scripts.ttl();
        let mut pause = ttl / 3;
        loop {
            tokio::time::sleep(pause).await;
            let began = uptime();
            let left = self.trusted().saturating_sub(self.age());
            let refreshing = self.scripts.refresh(&self.key, &self.token);
            match tokio::time::timeout(left, refreshing).await {
                Ok(Ok(true)) => {
                    self.renew_at(began);
                    pause = ttl / 3;
                }
                Ok(Ok(false)) => {
                    tracing::warn!(key = %self.key, "a lock was lost: somebody else may have it");
                    break;
                }
                Ok(Err(error)) if self.stands() => {
                    tracing::debug!(%error, key = %self.key, "a lock is not renewed yet");
                    pause = ttl / 12;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, key = %self.key, "a lock was lost: it can't be renewed");
                    break;
                }
                Err(_) => {
                    tracing::warn!(key = %self.key, "a lock was lost: Redis does not answer in time");
                    break;
                }
            }
        }
        self.lost.cancel();
    }
}

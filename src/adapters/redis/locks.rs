//! Locks between machines: a key with a time to live, that only its holder may renew and remove.
//!
//! A lock is worth what Redis remembers. One that was restarted, or that took
//! over from another, may have forgotten who holds what. It has another run id
//! then, and until every hold that may have been forgotten is over, nobody gets
//! a lock; those who hold one go on, and get it back when they renew it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Script, ScriptInvocation, Value};

use super::lease::Hold;
use super::{Failure, Redis};
use crate::adapters::units::{jittered, uptime};
use crate::ports::{LockError, LockGuard, LockKey, LockManager};

/// How long to wait before asking again for what somebody else holds: at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(250));

/// Sets `settling`: for how long, in ms, nobody gets a lock.
const SETTLING: &str = r"
    local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
    if redis.call('GET', KEYS[2]) ~= run then
        redis.call('SET', KEYS[2], run)
        redis.call('SET', KEYS[3], run, 'PX', ARGV[2])
    end
    local settling = redis.call('PTTL', KEYS[3])
";

/// Answers 0 where the lock was taken, -1 where somebody holds it, and a time
/// in ms where nobody gets it for so long.
const ACQUIRE: &str = r"
    if settling > 0 then return settling end
    local holder = redis.call('GET', KEYS[1])
    if not holder or holder == ARGV[1] then
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return 0
    end
    return -1
";

/// Answers 1 where the lock is held on, 0 where it is not ours.
const REFRESH: &str = r"
    local holder = redis.call('GET', KEYS[1])
    if holder == ARGV[1] or (not holder and settling > 0) then
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return 1
    end
    return 0
";

const RELEASE: &str = r"
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
    return 0
";

/// Locks that every process with the same Redis and prefix sees.
pub struct RedisLocks {
    scripts: Arc<Scripts>,
    patience: Duration,
}

/// What Redis is asked.
pub(super) struct Scripts {
    redis: Redis,
    ttl: Duration,
    acquire: Script,
    refresh: Script,
    release: Script,
}

enum Answer {
    Taken,
    Held,
    Settling(Duration),
}

impl RedisLocks {
    /// Locks that outlive a dead holder by `ttl`, and are waited for no longer
    /// than `patience`.
    #[must_use]
    pub fn new(redis: Redis, ttl: Duration, patience: Duration) -> Self {
        let scripts = Scripts {
            redis,
            ttl,
            acquire: Script::new(&format!("{SETTLING}{ACQUIRE}")),
            refresh: Script::new(&format!("{SETTLING}{REFRESH}")),
            release: Script::new(RELEASE),
        };
        Self {
            scripts: Arc::new(scripts),
            patience,
        }
    }

    /// Asks until the lock is there; or, where somebody holds it, once.
    async fn take(&self, key: &LockKey, waits: bool) -> Result<Option<LockGuard>, LockError> {
        let unavailable = |source: Failure| LockError::Unavailable {
            what: key.to_string(),
            source: Box::new(source),
        };
        let mut hold = Hold::of(key, &self.scripts);
        let mut wait = WAITS.0;
        loop {
            let began = uptime();
            let answer = self.scripts.acquire(key, hold.token()).await;
            let pause = match answer.map_err(unavailable)? {
                Answer::Taken if hold.begins(began) => return Ok(Some(LockGuard::leased(hold))),
                Answer::Taken => {
                    return Err(LockError::Unavailable {
                        what: key.to_string(),
                        source: "Redis answered too late for a lock of that ttl".into(),
                    });
                }
                Answer::Held if !waits => return Ok(None),
                Answer::Held => {
                    wait = (wait * 2).min(WAITS.1);
                    wait
                }
                Answer::Settling(time) => time,
            };
            tokio::time::sleep(jittered(pause)).await;
        }
    }

    async fn within<T>(
        &self,
        key: &LockKey,
        taking: impl Future<Output = Result<T, LockError>>,
    ) -> Result<T, LockError> {
        match tokio::time::timeout(self.patience, taking).await {
            Ok(taken) => taken,
            Err(_) => Err(LockError::Contended(key.to_string())),
        }
    }
}

#[async_trait]
impl LockManager for RedisLocks {
    async fn acquire(&self, key: &LockKey) -> Result<LockGuard, LockError> {
        let taking = async {
            let taken = self.take(key, true).await?;
            taken.ok_or_else(|| LockError::Contended(key.to_string()))
        };
        self.within(key, taking).await
    }

    async fn try_acquire(&self, key: &LockKey) -> Result<Option<LockGuard>, LockError> {
        self.within(key, self.take(key, false)).await
    }
}

impl Scripts {
    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    async fn acquire(&self, key: &LockKey, token: &str) -> Result<Answer, Failure> {
        let answer = self.ask(&self.acquire, key, token).await?;
        Ok(match u64::try_from(answer) {
            Ok(0) => Answer::Taken,
            Ok(settling) => Answer::Settling(Duration::from_millis(settling)),
            Err(_) => Answer::Held,
        })
    }

    pub(super) async fn refresh(&self, key: &LockKey, token: &str) -> Result<bool, Failure> {
        Ok(self.ask(&self.refresh, key, token).await? == 1)
    }

    pub(super) async fn release(&self, key: &LockKey, token: &str) -> Result<(), Failure> {
        self.ask(&self.release, key, token).await.map(drop)
    }

    async fn ask(&self, script: &Script, key: &LockKey, token: &str) -> Result<i64, Failure> {
        let mut invocation: ScriptInvocation<'_> = script.prepare_invoke();
        invocation
            .key(self.redis.name(&format!("lock:{key}")))
            .key(self.redis.name("locks:run"))
            .key(self.redis.name("locks:settling"))
            .arg(token)
            .arg(u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX));
        match self.redis.run(&invocation).await? {
            Value::Int(answer) => Ok(answer),
            other => Err(self.redis.nonsense(&other)),
        }
    }
}

//! What replicas tell each other: tokens that one of them was given, and where a digest was seen last.

use std::time::Duration;

use async_trait::async_trait;

use super::Redis;
use crate::domain::model::{Digest, RepositoryName, Secret};
use crate::ports::{CacheError, MountHints, TokenCache};

/// How long anybody waits: what a cache knows can be found out without it.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a hint is kept.
const HINT: Duration = Duration::from_hours(24);

/// A cache that every process with the same Redis and prefix sees.
pub struct RedisCache {
    redis: Redis,
}

impl RedisCache {
    /// A cache in `redis`.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self { redis }
    }

    async fn read(&self, name: &str) -> Result<Option<String>, CacheError> {
        let command = redis::Cmd::get(self.redis.name(name));
        within(self.redis.query(&command)).await
    }

    async fn write(&self, name: &str, value: &str, keep: Duration) -> Result<(), CacheError> {
        let Ok(millis @ 1..) = u64::try_from(keep.as_millis()) else {
            return Ok(());
        };
        let command = redis::Cmd::pset_ex(self.redis.name(name), value, millis);
        within(self.redis.query(&command)).await
    }
}

async fn within<T>(
    asked: impl Future<Output = Result<T, super::Failure>>,
) -> Result<T, CacheError> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => Ok(answer?),
        Err(late) => Err(CacheError(Box::new(late))),
    }
}

#[async_trait]
impl TokenCache for RedisCache {
    async fn get(&self, name: &str) -> Result<Option<Secret>, CacheError> {
        let token = self.read(&format!("token:{name}")).await?;
        Ok(token.map(Secret::new))
    }

    async fn put(&self, name: &str, token: &Secret, keep: Duration) -> Result<(), CacheError> {
        self.write(&format!("token:{name}"), token.expose(), keep)
            .await
    }
}

#[async_trait]
impl MountHints for RedisCache {
    async fn get(&self, digest: &Digest) -> Result<Option<RepositoryName>, CacheError> {
        let hint = self.read(&format!("seen:{digest}")).await?;
        // Somebody else's key is no hint.
        Ok(hint.and_then(|name| name.parse().ok()))
    }

    async fn put(&self, digest: &Digest, repository: &RepositoryName) -> Result<(), CacheError> {
        self.write(&format!("seen:{digest}"), repository.as_str(), HINT)
            .await
    }
}

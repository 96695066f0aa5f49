//! Tokens in Redis: those that one replica was given serve the others too.

use std::time::Duration;

use async_trait::async_trait;

use super::Redis;
use crate::domain::model::Secret;
use crate::ports::{CacheError, TokenCache};

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
}

#[async_trait]
impl TokenCache for RedisCache {
    async fn get(&self, name: &str) -> Result<Option<Secret>, CacheError> {
        let key = self.redis.name(&format!("token:{name}"));
        let token: Option<String> = self.redis.query(&redis::Cmd::get(key)).await?;
        Ok(token.map(Secret::new))
    }

    async fn put(&self, name: &str, token: &Secret, keep: Duration) -> Result<(), CacheError> {
        let Ok(millis @ 1..) = u64::try_from(keep.as_millis()) else {
            return Ok(());
        };
        let key = self.redis.name(&format!("token:{name}"));
        let command = redis::Cmd::pset_ex(key, token.expose(), millis);
        Ok(self.redis.query(&command).await?)
    }
}

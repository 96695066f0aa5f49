//! `[lock_store]` and `[cache_store]`: what several machines share through Redis.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::units::{self, Seconds};
use crate::domain::model::Secret;

/// `[lock_store]`: without `redis`, locks hold on this machine only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LockStoreConfig {
    /// `[lock_store.redis]`.
    pub redis: Option<RedisLockConfig>,
}

/// `[lock_store.redis]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisLockConfig {
    /// Where the server is. It may hold a password, so it is a secret.
    #[serde(deserialize_with = "units::secret")]
    #[schemars(with = "String")]
    pub url: Secret,
    /// How long a lock outlives a holder that has died.
    #[serde(default = "ten_seconds")]
    pub ttl: Seconds,
    /// What every key begins with.
    #[serde(default)]
    pub key_prefix: Option<String>,
}

/// `[cache_store]`: without `redis`, tokens are cached in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheStoreConfig {
    /// `[cache_store.redis]`.
    pub redis: Option<RedisCacheConfig>,
}

/// `[cache_store.redis]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisCacheConfig {
    /// Where the server is. It may hold a password, so it is a secret.
    #[serde(deserialize_with = "units::secret")]
    #[schemars(with = "String")]
    pub url: Secret,
    /// What every key begins with.
    #[serde(default)]
    pub key_prefix: Option<String>,
}

fn ten_seconds() -> Seconds {
    Seconds::new(10)
}

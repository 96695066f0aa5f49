//! `MemoryTokens`: tokens that one process remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::domain::model::Secret;
use crate::ports::{CacheError, TokenCache, UPSTREAM_TOKENS};

/// No more tokens are kept than this.
const MOST: usize = 10_000;

/// A cache in memory; before another one, it saves the way there, and goes on without it.
#[derive(Default)]
pub struct MemoryTokens {
    kept: Mutex<HashMap<String, Kept>>,
    shared: Option<Arc<dyn TokenCache>>,
}

struct Kept {
    token: Secret,
    until: Instant,
}

impl MemoryTokens {
    /// A cache in front of one that others see too.
    #[must_use]
    pub fn before(shared: Arc<dyn TokenCache>) -> Self {
        Self {
            kept: Mutex::default(),
            shared: Some(shared),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, name: &str, token: &Secret, keep: Duration) {
        let now = Instant::now();
        let Some(until) = now.checked_add(keep) else {
            return;
        };
        let mut kept = self.lock();
        if kept.len() >= MOST && !kept.contains_key(name) {
            kept.retain(|_, it| it.until > now);
            if kept.len() >= MOST {
                kept.clear();
            }
        }
        let token = token.clone();
        kept.insert(name.to_owned(), Kept { token, until });
    }
}

#[async_trait]
impl TokenCache for MemoryTokens {
    async fn get(&self, name: &str) -> Result<Option<Secret>, CacheError> {
        let now = Instant::now();
        let kept = (self.lock().get(name))
            .filter(|it| it.until > now)
            .map(|it| it.token.clone());
        UPSTREAM_TOKENS.note(kept.is_some());
        match (kept, &self.shared) {
            (Some(token), _) => Ok(Some(token)),
            (None, Some(shared)) => shared.get(name).await,
            (None, None) => Ok(None),
        }
    }

    async fn put(&self, name: &str, token: &Secret, keep: Duration) -> Result<(), CacheError> {
        self.keep(name, token, keep);
        match &self.shared {
            Some(shared) => shared.put(name, token, keep).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;

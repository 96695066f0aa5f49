//! `Keys`: what signs tokens, and what verifies them.
//!
//! Keys of the store are made and replaced by whichever server finds it due, under a lock. A new one is published a
//! while before it signs, and all read the list more often than that: so whoever meets a token knows its key. Replaced
//! keys verify until what they signed has ended.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::domain::model::{Secret, Timestamp};
use crate::ports::{LockKey, LockManager, StoreError, TokenKey, TokenKeys};

/// The least bytes of a key: as many as of what it makes.
pub const LEAST_SECRET: usize = 32;

/// No token lives longer, so a key that signs no more can go after this time.
pub const LONGEST_LIFE: Duration = Duration::from_hours(24);

/// How long a key of the store signs.
const REPLACED_AFTER: Duration = Duration::from_hours(30 * 24);

/// How long a new key is there before it signs.
const PUBLISHED_BEFORE: Duration = Duration::from_mins(10);

/// How old the list of keys may be where one that is not in it may have signed.
const READ_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// Keys, from the configuration or the store.
pub struct Keys {
    /// Oldest first; none before the store was read.
    known: RwLock<Arc<[Key]>>,
    stored: Option<Stored>,
}

/// Where the store's keys are, and who may change them.
struct Stored {
    store: Arc<dyn TokenKeys>,
    locks: Arc<dyn LockManager>,
    /// Held by who reads them.
    reading: Mutex<()>,
    /// When they were read last: milliseconds since the epoch.
    read_at: AtomicI64,
}

struct Key {
    signs_from: Timestamp,
    key: hmac::Key,
}

/// No text that tokens can be signed with. It is a secret, and not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "expected at least {LEAST_SECRET} characters without blanks, such as `openssl rand -base64 32` prints (several keys are \
     separated by blanks; what it is now may be a secret, and is not shown)"
)]
pub struct BadKey;

impl Keys {
    /// The keys of a text, separated by blanks: the first signs, and all verify.
    ///
    /// # Errors
    /// [`BadKey`], if one of them is too short, or there is none.
    pub fn configured(text: &Secret) -> Result<Self, BadKey> {
        let newest_first = text.expose().split_whitespace();
        if newest_first.clone().any(|key| key.len() < LEAST_SECRET) {
            return Err(BadKey);
        }
        let keys: Arc<[Key]> = newest_first
            .rev()
            .map(|secret| Key::new(secret, Timestamp::from_millis(0)))
            .collect();
        if keys.is_empty() {
            return Err(BadKey);
        }
        Ok(Self {
            known: RwLock::new(keys),
            stored: None,
        })
    }

    /// The keys of the store, which is not read yet.
    #[must_use]
    pub fn stored(store: Arc<dyn TokenKeys>, locks: Arc<dyn LockManager>) -> Self {
        Self {
            known: RwLock::new(Arc::default()),
            stored: Some(Stored {
                store,
                locks,
                reading: Mutex::new(()),
                read_at: AtomicI64::new(i64::MIN),
            }),
        }
    }

    /// Signs with the key whose turn it is; `None` where none is known yet.
    pub(super) fn sign(&self, data: &[u8], now: Timestamp) -> Option<hmac::Tag> {
        let known = self.known();
        let signing = known.iter().rev().find(|key| key.signs_from <= now);
        // A clock that was set back is no reason to give no tokens.
        Some(hmac::sign(&signing.or(known.last())?.key, data))
    }

    /// Whether one of the keys has signed this.
    pub(super) fn signed(&self, data: &[u8], signature: &[u8]) -> bool {
        let has_signed = |key: &Key| hmac::verify(&key.key, data, signature).is_ok();
        self.known().iter().rev().any(has_signed)
    }

    /// Reads the keys again if they may have changed, makes the first one, and replaces one whose time is over. Who
    /// comes meanwhile waits.
    ///
    /// # Errors
    /// Where none is known, and the store does not answer or its record can't be read.
    pub(super) async fn refresh(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some(stored) = &self.stored else {
            return Ok(());
        };
        if stored.is_fresh(now) {
            return Ok(());
        }
        let _reading = stored.reading.lock().await;
        if stored.is_fresh(now) {
            return Ok(());
        }
        match stored.read(now).await {
            Ok(keys) => {
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys;
            }
            Err(error) if self.known().is_empty() => return Err(error),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "the keys of tokens can't be read again; going on with those that are known"
                );
            }
        }
        // Where it failed, too: nobody asks a store that is down for each token.
        stored.read_at.store(now.as_millis(), Ordering::Relaxed);
        Ok(())
    }

    fn known(&self) -> Arc<[Key]> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Key {
    fn new(secret: &str, signs_from: Timestamp) -> Self {
        Self {
            signs_from,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        }
    }
}

impl Stored {
    fn is_fresh(&self, now: Timestamp) -> bool {
        let read_at = self.read_at.load(Ordering::Relaxed);
        now.since(Timestamp::from_millis(read_at)) < READ_AGAIN_AFTER
    }

    /// The keys, the newest of which has time left.
    async fn read(&self, now: Timestamp) -> Result<Arc<[Key]>, StoreError> {
        let mut keys = self.store.list().await?;
        if is_due(&keys, now) {
            let guard = self.locks.acquire(&LockKey::TokenKeys).await?;
            keys = guard.during(self.replace(now)).await?;
        }
        let keys = keys.iter();
        Ok(keys
            .map(|key| Key::new(key.secret.expose(), key.signs_from))
            .collect())
    }

    /// Adds a key, unless another server has just done so.
    async fn replace(&self, now: Timestamp) -> Result<Vec<TokenKey>, StoreError> {
        let mut keys = self.store.list().await?;
        if is_due(&keys, now) {
            let signs_from = match keys.last() {
                Some(_) => now.after(PUBLISHED_BEFORE),
                None => now,
            };
            // Those before the last have signed nothing for as long as that one has.
            keys.drain(..keys.len().saturating_sub(1));
            let secret = new_secret()?;
            keys.push(TokenKey { secret, signs_from });
            self.store.set(&keys).await?;
            tracing::info!("made a new key for tokens");
        }
        Ok(keys)
    }
}

/// Whether the newest key has signed for long enough, or there is none.
fn is_due(keys: &[TokenKey], now: Timestamp) -> bool {
    let newest = keys.last();
    newest.is_none_or(|newest| now.since(newest.signs_from) >= REPLACED_AFTER)
}

fn new_secret() -> Result<Secret, StoreError> {
    let mut bytes = [0; LEAST_SECRET];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| StoreError::Unavailable {
        what: "making a key for tokens".to_owned(),
        source: "the system has no random numbers".into(),
    })?;
    Ok(Secret::new(BASE64.encode(bytes)))
}

#[cfg(test)]
mod tests;

//! Outbound: the configured identities, and whose credentials are whose.

pub mod config;
mod failures;
mod password_hash;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use siphasher::sip128::SipHasher13;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

use self::config::IdentityConfig;
use self::failures::Failures;
pub use self::password_hash::{BadHash, PasswordHash, hash};
use crate::domain::model::{Credentials, Identity, Secret};
use crate::ports::{AuthenticationError, Authenticator, FoundIdentity, PASSWORDS};

/// How many passwords are hashed at a time: each takes a core and megabytes, and anybody can ask for it.
const AT_A_TIME: usize = 2;

/// How long a verified password is remembered after its last use.
const REMEMBERED: Duration = Duration::from_mins(5);

/// The configured identities. What has been verified is forgotten with the value, so a reload forgets all; who has
/// guessed wrong is not forgotten by [`Identities::replaced_by`].
#[derive(Clone)]
pub struct Identities(Arc<Shared>);

struct Shared {
    by_username: BTreeMap<String, Known>,
    /// What is hashed against for a user name that nobody has.
    decoy: PasswordHash,
    /// Makes the tags by which passwords are remembered. Nobody else has its key, which ends with the process: so
    /// nobody can make a password for a tag, or learn anything from how long two tags are compared.
    tags: SipHasher13,
    failures: Arc<Failures>,
    pool: Arc<Semaphore>,
    hashed: AtomicU64,
}

struct Known {
    identity: Arc<Identity>,
    stamp: u64,
    password: PasswordHash,
    /// There is one password that is right, so one place is enough.
    remembered: Mutex<Option<Remembered>>,
}

struct Remembered {
    tag: u128,
    used: Instant,
}

/// An identity that can't be used.
#[derive(Debug, Error)]
#[error("identity.{id}.password")]
pub struct IdentityError {
    id: String,
    source: BadHash,
}

impl Identities {
    /// The identities by their ids; `None` where there are none.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn new(
        identities: &BTreeMap<String, IdentityConfig>,
    ) -> Result<Option<Self>, IdentityError> {
        let pool = Arc::new(Semaphore::new(AT_A_TIME));
        Self::counting(identities, Arc::default(), pool)
    }

    /// Other identities in the place of these. Who has guessed wrong is remembered, and no more passwords than before
    /// are hashed at a time.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub fn replaced_by(
        &self,
        identities: &BTreeMap<String, IdentityConfig>,
    ) -> Result<Option<Self>, IdentityError> {
        let (failures, pool) = (Arc::clone(&self.0.failures), Arc::clone(&self.0.pool));
        Self::counting(identities, failures, pool)
    }

    fn counting(
        identities: &BTreeMap<String, IdentityConfig>,
        failures: Arc<Failures>,
        pool: Arc<Semaphore>,
    ) -> Result<Option<Self>, IdentityError> {
        let mut by_username = BTreeMap::new();
        for (id, config) in identities {
            let password = PasswordHash::parse(&config.password);
            let password = password.map_err(|source| IdentityError {
                id: id.clone(),
                source,
            })?;
            let username = config.username.clone();
            let known = Known {
                identity: Arc::new(Identity {
                    id: id.clone(),
                    username: username.clone(),
                }),
                stamp: stamp(id, &config.password),
                password,
                remembered: Mutex::new(None),
            };
            by_username.insert(username, known);
        }
        let hashes = by_username.values().map(|known| &known.password);
        let Some(decoy) = hashes.max_by_key(|hash| hash.cost()).cloned() else {
            return Ok(None);
        };
        let (one, other) = Uuid::new_v4().as_u64_pair();
        Ok(Some(Self(Arc::new(Shared {
            by_username,
            decoy,
            tags: SipHasher13::new_with_keys(one, other),
            failures,
            pool,
            hashed: AtomicU64::new(0),
        }))))
    }

    /// How many passwords have been hashed so far.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.0.hashed.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Authenticator for Identities {
    async fn authenticate(
        &self,
        credentials: &Credentials,
    ) -> Result<Option<Arc<Identity>>, AuthenticationError> {
        let shared = &self.0;
        // Before failures count: who is known is not shut out by who guesses at the same address.
        if let Some(identity) = self.recall(&credentials.username, credentials.password.expose()) {
            return Ok(Some(identity));
        }
        shared.failures.check(credentials)?;
        let unavailable = |error: Box<dyn std::error::Error + Send + Sync>| {
            AuthenticationError::Unavailable(error)
        };
        let permit = Arc::clone(&shared.pool).acquire_owned().await;
        let permit = permit.map_err(|closed| unavailable(closed.into()))?;
        // While this waited, others of the same client may have succeeded, or failed once too often.
        if let Some(identity) = self.recall(&credentials.username, credentials.password.expose()) {
            return Ok(Some(identity));
        }
        shared.failures.check(credentials)?;

        let (shared, credentials) = (Arc::clone(shared), credentials.clone());
        // It goes on if the client leaves: to leave early is no way around the count, or the pool's bound.
        let verified = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            shared.verify(&credentials)
        });
        verified.await.map_err(|panic| unavailable(panic.into()))
    }

    fn recall(&self, username: &str, password: &str) -> Option<Arc<Identity>> {
        let known = self.0.by_username.get(username)?;
        let mut place = known.place();
        let remembered = place.as_mut()?;
        let now = Instant::now();
        if now.saturating_duration_since(remembered.used) >= REMEMBERED {
            *place = None;
            return None;
        }
        if remembered.tag != self.0.tag(password) {
            return None;
        }
        remembered.used = now;
        PASSWORDS.note(true);
        Some(Arc::clone(&known.identity))
    }

    fn find(&self, username: &str) -> Option<FoundIdentity> {
        let known = self.0.by_username.get(username)?;
        Some(FoundIdentity {
            identity: Arc::clone(&known.identity),
            stamp: known.stamp,
        })
    }
}

/// Part of a hash of what makes the identity this one. A token that carries it tells nothing of the password: what is
/// hashed has argon2's salt in it.
fn stamp(id: &str, password: &Secret) -> u64 {
    let hash = Sha256::new().chain_update(id).chain_update([0]);
    let hash = hash.chain_update(password.expose()).finalize();
    hash.iter()
        .take(8)
        .fold(0, |stamp, byte| stamp << 8 | u64::from(*byte))
}

impl Shared {
    /// The identity, if this is its password. Remembers what is right, and counts what is wrong.
    fn verify(&self, credentials: &Credentials) -> Option<Arc<Identity>> {
        let known = self.by_username.get(&credentials.username);
        let hash = known.map_or(&self.decoy, |known| &known.password);
        self.hashed.fetch_add(1, Ordering::Relaxed);
        PASSWORDS.note(false);
        let matches = hash.verify(credentials.password.expose().as_bytes());
        let Some(known) = known.filter(|_| matches) else {
            self.failures.count(credentials);
            return None;
        };
        *known.place() = Some(Remembered {
            tag: self.tag(credentials.password.expose()),
            used: Instant::now(),
        });
        Some(Arc::clone(&known.identity))
    }

    fn tag(&self, password: &str) -> u128 {
        self.tags.hash(password.as_bytes()).as_u128()
    }
}

impl Known {
    fn place(&self) -> MutexGuard<'_, Option<Remembered>> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

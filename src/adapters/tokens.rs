//! Outbound: tokens as JSON Web Tokens that this registry alone gives and believes.
//!
//! ```text
//! <header>.<payload>.<signature>     each in base64url
//!   header      {"alg":"HS256","typ":"JWT"}, and never another: it is compared, not read
//!   payload     whose it is, for what, for which service, from when, until when
//!   signature   HMAC-SHA-256 of all before it, by one of our keys
//! ```

pub mod config;
mod keys;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use siphasher::sip128::SipHasher13;
use uuid::Uuid;

pub use self::keys::{BadKey, Keys, LEAST_SECRET, LONGEST_LIFE};
use crate::domain::model::{Scope, Secret, Timestamp};
use crate::ports::{Bearer, Claims, Clock, IssuedToken, StoreError, Tokens};

/// `{"alg":"HS256","typ":"JWT"}`, and the dot. Nobody chooses how a token is verified but we (CVE-2025-24976): another
/// algorithm, a key of its own (`jwk`, `x5c`), an extension (`crit`) is another header.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.";

/// No token of ours is longer.
const LONGEST: usize = 8 * 1024;

/// A signature: 32 bytes, in base64url.
const SIGNATURE: usize = 43;

/// How many verified tokens are remembered. More are in use at a time in few places, and there they are verified again.
const REMEMBERED: usize = 4096;

/// No longer ones are: anybody can ask for one that is good for many repositories.
const LONGEST_REMEMBERED: usize = 1024;

/// Gives tokens, signed by one of its keys.
pub struct SignedTokens {
    service: String,
    lifetime: Duration,
    keys: Keys,
    clock: Arc<dyn Clock>,
    /// Makes the tags of signatures, by which verified tokens are remembered. Nobody else has its key, which ends with
    /// the process: so nobody learns anything of a signature from how long two tags are compared. What was signed is no
    /// secret, and is compared as it is.
    tags: SipHasher13,
    verified: Mutex<BTreeMap<u128, Verified>>,
}

struct Verified {
    /// The token but for its signature.
    signed: Box<[u8]>,
    claims: Claims,
    exp: i64,
}

#[derive(Serialize, Deserialize)]
struct Payload<'p> {
    #[serde(borrow)]
    aud: Cow<'p, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub: Option<Cow<'p, str>>,
    /// The stamp of the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ver: Option<u64>,
    iat: i64,
    exp: i64,
    #[serde(borrow)]
    scope: Cow<'p, str>,
}

impl SignedTokens {
    /// Tokens for `service`, each for so long.
    #[must_use]
    pub fn new(service: String, lifetime: Duration, keys: Keys, clock: Arc<dyn Clock>) -> Self {
        let (one, other) = Uuid::new_v4().as_u64_pair();
        Self {
            service,
            lifetime,
            keys,
            clock,
            tags: SipHasher13::new_with_keys(one, other),
            verified: Mutex::default(),
        }
    }

    fn payload<'p>(&self, json: &'p [u8], now: i64) -> Option<Payload<'p>> {
        let payload: Payload<'p> = serde_json::from_slice(json).ok()?;
        (payload.aud == self.service && now < payload.exp).then_some(payload)
    }

    /// `signed` ends with the dot before the signature.
    fn verify(&self, signed: &[u8], signature: &[u8], now: i64) -> Option<Verified> {
        let text = signed.strip_suffix(b".")?;
        let payload = text.strip_prefix(HEADER.as_bytes())?;
        let signature = BASE64.decode(signature).ok()?;
        if !self.keys.signed(text, &signature) {
            return None;
        }
        let json = BASE64.decode(payload).ok()?;
        let payload = self.payload(&json, now)?;
        let bearer = match (payload.sub, payload.ver) {
            (Some(username), Some(stamp)) => Some(Bearer {
                username: username.into(),
                stamp,
            }),
            (None, None) => None,
            _ => return None,
        };
        let scope = Arc::new(Scope::parse([&*payload.scope]));
        let claims = Claims { bearer, scope };
        Some(Verified {
            signed: signed.into(),
            claims,
            exp: payload.exp,
        })
    }
}

#[async_trait]
impl Tokens for SignedTokens {
    fn service(&self) -> &str {
        &self.service
    }

    async fn issue(&self, claims: &Claims) -> Result<IssuedToken, StoreError> {
        self.refresh().await?;
        let at = self.clock.now();
        let iat = seconds(at);
        let payload = Payload {
            aud: Cow::from(&self.service),
            sub: claims.bearer.as_ref().map(|it| Cow::from(&*it.username)),
            ver: claims.bearer.as_ref().map(|it| it.stamp),
            iat,
            exp: iat.saturating_add_unsigned(self.lifetime.as_secs()),
            scope: claims.scope.to_string().into(),
        };
        // Only maps with keys that are no strings fail here; there are none.
        let json = serde_json::to_vec(&payload).unwrap_or_default();
        let mut token = HEADER.to_owned();
        BASE64.encode_string(json, &mut token);
        let signature = self.keys.sign(token.as_bytes(), at);
        let signature = signature.ok_or_else(|| StoreError::Unavailable {
            what: "signing a token".to_owned(),
            source: "there is no key yet".into(),
        })?;
        token.push('.');
        BASE64.encode_string(signature, &mut token);
        Ok(IssuedToken {
            token: Secret::new(token),
            at,
            lifetime: self.lifetime,
        })
    }

    fn read(&self, token: &[u8]) -> Option<Claims> {
        if token.len() > LONGEST {
            return None;
        }
        let now = seconds(self.clock.now());
        let (signed, signature) = token.split_at_checked(token.len().checked_sub(SIGNATURE)?)?;
        let tag = self.tags.hash(signature).as_u128();
        let verified = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = verified()
            .get(&tag)
            .filter(|known| *known.signed == *signed)
        {
            return (now < known.exp).then(|| known.claims.clone());
        }
        let token = self.verify(signed, signature, now)?;
        let claims = token.claims.clone();
        let mut verified = verified();
        if verified.len() >= REMEMBERED {
            verified.retain(|_, known| now < known.exp);
        }
        if verified.len() < REMEMBERED && signed.len() <= LONGEST_REMEMBERED {
            verified.insert(tag, token);
        }
        Some(claims)
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        self.keys.refresh(self.clock.now()).await
    }
}

/// As JSON Web Tokens count: whole seconds since the epoch.
fn seconds(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(1000)
}

#[cfg(test)]
mod tests;

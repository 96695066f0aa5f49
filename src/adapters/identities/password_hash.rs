//! `PasswordHash`: an argon2 hash that this registry can verify.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use thiserror::Error;

use crate::domain::model::Secret;

/// More memory than any password needs: two of them at a time would rather stop the registry than a guesser.
const MOST_KIB: u32 = 1 << 20;

/// More passes than any password needs: nobody waits for their end.
const MOST_PASSES: u32 = 100;

/// A hash and the parameters that it was made with.
#[derive(Clone)]
pub struct PasswordHash {
    hash: phc::PasswordHash,
    cost: u64,
}

/// The text is no hash that can be used. It may be a password, so it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadHash {
    /// Not the form `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
    #[error(
        "expected an argon2 hash, $argon2id$v=19$m=…,t=…,p=…$salt$hash; `simple-registry hash-password` makes one"
    )]
    Form,
    /// A version that argon2 has not, or none.
    #[error("the hash is of no version of argon2 that is known (v=19, v=16)")]
    Version,
    /// Parameters that argon2 has not.
    #[error("argon2 has no such parameters, or too short a salt")]
    Parameters,
    /// More than a registry should spend on a login.
    #[error("the hash costs too much to verify: at most m=1048576 (1 GiB) and t=100")]
    Cost,
}

impl PasswordHash {
    /// Reads a hash in the PHC format.
    ///
    /// # Errors
    /// [`BadHash`].
    pub fn parse(text: &Secret) -> Result<Self, BadHash> {
        let hash = phc::PasswordHash::new(text.expose()).map_err(|_| BadHash::Form)?;
        Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| BadHash::Form)?;
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(BadHash::Form);
        }
        let version = hash.version.ok_or(BadHash::Version)?;
        Version::try_from(version).map_err(|_| BadHash::Version)?;
        let params = Params::try_from(&hash).map_err(|_| BadHash::Parameters)?;
        if params.m_cost() > MOST_KIB || params.t_cost() > MOST_PASSES {
            return Err(BadHash::Cost);
        }
        let cost = u64::from(params.m_cost()) * u64::from(params.t_cost());
        Ok(Self { hash, cost })
    }

    /// Whether this is the hash of `password`. Takes a core for tens of milliseconds.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        Argon2::default()
            .verify_password(password, &self.hash)
            .is_ok()
    }

    /// The work of a verification, to compare with others.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.cost
    }
}

/// The hash of a password, with a new salt: argon2id as OWASP asks for it (19 MiB, 2 passes).
///
/// # Errors
/// When there is no memory, or the password has 4 GiB.
pub fn hash(password: &Secret) -> Result<String, argon2::password_hash::Error> {
    let hash: phc::PasswordHash = Argon2::default().hash_password(password.expose().as_bytes())?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests;

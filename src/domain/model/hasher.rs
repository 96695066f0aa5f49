//! Computing a digest piece by piece, and putting the work down between two pieces.

use sha2::digest::Digest as _;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Sha256, Sha512};

use super::{Algorithm, Digest};

/// What is hashed so far, and how many bytes that was.
///
/// The hasher counts its own bytes: the count cannot drift from what was
/// hashed, as a count kept beside it could (lessons.md, correctness 1).
#[derive(Clone)]
pub struct Hasher {
    state: State,
    hashed: u64,
}

#[derive(Clone)]
enum State {
    Sha256(Box<Sha256>),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(Box::default()),
            Algorithm::Sha512 => State::Sha512(Box::default()),
        };
        Self { state, hashed: 0 }
    }

    /// The algorithm it computes.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.state {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// How many bytes it has seen.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.hashed
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(hasher) => hasher.update(bytes),
            State::Sha512(hasher) => hasher.update(bytes),
        }
        self.hashed += bytes.len() as u64;
    }

    /// The digest of everything seen so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match &self.state {
            State::Sha256(hasher) => {
                Digest::from_hash(Algorithm::Sha256, &hasher.as_ref().clone().finalize())
            }
            State::Sha512(hasher) => {
                Digest::from_hash(Algorithm::Sha512, &hasher.as_ref().clone().finalize())
            }
        }
    }

    /// The digest of `bytes`.
    #[must_use]
    pub fn digest_of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut hasher = Self::new(algorithm);
        hasher.update(bytes);
        hasher.digest()
    }

    /// The state as bytes, for [`Hasher::resume`]. Only meaningful together
    /// with [`Hasher::FORMAT`]: the crate promises no format across versions.
    #[must_use]
    pub fn suspend(&self) -> Vec<u8> {
        match &self.state {
            State::Sha256(hasher) => hasher.serialize().to_vec(),
            State::Sha512(hasher) => hasher.serialize().to_vec(),
        }
    }

    /// Names the format of [`Hasher::suspend`]'s bytes. A record that carries
    /// another name is re-hashed from its content instead of trusted.
    pub const FORMAT: &'static str = "sha2-0.11";

    /// Takes up where [`Hasher::suspend`] put down. `None` for bytes that are
    /// not such a state.
    #[must_use]
    pub fn resume(algorithm: Algorithm, hashed: u64, state: &[u8]) -> Option<Self> {
        let state = match algorithm {
            Algorithm::Sha256 => {
                let state = SerializedState::<Sha256>::try_from(state).ok()?;
                State::Sha256(Box::new(Sha256::deserialize(&state).ok()?))
            }
            Algorithm::Sha512 => {
                let state = SerializedState::<Sha512>::try_from(state).ok()?;
                State::Sha512(Box::new(Sha512::deserialize(&state).ok()?))
            }
        };
        Some(Self { state, hashed })
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hasher({}, {} bytes)", self.algorithm(), self.hashed)
    }
}

#[cfg(test)]
mod tests;

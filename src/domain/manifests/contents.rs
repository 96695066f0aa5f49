//! Contents: small manifests that were read lately, by their digests. What a
//! digest names never changes; whether a repository holds it is asked each time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::domain::model::Digest;

/// The longest manifest that is kept. Most have a few KiB.
const LONGEST: usize = 64 * 1024;

/// How many bytes a generation may have.
const GENERATION: usize = 2 * 1024 * 1024;

/// What is counted for an entry besides its bytes.
const ENTRY: usize = 256;

/// The manifests of two generations: what is not asked for while a whole one
/// comes goes with the one before.
#[derive(Default)]
pub(super) struct Contents(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Digest, Bytes>,
    old: HashMap<Digest, Bytes>,
    /// Of the young.
    size: usize,
}

impl Contents {
    /// The bytes that have this digest, if they are kept.
    pub(super) fn get(&self, digest: &Digest) -> Option<Bytes> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = kept.young.get(digest) {
            return Some(bytes.clone());
        }
        let (digest, bytes) = kept.old.remove_entry(digest)?;
        kept.add(digest, bytes.clone());
        Some(bytes)
    }

    /// Keeps bytes that have this digest.
    pub(super) fn keep(&self, digest: &Digest, bytes: &Bytes) {
        if bytes.len() <= LONGEST {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // A copy: they may be a part of something larger.
            kept.add(digest.clone(), Bytes::copy_from_slice(bytes));
        }
    }
}

impl Generations {
    fn add(&mut self, digest: Digest, bytes: Bytes) {
        let size = bytes.len() + ENTRY;
        if self.size + size > GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
        if self.young.insert(digest, bytes).is_none() {
            self.size += size;
        }
    }
}

#[cfg(test)]
mod tests;

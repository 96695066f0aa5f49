//! What manifests keep alive, remembered by their digests: it never changes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::model::{Digest, Hasher, InvalidManifest, Manifest, RepositoryName};
use crate::ports::{ManifestStore, StoreError};

/// How many references are remembered, at 8 bytes each. What is beyond is read
/// again in each pass.
const REMEMBERED: usize = 8_000_000;

/// A set of digests that may contain others by accident: that keeps something
/// alive which could go, and takes a twelfth of the memory.
#[derive(Default)]
pub(super) struct Digests(HashSet<u64>);

impl Digests {
    pub(super) fn insert(&mut self, digest: &Digest) {
        self.0.insert(short(digest));
    }

    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.0.contains(&short(digest))
    }
}

/// The digest's first 64 bits.
pub(super) fn short(digest: &Digest) -> u64 {
    let digits = digest.hex().bytes().take(16);
    digits.fold(0, |bits, digit| bits << 4 | u64::from(value(digit)))
}

/// The digest's first 128 bits.
fn long(digest: &Digest) -> u128 {
    let digits = digest.hex().bytes().take(32);
    digits.fold(0, |bits, digit| bits << 4 | u128::from(value(digit)))
}

/// What a hexadecimal digit stands for.
fn value(digit: u8) -> u8 {
    (digit & 15) + 9 * (digit >> 6)
}

/// Why it is not known what a manifest keeps alive. Until it is, nothing of its
/// repository may go.
#[derive(Debug, thiserror::Error)]
pub(super) enum Doubt {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody understands it.
    #[error("the manifest {0} can't be understood: {1}")]
    Unreadable(Digest, InvalidManifest),
    /// It was acknowledged, and its content is lost or another one.
    #[error("the manifest {0} has lost its content")]
    Damaged(Digest),
    /// Manifests hold each other, so that nobody knows what holds them.
    #[error("manifests belong to each other in a circle, {0} among them")]
    Circle(Digest),
    /// Another registry links content under a second digest.
    #[error("the link {0} stands for content under another digest")]
    Alias(Digest),
}

/// The error with everything beneath it: it is not handed on, but told.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let beneath = std::iter::successors(error.source(), |error| error.source());
    beneath.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The manifest, pending or settled. `None` for one that is gone, and for a
/// pending one without content, whose push looks again at what it names once it
/// has put that back.
pub(super) async fn read(
    manifests: &dyn ManifestStore,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Manifest>, Doubt> {
    let Some(bytes) = manifests.claim(repository, digest).await? else {
        let look = manifests.look(repository, digest).await?;
        return match look.thing {
            Some(_) => Err(Doubt::Damaged(digest.clone())),
            None => Ok(None),
        };
    };
    if Hasher::digest_of(digest.algorithm(), &bytes) != *digest {
        return Err(Doubt::Damaged(digest.clone()));
    }
    let parsed = Manifest::parse(None, &bytes);
    let unreadable = |error| Doubt::Unreadable(digest.clone(), error);
    Ok(Some(parsed.map_err(unreadable)?))
}

/// The references of manifests.
pub(super) struct References {
    manifests: Arc<dyn ManifestStore>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By the first 128 bits of the manifest's digest: to make two that share
    /// them takes 2⁶⁴ tries, and endangers only them.
    by_manifest: HashMap<u128, Entry>,
    references: usize,
    pass: u64,
}

struct Entry {
    references: Box<[u64]>,
    /// When it was asked for last.
    pass: u64,
}

impl References {
    pub(super) fn new(manifests: &Arc<dyn ManifestStore>) -> Self {
        Self {
            manifests: Arc::clone(manifests),
            known: Mutex::default(),
        }
    }

    /// Adds everything that the repository's manifest names.
    pub(super) async fn add(
        &self,
        repository: &RepositoryName,
        manifest: &Digest,
        needed: &mut Digests,
    ) -> Result<(), Doubt> {
        if self.recall(manifest, needed) {
            return Ok(());
        }
        let Some(parsed) = read(&*self.manifests, repository, manifest).await? else {
            return Ok(());
        };
        let named = parsed.needs().into_iter().map(|need| short(need.digest));
        let named: Box<[u64]> = named.collect();
        needed.0.extend(&*named);
        self.remember(manifest, named);
        Ok(())
    }

    fn recall(&self, manifest: &Digest, needed: &mut Digests) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let pass = known.pass;
        let Some(entry) = known.by_manifest.get_mut(&long(manifest)) else {
            return false;
        };
        entry.pass = pass;
        needed.0.extend(&*entry.references);
        true
    }

    fn remember(&self, manifest: &Digest, references: Box<[u64]>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.references + references.len() <= REMEMBERED {
            known.references += references.len();
            let pass = known.pass;
            let entry = Entry { references, pass };
            known.by_manifest.insert(long(manifest), entry);
        }
    }

    /// A pass is over: forgets the manifests that it did not ask for.
    pub(super) fn forget_others(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let pass = known.pass;
        known.by_manifest.retain(|_, entry| entry.pass == pass);
        let left = known.by_manifest.values();
        known.references = left.map(|entry| entry.references.len()).sum();
        known.pass += 1;
    }
}

#[cfg(test)]
mod tests;

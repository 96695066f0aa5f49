//! What is counted of caches, for whoever looks at the process.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How often something was remembered that was asked for, and how often not, since the process started: of all caches
/// of one kind, which come and go with the configuration.
#[derive(Debug)]
pub struct Lookups {
    /// What the kind is called.
    pub cache: &'static str,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Lookups {
    const fn new(cache: &'static str) -> Self {
        Self {
            cache,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// It was asked for; whether it was remembered.
    pub fn note(&self, hit: bool) {
        let count = if hit { &self.hits } else { &self.misses };
        count.fetch_add(1, Relaxed);
    }

    /// How often it was remembered.
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// How often it was not.
    pub fn misses(&self) -> u64 {
        self.misses.load(Relaxed)
    }
}

/// Passwords that were verified lately; a miss is one that is hashed.
pub static PASSWORDS: Lookups = Lookups::new("passwords");

/// Tokens of upstreams.
pub static UPSTREAM_TOKENS: Lookups = Lookups::new("upstream_tokens");

/// Tags of mirrors that their upstream was asked about lately.
pub static MIRRORED_TAGS: Lookups = Lookups::new("mirrored_tags");

/// Where blobs were seen, for mounts that do not say.
pub static MOUNT_HINTS: Lookups = Lookups::new("mount_hints");

/// The names in directories of a store in files.
pub static DIRECTORIES: Lookups = Lookups::new("directories");

/// All of them.
pub static LOOKUPS: [&Lookups; 5] = [
    &PASSWORDS,
    &UPSTREAM_TOKENS,
    &MIRRORED_TAGS,
    &MOUNT_HINTS,
    &DIRECTORIES,
];

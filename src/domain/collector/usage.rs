//! Usage: how much is stored, and for whom, counted on the way of a pass.

use std::collections::{BTreeMap, HashMap};

use crate::domain::model::{Digest, RepositoryName};
use crate::domain::namespaces::Namespaces;
use crate::domain::references::short;

/// What is in no configured namespace is counted under this name, which none can have.
pub const NO_NAMESPACE: &str = "(none)";

/// How much is stored, as a pass found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all content, whoever needs it.
    pub content: u64,
    /// By each entry of the configuration, as [`Namespaces::find_with_prefix`]
    /// calls it, and by [`NO_NAMESPACE`] where not every name has an entry.
    pub namespaces: BTreeMap<String, NamespaceUsage>,
}

/// How much is stored for one namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceUsage {
    /// Bytes of the content that its repositories link, each once. What another
    /// namespace links as well, counts in both.
    pub content: u64,
    /// How many repositories with manifests it has.
    pub repositories: u64,
}

impl Usage {
    /// Forgets the namespaces that are not among these.
    pub(super) fn keep(&mut self, namespaces: &Namespaces) {
        let names = names(namespaces);
        self.namespaces
            .retain(|name, _| names.contains_key(&**name));
    }
}

/// The repositories of each namespace, empty ones too.
pub(super) fn by_namespace(
    namespaces: &Namespaces,
    repositories: Vec<RepositoryName>,
) -> BTreeMap<&str, Vec<RepositoryName>> {
    let mut all = names(namespaces);
    for repository in repositories {
        let entry = namespaces.find_with_prefix(&repository);
        let name = entry.map_or(NO_NAMESPACE, |(name, _)| name);
        all.entry(name).or_default().push(repository);
    }
    all
}

fn names(namespaces: &Namespaces) -> BTreeMap<&str, Vec<RepositoryName>> {
    let rest = namespaces.everything().map_or(NO_NAMESPACE, |_| "*");
    let names = namespaces.prefixes().chain([rest]);
    names.map(|name| (name, Vec::new())).collect()
}

/// What links and revisions name, and in which namespaces: 17 bytes for each
/// place of the table. As digests are told apart by their first 64 bits, it may
/// claim others by accident: that keeps what could go.
pub(super) struct Claims {
    /// Which of the sets of namespaces claims the digest.
    by_digest: HashMap<u64, usize>,
    /// The first one is empty. Each other one has one namespace more than one
    /// before it.
    sets: Vec<Set>,
    /// Each set with the namespace that is gone through now.
    with_this: HashMap<usize, usize>,
    namespaces: Vec<(String, NamespaceUsage)>,
}

#[derive(Default)]
struct Set {
    /// What it has more than `rest`; in the first one, none.
    namespace: Option<usize>,
    rest: usize,
    /// How much content is claimed by just these.
    content: u64,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            by_digest: HashMap::new(),
            sets: vec![Set::default()],
            with_this: HashMap::new(),
            namespaces: Vec::new(),
        }
    }
}

impl Claims {
    /// What follows is claimed by this namespace, and it was not here before.
    pub(super) fn enter(&mut self, namespace: &str) {
        self.with_this.clear();
        let usage = NamespaceUsage::default();
        self.namespaces.push((namespace.to_owned(), usage));
    }

    /// The namespace has one more repository with manifests.
    pub(super) fn add_repository(&mut self) {
        if let Some((_, usage)) = self.namespaces.last_mut() {
            usage.repositories += 1;
        }
    }

    pub(super) fn insert(&mut self, digest: &Digest) {
        let this = self.namespaces.len().checked_sub(1);
        let set = self.by_digest.entry(short(digest)).or_default();
        if self.sets[*set].namespace != this {
            let rest = *set;
            *set = *self.with_this.entry(rest).or_insert(self.sets.len());
            if *set == self.sets.len() {
                self.sets.push(Set {
                    namespace: this,
                    rest,
                    content: 0,
                });
            }
        }
    }

    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.by_digest.contains_key(&short(digest))
    }

    /// Counts content that is stored, claimed or not.
    pub(super) fn count(&mut self, digest: &Digest, size: u64) {
        let set = self.by_digest.get(&short(digest)).copied();
        self.sets[set.unwrap_or_default()].content += size;
    }

    /// How much was counted.
    pub(super) fn usage(mut self) -> Usage {
        let mut all = 0;
        // Those that others are made of come before them.
        while let Some(set) = self.sets.pop() {
            all = set.content;
            if let Some(namespace) = set.namespace {
                self.namespaces[namespace].1.content += set.content;
                self.sets[set.rest].content += set.content;
            }
        }
        Usage {
            content: all,
            namespaces: self.namespaces.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests;

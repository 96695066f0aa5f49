//! Namespaces: configured prefixes, and what each grants.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::access::AccessPolicy;
use crate::domain::mirror::{Source, canonical};
use crate::domain::model::{RepositoryName, Tag, TagPattern};
use crate::ports::RetentionRule;

/// What one entry `repository."<prefix>"` grants.
#[derive(Clone, Default)]
pub struct Namespace {
    /// Who may do what. An entry that says nothing about it denies everything.
    pub access_policy: AccessPolicy,
    /// What a pushed manifest may name without its being here.
    pub missing_references: MissingReferences,
    /// Which tags never move.
    pub immutable_tags: ImmutableTags,
    /// What is kept: an image of which one is true. Everything, where there are none.
    pub retention_rules: Vec<Arc<dyn RetentionRule>>,
    /// What it mirrors. Clients don't push to a mirror.
    pub mirrors: Option<Arc<Source>>,
}

impl Namespace {
    /// How many bytes of the upstreams' content are kept; `None` for all of it.
    #[must_use]
    pub fn cache_max_size(&self) -> Option<u64> {
        self.mirrors.as_ref()?.cache_max_size
    }

    /// What a manifest may name without its being here: in a mirror anything,
    /// because it is filled with what is asked for.
    #[must_use]
    pub fn missing_references(&self) -> MissingReferences {
        match self.mirrors {
            Some(_) => MissingReferences::Accept,
            None => self.missing_references,
        }
    }
}

/// Tags that, once they are there, neither move nor can be deleted by clients.
#[derive(Clone, Debug, Default)]
pub struct ImmutableTags {
    /// The tags that these stand for.
    pub patterns: Vec<TagPattern>,
    /// But for those that these stand for.
    pub exceptions: Vec<TagPattern>,
}

impl ImmutableTags {
    /// The pattern that makes the tag immutable, if it is.
    #[must_use]
    pub fn pattern_of(&self, tag: &Tag) -> Option<&TagPattern> {
        if self.exceptions.iter().any(|it| it.matches(tag)) {
            return None;
        }
        self.patterns.iter().find(|it| it.matches(tag))
    }
}

/// What a pushed manifest may name without its being here. Subjects, and layers
/// that are non-distributable or have `urls`, may always be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingReferences {
    /// Nothing.
    Refuse,
    /// The children of an index (sparse indexes).
    #[default]
    Indexes,
    /// Anything.
    Accept,
}

/// All entries. The longest prefix of whole path segments wins, and stands
/// alone: it inherits nothing.
#[derive(Clone, Default)]
pub struct Namespaces {
    by_prefix: BTreeMap<String, Namespace>,
    everything: Option<Namespace>,
}

impl Namespaces {
    /// The entries by prefix; `"*"` and `""` both stand for every name.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = (String, Namespace)>) -> Self {
        let mut namespaces = Self::default();
        for (prefix, namespace) in entries {
            if prefix.is_empty() || prefix == "*" {
                namespaces.everything = Some(namespace);
            } else {
                namespaces.by_prefix.insert(prefix, namespace);
            }
        }
        namespaces
    }

    /// The entry that `repository` belongs to, if any.
    #[must_use]
    pub fn find(&self, repository: &RepositoryName) -> Option<&Namespace> {
        self.find_with_prefix(repository)
            .map(|(_, namespace)| namespace)
    }

    /// The entry that `repository` belongs to, if any, and what it is called:
    /// `"*"` where it is the one for every name.
    #[must_use]
    pub fn find_with_prefix(&self, repository: &RepositoryName) -> Option<(&str, &Namespace)> {
        let mut prefix = repository.as_str();
        loop {
            if let Some((prefix, namespace)) = self.by_prefix.get_key_value(prefix) {
                return Some((prefix, namespace));
            }
            match prefix.rsplit_once('/') {
                Some((shorter, _)) => prefix = shorter,
                None => return self.everything.as_ref().map(|it| ("*", it)),
            }
        }
    }

    /// Whether any entry answers in the name of `registry`.
    #[must_use]
    pub fn answer_for(&self, registry: &str) -> bool {
        let registry = canonical(registry);
        let mut answers = self.all().filter_map(|it| it.mirrors.as_ref());
        answers.any(|source| {
            let mut names = source.answers_for.iter();
            names.any(|it| canonical(&it.registry) == registry)
        })
    }

    /// What a repository of `registry` is called here: the entry that answers
    /// for the longest part of its name decides. `None` where none does.
    #[must_use]
    pub fn mirror_of(&self, registry: &str, name: &RepositoryName) -> Option<RepositoryName> {
        let entries = self
            .by_prefix
            .iter()
            .map(|(it, entry)| (it.as_str(), entry));
        let entries = entries.chain(self.everything.iter().map(|entry| ("", entry)));
        let answers = entries.flat_map(|(prefix, entry)| {
            let answers = entry.mirrors.iter().flat_map(|it| &it.answers_for);
            answers.filter_map(move |it| Some((prefix, it.rest(registry, name.as_str())?)))
        });
        let (prefix, rest) = answers.min_by_key(|(_, rest)| rest.len())?;
        let joint = if prefix.is_empty() || rest.is_empty() {
            ""
        } else {
            "/"
        };
        format!("{prefix}{joint}{rest}").parse().ok()
    }

    /// What the entries are called, but for the one for every name.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.by_prefix.keys().map(String::as_str)
    }

    /// Every entry.
    pub fn all(&self) -> impl Iterator<Item = &Namespace> {
        self.by_prefix.values().chain(&self.everything)
    }

    /// The entry for every name, which also judges what belongs to none.
    #[must_use]
    pub fn everything(&self) -> Option<&Namespace> {
        self.everything.as_ref()
    }
}

#[cfg(test)]
mod tests;

//! Scopes: what a token may be used for, in the words of Docker's token protocol.

use std::fmt;

use super::{AccessRequest, Action, RepositoryName};

/// What may be done in a repository: none, some or all of [`Rights::EACH`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// Read blobs, manifests, tags and referrers.
    pub const PULL: Self = Self(1);
    /// Push blobs and manifests.
    pub const PUSH: Self = Self(2);
    /// Delete blobs, manifests and tags.
    pub const DELETE: Self = Self(4);
    /// Every right by itself.
    pub const EACH: [Self; 3] = [Self::PULL, Self::PUSH, Self::DELETE];

    const WORDS: [(&str, Self); 4] = [
        ("pull", Self::PULL),
        ("push", Self::PUSH),
        ("delete", Self::DELETE),
        ("*", Self(7)),
    ];

    /// The rights of a list such as `pull,push`. A word that nobody knows is no
    /// right.
    fn parse(actions: &str) -> Self {
        let known = |word| Self::WORDS.iter().find(|known| known.0 == word);
        let rights = actions.split(',').filter_map(known);
        rights.fold(Self::default(), |all, known| all.and(known.1))
    }

    /// These and those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of `others` are among these.
    #[must_use]
    pub fn contain(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Self::WORDS[..3].iter().filter(|it| self.contain(it.1));
        for (index, (word, _)) in words.enumerate() {
            write!(f, "{}{word}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// What a token may be used for. Nothing is in it that was not put there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Rights to repositories; each is here once, and has some.
    repositories: Vec<(RepositoryName, Rights)>,
    /// Whether repositories may be listed.
    pub catalog: bool,
}

impl Scope {
    /// The longest one that is read: a token has to fit into a header.
    const MAX_LEN: usize = 2048;

    /// The scope of texts such as `repository:a/b:pull,push registry:catalog:*`.
    /// What is not understood, and what would make it too long, is not in it.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut scope = Self::default();
        let mut left = Self::MAX_LEN;
        for text in texts.into_iter().flat_map(|text| text.split(' ')) {
            let Some(rest) = left.checked_sub(text.len() + 1) else {
                continue;
            };
            left = rest;
            let Some((kind, (name, actions))) = text
                .split_once(':')
                .and_then(|(kind, rest)| Some((kind, rest.rsplit_once(':')?)))
            else {
                continue;
            };
            // Docker names what is in it, as in `repository(plugin)`.
            match (kind.split('(').next(), name.parse()) {
                (Some("repository"), Ok(name)) => scope.add(&name, Rights::parse(actions)),
                (Some("registry"), _) if name == "catalog" && actions == "*" => {
                    scope.catalog = true;
                }
                _ => {}
            }
        }
        scope
    }

    /// Adds rights to a repository.
    pub fn add(&mut self, repository: &RepositoryName, rights: Rights) {
        let mut known = self.repositories.iter_mut();
        match known.find(|known| known.0 == *repository) {
            Some(known) => known.1 = known.1.and(rights),
            None if rights == Rights::default() => {}
            None => self.repositories.push((repository.clone(), rights)),
        }
    }

    /// The rights to each repository.
    pub fn repositories(&self) -> impl Iterator<Item = &(RepositoryName, Rights)> {
        self.repositories.iter()
    }

    /// Whether the request lies within it.
    #[must_use]
    pub fn covers(&self, request: &AccessRequest) -> bool {
        match (&request.repository, request.action.right()) {
            (Some(_), None) if request.action == Action::ListCatalog => self.catalog,
            (Some(repository), Some(right)) => {
                let mut known = self.repositories.iter();
                known.any(|known| known.0 == *repository && known.1.contain(right))
            }
            (None, _) | (Some(_), None) => true,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        for (repository, rights) in &self.repositories {
            write!(f, "{blank}repository:{repository}:{rights}")?;
            blank = " ";
        }
        if self.catalog {
            write!(f, "{blank}registry:catalog:*")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

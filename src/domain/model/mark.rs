//! Marks and looks: how writers and the collector see each other (docs/decisions/0003).

use super::{Digest, RepositoryName, Timestamp};

/// What the collector may take away, one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Thing {
    /// Content, in the whole store.
    Data(Digest),
    /// A repository's right to a blob.
    Link(RepositoryName, Digest),
    /// A repository's manifest.
    Revision(RepositoryName, Digest),
}

impl Thing {
    /// Where it belongs; content belongs to all.
    #[must_use]
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Data(_) => None,
            Self::Link(repository, _) | Self::Revision(repository, _) => Some(repository),
        }
    }

    /// What it is a place of.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Data(digest) | Self::Link(_, digest) | Self::Revision(_, digest) => digest,
        }
    }
}

/// The collector's intent, as it lies beside a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nobody means it harm.
    None,
    /// Found dead, waiting for the proof; carries the random id of that finding.
    Condemned(String),
    /// Proven dead: it is being removed, or its remover died at that.
    Dying,
}

/// What was seen of a thing: its marks, and after them the thing itself.
///
/// The order is what makes a look safe: a mark written after it was taken
/// meets a claim written before it (storage.md section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The mark beside it.
    pub mark: Mark,
    /// The thing, if it is there.
    pub thing: Option<Sight>,
}

/// A place of a thing, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which one.
    pub digest: Digest,
    /// Whether the thing itself is in it.
    pub there: bool,
    /// The thing's size in bytes, where it is content; nobody asks it of links.
    pub size: u64,
    /// Whether a mark is.
    pub marked: bool,
}

/// A thing that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written or refreshed, by the store's clock.
    pub modified: Timestamp,
}

//! What lies in a store, whoever put it there.

use super::{Digest, RepositoryName, Sight, Tag};

/// One object of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// Where it lies, below the root.
    pub path: String,
    /// What that makes it.
    pub role: Role,
    /// Its size and time.
    pub sight: Sight,
}

/// What an object is, by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Content in its place.
    Content(Digest),
    /// Content in another place than its name asks for.
    Misplaced(Digest),
    /// A file that names a digest.
    Link(Link),
    /// The entry of a referrer: of this subject, this manifest.
    Referrer(RepositoryName, Digest, Digest),
    /// A record of a registry's, with nothing in it to be checked.
    Record,
    /// What a write of another registry left that never ended.
    Stray,
    /// A directory with nothing in it, where registries make such.
    Empty,
    /// No registry puts anything there.
    Unknown,
}

/// What a link says; nothing, where it is empty or names no digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Says(pub Option<Digest>);

/// A file that holds a digest, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The repository may read the blob.
    Layer(RepositoryName, Digest),
    /// The repository holds the manifest.
    Revision(RepositoryName, Digest),
    /// Where the tag points.
    Tag(RepositoryName, Tag),
    /// Where the tag has pointed.
    Past(RepositoryName, Tag, Digest),
}

//! Images, as retention rules see them.

use super::{Tag, Timestamp};

/// One image that is judged: a tag, or a manifest that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its tag; `None` for a manifest without one.
    pub tag: Option<Tag>,
    /// When the tag, or the manifest, was pushed last.
    pub pushed_at: Timestamp,
    /// When the manifest was pulled last; `None` where it never was.
    pub last_pulled_at: Option<Timestamp>,
}

/// What a rule knows besides the image: the same for all images of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// What time it is.
    pub now: Timestamp,
    /// The repository's tags, the one that was pushed last first.
    pub last_pushed: Vec<Tag>,
    /// Those of its tags that were ever pulled, the one that was pulled last first.
    pub last_pulled: Vec<Tag>,
}

//! `KeyPath`: where in a configuration a value is, such as `repository."team/app".upstream[0].url`.

use std::fmt;

use serde_path_to_error::{Path, Segment};

/// The keys and indexes that lead from the top of the file to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(Vec<Step>);

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The path of these keys.
    #[must_use]
    pub fn of(keys: &[&str]) -> Self {
        Self(
            keys.iter()
                .map(|key| Step::Key((*key).to_owned()))
                .collect(),
        )
    }

    /// This path, and below it a key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// This path, and below it an element of a list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(super) fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        Some(Self(parent.to_vec()))
    }

    /// Whether this is `above` or lies below it.
    pub(super) fn is_within(&self, above: &Self) -> bool {
        self.0.starts_with(&above.0)
    }

    /// Whether this is the whole file.
    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&Path> for KeyPath {
    fn from(path: &Path) -> Self {
        let steps = path.iter().filter_map(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            // A variant is the value of a key that the path has already; what is unknown can't be shown.
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        Self(steps.collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(formatter, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if position == 0 { "" } else { "." };
                    if is_bare(key) {
                        write!(formatter, "{dot}{key}")?;
                    } else {
                        write!(formatter, "{dot}{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether TOML lets the key stand without quotes.
fn is_bare(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

//! `ConfigError`: everything that is wrong with a configuration, each with its file, line, column and key.

use std::fmt;
use std::io;

use thiserror::Error;

use super::key_path::KeyPath;

/// A configuration that can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file can't be read at all.
    #[error("{file}: can't be read: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The file says something that is wrong, or not possible in this version.
    #[error("{}", problems.iter().map(|problem| format!("{file}:{problem}")).collect::<Vec<_>>().join("\n"))]
    Invalid {
        /// The file.
        file: String,
        /// What is wrong, in the order of the file.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong, or, as a warning, that may not be what was meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where; nowhere when something is missing from the file as a whole.
    pub place: Option<Place>,
    /// The key, empty when the text is no TOML.
    pub key: KeyPath,
    /// What, and what would be right.
    pub message: String,
}

/// A line and a column, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The place of a byte of `text`.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}

impl fmt::Display for Problem {
    /// `12:8: server.port: …`, to follow `config.toml:`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(formatter, "{line}:{column}:")?;
        }
        if !self.key.is_root() {
            write!(formatter, " {}:", self.key)?;
        }
        write!(formatter, " {}", self.message)
    }
}

//! The composition root: every `Arc<dyn …>` of the program is made in this folder.

use std::convert::Infallible;
use std::error::Error;

use thiserror::Error;

use crate::app::config::Config;

/// A part of the registry that can't be built as its section of the configuration asks.
#[derive(Debug, Error)]
#[error("{section}: can't be used")]
pub struct BuildError {
    /// The section.
    pub section: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Builds the registry that a configuration describes.
///
/// # Errors
/// When a part can't be built.
pub fn registry(config: &Config) -> Result<Infallible, BuildError> {
    tracing::debug!(chunk = %config.streaming_chunk_size(), "building the registry");
    Err(BuildError {
        section: "storage",
        source: "not wired in this branch".into(),
    })
}

//! Logs: lines on standard error, as `RUST_LOG` filters them.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// What is logged when nobody says otherwise.
const DEFAULT: &str = "info";

/// Starts logging. A filter that makes no sense is told of and replaced: logs are wanted most when something is wrong.
pub fn start(filter: Option<&str>) {
    let wanted = filter
        .filter(|filter| !filter.is_empty())
        .unwrap_or(DEFAULT);
    let parsed = EnvFilter::try_new(wanted);
    let mistake = parsed.as_ref().err().map(ToString::to_string);

    let started = tracing_subscriber::fmt()
        .with_env_filter(parsed.unwrap_or_else(|_| EnvFilter::new(DEFAULT)))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();

    if let Some(mistake) = mistake {
        tracing::warn!("RUST_LOG={wanted:?} makes no sense ({mistake}); using {DEFAULT:?}");
    }
    if started.is_err() {
        // Only a program that embeds this one can have been first, and then it is the one to log.
        tracing::debug!("logging was started already");
    }
}

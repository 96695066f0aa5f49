//! `version`, `completions`, `man` and `schema`: what the program says of itself.

use argh::ArgsInfo;
use argh_complete::Generator;
use argh_complete::{bash::Bash, fish::Fish, zsh::Zsh};

use super::man;
use crate::app::cli::{Cli, NAME, Shell};
use crate::app::config::Config;

/// The version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, where whoever built the program told.
const COMMIT: Option<&str> = option_env!("SIMPLE_REGISTRY_COMMIT");

/// The program's name, version and commit, in one line.
#[must_use]
pub fn version() -> String {
    match COMMIT {
        Some(commit) if !commit.is_empty() => format!("{NAME} {VERSION} ({commit})\n"),
        _ => format!("{NAME} {VERSION}\n"),
    }
}

/// A script that teaches a shell the command line.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let cli = Cli::get_args_info();
    match shell {
        Shell::Bash => Bash::generate(NAME, &cli),
        Shell::Zsh => Zsh::generate(NAME, &cli),
        Shell::Fish => Fish::generate(NAME, &cli),
    }
}

/// The manual page, as `man` reads it.
#[must_use]
pub fn manual() -> String {
    man::page(NAME, VERSION, &Cli::get_args_info())
}

/// The JSON schema of the configuration. What a schema can't say (which keys belong together, what a rule may name) is
/// checked by loading only.
#[must_use]
pub fn schema() -> String {
    format!("{:#}\n", schemars::schema_for!(Config).to_value())
}

//! The command line, as the README prints it.

use std::ffi::OsString;
use std::path::PathBuf;

use argh::{EarlyExit, FromArgs};

/// What the program is called in its own words, whatever the file is called.
const NAME: &str = "simple-registry";

/// An OCI-compliant and docker-compatible registry service
#[derive(Debug, PartialEq, Eq, FromArgs)]
pub struct Cli {
    /// the path to the configuration file, defaults to `config.toml`
    #[argh(option, short = 'c', arg_name = "config")]
    pub config: Option<PathBuf>,

    #[argh(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, PartialEq, Eq, FromArgs)]
#[argh(subcommand)]
pub enum Command {
    /// `hash-password`
    HashPassword(HashPassword),
    /// `scrub`
    Scrub(Scrub),
    /// `server`
    Server(Server),
}

/// Hash a password, for an identity of the configuration
#[derive(Debug, PartialEq, Eq, FromArgs)]
#[argh(subcommand, name = "hash-password")]
pub struct HashPassword {}

/// Check the storage backend for inconsistencies
#[derive(Debug, PartialEq, Eq, FromArgs)]
#[argh(subcommand, name = "scrub")]
pub struct Scrub {}

/// Run the registry listeners
#[derive(Debug, PartialEq, Eq, FromArgs)]
#[argh(subcommand, name = "server")]
pub struct Server {}

/// Why no command is run.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// Help was asked for; this is it.
    Help(String),
    /// The arguments make no sense; this says why.
    Usage(String),
}

impl Cli {
    /// Reads the arguments, of which the first is the program itself.
    ///
    /// # Errors
    /// When help was asked for, or the arguments make no sense.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let usage = |message: &str| {
            Stop::Usage(format!(
                "{message}\nRun {NAME} --help for more information."
            ))
        };

        let arguments: Vec<String> = arguments
            .into_iter()
            .skip(1)
            .map(OsString::into_string)
            .collect::<Result<_, _>>()
            .map_err(|argument| usage(&format!("Not a text: {}", argument.to_string_lossy())))?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Self::from_args(&[NAME], &arguments).map_err(|EarlyExit { output, status }| match status {
            Ok(()) => Stop::Help(output),
            Err(()) => usage(output.trim_end()),
        })
    }
}

#[cfg(test)]
mod tests;

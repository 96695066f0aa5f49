//! The command line, as the README prints it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use argh::{ArgsInfo, EarlyExit, FromArgs};

use crate::domain::model::{Action, Digest, Reference, RepositoryName};

/// What the program is called in its own words, whatever the file is called.
pub const NAME: &str = "simple-registry";

/// An OCI-compliant and docker-compatible registry service
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
pub struct Cli {
    /// the path to the configuration file, defaults to `config.toml`
    #[argh(option, short = 'c', arg_name = "config")]
    pub config: Option<PathBuf>,

    #[argh(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub enum Command {
    /// `check-config`
    CheckConfig(CheckConfig),
    /// `completions`
    Completions(Completions),
    /// `hash-password`
    HashPassword(HashPassword),
    /// `man`
    Man(Man),
    /// `policy`
    Policy(Policy),
    /// `schema`
    Schema(Schema),
    /// `scrub`
    Scrub(Scrub),
    /// `server`
    Server(Server),
    /// `undelete`
    Undelete(Undelete),
    /// `version`
    Version(Version),
    /// `why`
    Why(Why),
}

/// Check the configuration as the server would, and print what is then in effect
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "check-config",
    note = "Prints TOML, with the values of what was left out; secrets are hidden. Nothing is changed, and a server may run."
)]
pub struct CheckConfig {
    /// also read the files that it names, and ask the storage and Redis
    #[argh(switch)]
    pub connect: bool,
}

/// Print completions for a shell
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "completions")]
pub struct Completions {
    /// the shell: bash, zsh or fish
    #[argh(positional)]
    pub shell: Shell,
}

/// A shell that completes commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// `bash`
    Bash,
    /// `zsh`
    Zsh,
    /// `fish`
    Fish,
}

impl FromStr for Shell {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "bash" => Ok(Self::Bash),
            "zsh" => Ok(Self::Zsh),
            "fish" => Ok(Self::Fish),
            _ => Err("the shells are bash, zsh, fish"),
        }
    }
}

/// Hash a password, for an identity of the configuration
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "hash-password")]
pub struct HashPassword {}

/// Print the manual page, for man
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "man")]
pub struct Man {}

/// Explain what the access policies decide
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "policy")]
pub struct Policy {
    #[argh(subcommand)]
    pub command: PolicyCommand,
}

/// The commands of `policy`.
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub enum PolicyCommand {
    /// `policy test`
    Test(PolicyTest),
}

/// Judge one request, and say which rule decides. Ends with 0 when it is allowed, and with 2 when it is denied
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "test")]
pub struct PolicyTest {
    /// the user name of an identity; without it, the caller is anonymous
    #[argh(option)]
    pub user: Option<String>,

    /// a common name in the client's certificate; may be repeated
    #[argh(option)]
    pub certificate_cn: Vec<String>,

    /// an organization in the client's certificate; may be repeated
    #[argh(option)]
    pub certificate_o: Vec<String>,

    /// what is asked for, such as get-manifest
    #[argh(option)]
    pub action: Action,

    /// the repository; every action but get-api-version has one
    #[argh(option)]
    pub repository: Option<RepositoryName>,

    /// the tag or digest of a manifest
    #[argh(option)]
    pub reference: Option<Reference>,

    /// the digest of a blob; of a manifest, it follows from the reference
    #[argh(option)]
    pub digest: Option<Digest>,

    /// the tag that is pushed or deleted is there already
    #[argh(switch)]
    pub tag_exists: bool,
}

/// Print the JSON schema of the configuration, for editors
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "schema")]
pub struct Schema {}

/// Check the storage backend for inconsistencies
#[derive(Debug, Default, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "scrub",
    note = "All parts are run, or those that are named; what is certain is mended. Ends with 0 when nothing is\nleft to do, with 1 when it failed, and with 2 when something is left."
)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches")]
pub struct Scrub {
    /// only tell what would be done
    #[argh(switch)]
    pub dry_run: bool,

    /// the part that checks links, manifests, tags and referrers
    #[argh(switch)]
    pub links: bool,

    /// the part that removes idle uploads and stray temporary files
    #[argh(switch)]
    pub uploads: bool,

    /// the part that applies the retention policies
    #[argh(switch)]
    pub retention: bool,

    /// the part that frees what nothing references
    #[argh(switch)]
    pub collect: bool,

    /// besides, read all content and compare it with its digest
    #[argh(switch)]
    pub verify: bool,

    /// let retention delete more than it may at once
    #[argh(switch)]
    pub force: bool,

    /// print JSON, an object for each line
    #[argh(switch)]
    pub json: bool,
}

/// Run the registry listeners
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "server")]
pub struct Server {}

/// Restore a manifest or tag that was deleted within the grace period
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "undelete",
    note = "A manifest comes back with the tags that went with it, but for those that were pushed since. Ends with 0 when it stands, with 1 when something that it needs is gone, and with 2 when no deletion of it is known."
)]
pub struct Undelete {
    /// what was deleted: `<repository>@<digest>` or `<repository>:<tag>`
    #[argh(positional)]
    pub what: Restorable,
}

/// Print the version, and the commit where the build knew it
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "version")]
pub struct Version {}

/// Explain what keeps a digest, or kept it
#[derive(Debug, PartialEq, Eq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "why",
    note = "Ends with 0 when something is known of it, with 1 when nothing was found but not everything could be read, and with 2 when nothing is known. Reads the manifests of all repositories in which it is."
)]
pub struct Why {
    /// the digest of a blob or a manifest
    #[argh(positional)]
    pub digest: Digest,

    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// A manifest or a tag, named with its repository.
#[derive(Debug, PartialEq, Eq)]
pub struct Restorable {
    /// The repository.
    pub repository: RepositoryName,
    /// What of it.
    pub reference: Reference,
}

impl FromStr for Restorable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (repository, reference) = text
            .split_once('@')
            .or_else(|| text.rsplit_once(':'))
            .ok_or("it is neither <repository>@<digest> nor <repository>:<tag>")?;
        Ok(Self {
            repository: repository.parse().map_err(|error| format!("{error}"))?,
            reference: reference.parse().map_err(|error| format!("{error}"))?,
        })
    }
}

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

//! From a file to a checked `Config`: read, parse, put in the secrets, check.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::document::Document;
use super::error::{ConfigError, Place, Problem};
use super::findings::Findings;
use super::key_path::KeyPath;
use super::{Config, read, secrets, validate};

/// The configuration of a program that was given none.
const EMBEDDED: &str = include_str!("embedded.toml");

/// What messages call it.
const BUILT_IN: &str = "(built-in configuration)";

/// Where a configuration is looked for when the command line names none.
pub const DEFAULT_FILE: &str = "config.toml";

/// No configuration is longer. A device or a wrong file would else be read until memory is full.
const LONGEST: u64 = 16 << 20;

/// The environment variables: the value of a name.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Where a configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, which must exist.
    File(PathBuf),
    /// The built-in one: this machine only, everything allowed.
    Embedded,
}

impl Source {
    /// The file that was named; else `config.toml` of `directory`; else, where that is absent, the built-in one.
    ///
    /// A link that leads nowhere is not absent: while Kubernetes swaps a configuration, nobody wants "allow everything".
    #[must_use]
    pub fn choose(named: Option<&Path>, directory: &Path) -> Self {
        let default = directory.join(DEFAULT_FILE);
        match named {
            Some(file) => Self::File(file.to_owned()),
            None => match default.symlink_metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Embedded,
                Ok(_) | Err(_) => Self::File(default),
            },
        }
    }
}

/// A configuration that can be used, and what its author should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file's name, as it begins each message.
    pub file: String,
    /// What may not be what was meant.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// Tells the log what its author should know, and hands the configuration over.
    #[must_use]
    pub fn announce(self) -> Config {
        for warning in &self.warnings {
            tracing::warn!("{}:{warning}", self.file);
        }
        if self.file == BUILT_IN {
            tracing::warn!(
                "there is no config.toml and none was named (-c): using ./registry-data, on this machine only, everything allowed"
            );
        }
        self.config
    }
}

/// Loads a configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(source: &Source, environment: Environment<'_>) -> Result<Loaded, ConfigError> {
    match source {
        Source::Embedded => parse(BUILT_IN, EMBEDDED, environment),
        Source::File(path) => {
            let file = path.display().to_string();
            let text = text_of(path, &file)?;
            parse(&file, &text, environment)
        }
    }
}

/// Loads a configuration from its text; `file` is what messages call it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(file: &str, text: &str, environment: Environment<'_>) -> Result<Loaded, ConfigError> {
    let invalid = |problems| ConfigError::Invalid {
        file: file.to_owned(),
        problems,
    };

    let document = Document::parse(text).map_err(|problem| invalid(vec![problem]))?;
    let mut config = read::read(&document).map_err(invalid)?;

    let mut findings = Findings::new(&document);
    secrets::resolve(&mut config, environment, &mut findings);
    validate::check(&mut config, &mut findings);

    let warnings = findings.finish().map_err(invalid)?;
    Ok(Loaded {
        config,
        file: file.to_owned(),
        warnings,
    })
}

fn text_of(path: &Path, file: &str) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        file: file.to_owned(),
        source,
    };

    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(unreadable(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 16 MiB",
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let place = Place::of(&valid, valid.len());
        let message = "not UTF-8 text".to_owned();
        ConfigError::Invalid {
            file: file.to_owned(),
            problems: vec![Problem {
                place: Some(place),
                key: KeyPath::default(),
                message,
            }],
        }
    })
}

#[cfg(test)]
mod tests;

//! `hash-password`: a password in, its hash for the configuration out.

use std::io::{self, BufRead, IsTerminal, Write};

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use thiserror::Error;

use super::CommandError;
use crate::adapters::identities;
use crate::domain::model::Secret;

/// Why there is no hash.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// Nothing can be read, or the hash not be printed.
    #[error("no password could be read")]
    Io(#[from] io::Error),
    /// The empty password: anybody would guess it.
    #[error("the password is empty")]
    Empty,
    /// The two that were typed are not one.
    #[error("the two passwords differ; nothing was hashed")]
    Differ,
    /// There was no memory for it.
    #[error("the password can't be hashed")]
    Hash(#[from] argon2::password_hash::Error),
}

/// Prints the hash of a password that is typed twice, unseen, or is the first line of the standard input.
///
/// # Errors
/// [`PasswordError`].
pub fn hash_password() -> Result<(), CommandError> {
    let password = if io::stdin().is_terminal() {
        typed()?
    } else {
        line().map_err(PasswordError::Io)?
    };
    if password.is_empty() {
        return Err(PasswordError::Empty.into());
    }
    let hash = identities::hash(&Secret::new(password)).map_err(PasswordError::Hash)?;
    writeln!(io::stdout(), "{hash}").map_err(PasswordError::Io)?;
    Ok(())
}

fn typed() -> Result<String, PasswordError> {
    let password = unseen("Password: ")?;
    // What is empty is refused, not asked for again.
    if !password.is_empty() && unseen("The same again: ")? != password {
        return Err(PasswordError::Differ);
    }
    Ok(password)
}

/// A line that is typed without being shown.
fn unseen(prompt: &str) -> io::Result<String> {
    let terminal = io::stdin();
    let as_it_was = tcgetattr(&terminal)?;
    let mut silent = as_it_was.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    // The end of the line is shown all the same.
    silent.local_flags.insert(LocalFlags::ECHONL);
    tcsetattr(&terminal, SetArg::TCSADRAIN, &silent)?;
    // Not before nothing is shown any more; and the standard output may be a file.
    let typed = write!(io::stderr(), "{prompt}").and_then(|()| line());
    tcsetattr(&terminal, SetArg::TCSADRAIN, &as_it_was)?;
    typed
}

/// A line, without its end.
fn line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

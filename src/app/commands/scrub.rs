//! `scrub`: to come.

use super::CommandError;
use crate::app::config::Config;

/// Says that there is no scrub yet. A cron job that relies on it must see it fail.
///
/// # Errors
/// Always.
pub fn scrub(_config: &Config) -> Result<(), CommandError> {
    Err(CommandError::NotYet("scrub"))
}

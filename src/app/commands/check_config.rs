//! `check-config`: what a start would say of the configuration, without a start.

use super::CommandError;
use crate::app::cli::CheckConfig;
use crate::app::config::Config;
use crate::app::wiring;

/// The configuration that is in effect, as TOML; loading has checked it, and its rules. Nothing is changed in the store
/// but what every start tries on a bucket.
///
/// # Errors
/// Where the files and services that it names are to be asked as well, and one of them can't be used.
pub async fn check_config(
    mut config: Config,
    arguments: &CheckConfig,
) -> Result<String, CommandError> {
    if arguments.connect {
        config = wiring::probe(config).await?;
    }
    Ok(config.effective()?)
}

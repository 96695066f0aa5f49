//! `server`: the registry behind its listener, until it is told to stop.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::CommandError;
use crate::app::config::Config;
use crate::app::wiring;

/// Serves until `stop` is cancelled and what was running is done.
///
/// # Errors
/// When the registry can't be built from the configuration, or the address can't be listened on.
pub async fn server(config: &Config, _stop: CancellationToken) -> Result<(), CommandError> {
    // Storage first: a port that is open and can't serve would be taken for a registry.
    let registry = wiring::registry(config)?;

    let address = SocketAddr::new(config.server.bind_address, config.server.port);
    let _listener = TcpListener::bind(address)
        .await
        .map_err(|source| CommandError::Listen { address, source })?;
    match registry {}
}

//! The server as the program runs it, within the test's process.

use std::path::PathBuf;

use simple_registry::app::commands::CommandError;
use simple_registry::app::commands::server::server;
use simple_registry::app::config::{self, Source};
use simple_registry::app::reload::Origin;
use tokio_util::sync::CancellationToken;

/// The server of a configuration, until it is told to stop.
pub async fn serve(file: PathBuf, stop: CancellationToken) -> Result<(), CommandError> {
    let source = Source::File(file);
    let loaded = config::load(&source, &|_| None);
    server(Origin::open(source, loaded, |_| None), None, None, stop).await
}

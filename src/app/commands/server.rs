//! `server`: the registry behind its listener, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::CommandError;
use crate::adapters::http;
use crate::adapters::storage::Owner;
use crate::app::config::Config;
use crate::app::wiring;
use crate::domain::collector::{Collector, Pass};
use crate::domain::registry::Registry;

/// How many doubts of a pass are told.
const DOUBTS: usize = 20;

/// Serves until `stop` is cancelled and what was running is done.
///
/// # Errors
/// When the registry can't be built from the configuration, the address can't be listened on, or the store is no
/// longer this server's.
pub async fn server(config: &Config, stop: CancellationToken) -> Result<(), CommandError> {
    let tls = wiring::tls(config)?;
    // Storage first: a port that is open and can't serve would be taken for a registry.
    let built = tokio::select! {
        built = wiring::registry(config) => built?,
        // It may wait for an owner that is dead.
        () = stop.cancelled() => return Ok(()),
    };
    let collecting = built.collector.map(|it| {
        tokio::spawn(collect(
            it,
            config.collector.interval.duration(),
            stop.clone(),
        ))
    });
    let served = serve(
        config,
        tls,
        built.registry,
        built.owner.as_ref(),
        stop.clone(),
    )
    .await;
    stop.cancel();
    if let Some(mut collecting) = collecting {
        // A removal that is under way ends under its lock.
        let grace = config.server.query_timeout_grace_period.duration();
        if tokio::time::timeout(grace, &mut collecting).await.is_err() {
            collecting.abort();
        }
    }
    if let Some(owner) = built.owner {
        owner.release().await;
    }
    served
}

async fn serve(
    config: &Config,
    tls: Option<Arc<ServerConfig>>,
    registry: Registry,
    owner: Option<&Owner>,
    stop: CancellationToken,
) -> Result<(), CommandError> {
    let (_swap, registry) = watch::channel(Arc::new(registry));
    let (_swap_tls, tls) = tls.map(watch::channel).unzip();

    let address = SocketAddr::new(config.server.bind_address, config.server.port);
    let failed = |source| CommandError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    tracing::info!(address = %listener.local_addr().map_err(failed)?, "listening");

    let max_age = config.uploads.max_age.duration();
    let tidying = tokio::spawn(expire_uploads(registry.clone(), max_age, stop.clone()));
    let lost = owner.map(Owner::lost).unwrap_or_default();
    let stop_when_lost = tokio::spawn({
        let (lost, stop) = (lost.clone(), stop.clone());
        async move {
            lost.cancelled().await;
            stop.cancel();
        }
    });
    let served = http::serve(listener, tls, registry, wiring::settings(config), stop).await;
    tidying.abort();
    stop_when_lost.abort();
    if lost.is_cancelled() {
        return Err(CommandError::LeaseLost);
    }
    served.map_err(failed)
}

/// Frees the space of what nothing references, again and again.
async fn collect(mut collector: Collector, interval: Duration, stop: CancellationToken) {
    let go_on = || !stop.is_cancelled();
    while go_on() {
        match collector.pass(&go_on).await {
            Ok(None) => {}
            Ok(Some(pass)) => {
                let Pass {
                    seen,
                    marked,
                    removed,
                    freed,
                    doubts,
                } = pass;
                tracing::info!(
                    seen,
                    marked,
                    removed,
                    freed,
                    doubts = doubts.len(),
                    "collected"
                );
                for doubt in doubts.iter().take(DOUBTS) {
                    tracing::warn!(doubt, "nothing is collected there");
                }
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "nothing could be collected");
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// Removes idle upload sessions now and then: often enough that none gets much
/// older than it may, and not so often that the walk is felt.
async fn expire_uploads(
    registry: watch::Receiver<Arc<Registry>>,
    max_age: Duration,
    stop: CancellationToken,
) {
    let pause = (max_age / 8).clamp(Duration::from_secs(1), Duration::from_hours(1));
    loop {
        let current = Arc::clone(&registry.borrow());
        match current.uploads().expire(max_age).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed idle uploads and temporary files"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "idle uploads could not be removed");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

//! `server`: the registry behind its listener, until it is told to stop.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::CommandError;
use crate::adapters::http::{self, Current};
use crate::app::reload::{Origin, Reloading, Upkeep, Variables};
use crate::app::shutdown::Hangups;
use crate::app::wiring::{self, Built, Shared};

/// Serves what the configuration describes, now and whenever it changes, until `stop` is cancelled and what was running
/// is done.
///
/// # Errors
/// When the registry can't be built from the configuration, the address can't be listened on, or the store is no
/// longer this server's.
pub async fn server(
    named: Option<&Path>,
    variables: Variables,
    stop: CancellationToken,
) -> Result<(), CommandError> {
    let hangups = Hangups::listen().map_err(CommandError::Runtime)?;
    let (origin, config) = Origin::open(named, variables).await?;
    let shared = Shared::new(stop.clone());
    // Storage first: a port that is open and can't serve would be taken for a registry.
    let built = tokio::select! {
        built = wiring::build(config, None, &shared) => built?,
        // It may wait for an owner that is dead.
        () = stop.cancelled() => return Ok(()),
    };
    let (built, served) = serve(built, origin, hangups, &shared).await;
    let lost = shared.lost.is_cancelled();
    built.release(shared).await;
    if lost {
        return Err(CommandError::LeaseLost);
    }
    served
}

async fn serve(
    built: Built,
    origin: Origin,
    mut hangups: Hangups,
    shared: &Shared,
) -> (Built, Result<(), CommandError>) {
    let listen = &built.config.server;
    let address = SocketAddr::new(listen.bind_address, listen.port);
    let failed = |source| CommandError::Listen { address, source };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => return (built, Err(failed(error))),
    };
    match listener.local_addr() {
        Ok(address) => tracing::info!(%address, "listening"),
        Err(error) => return (built, Err(failed(error))),
    }
    let current = Arc::new(Current::new(built.serving()));
    let (upkeep, upkept) = watch::channel(Upkeep::of(&built));
    let mut reloading = Reloading {
        running: built,
        origin,
        current: Arc::clone(&current),
        upkeep,
    };
    let stop = &shared.stop;
    let tidying = tokio::spawn(expire_uploads(upkept, stop.clone()));
    let stop_when_lost = async {
        if stop
            .run_until_cancelled(shared.lost.cancelled())
            .await
            .is_some()
        {
            stop.cancel();
        }
    };
    let (served, (), ()) = tokio::join!(
        http::serve(listener, current, stop.clone()),
        reloading.follow(&mut hangups, shared),
        stop_when_lost,
    );
    tidying.abort();
    (reloading.running, served.map_err(failed))
}

/// Removes idle upload sessions now and then: often enough that none gets much
/// older than it may, and not so often that the walk is felt.
async fn expire_uploads(mut upkeep: watch::Receiver<Upkeep>, stop: CancellationToken) {
    loop {
        let Upkeep { registry, max_age } = upkeep.borrow_and_update().clone();
        match registry.uploads().expire(max_age).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed idle uploads and temporary files"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "idle uploads could not be removed");
            }
        }
        // What was replaced must not be held until the next time.
        drop(registry);
        let done = Instant::now();
        loop {
            let max_age = upkeep.borrow_and_update().max_age;
            let pause = (max_age / 8).clamp(Duration::from_secs(1), Duration::from_hours(1));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(done + pause) => break,
                changed = upkeep.changed() => if changed.is_err() { return },
            }
        }
    }
}

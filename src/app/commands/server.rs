//! `server`: the registry behind its listener, until it is told to stop.

mod retention;

use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::CommandError;
use crate::adapters::clock::SystemClock;
use crate::adapters::http::{self, Current};
use crate::adapters::telemetry::caches::Caches;
use crate::adapters::telemetry::process::Process;
use crate::adapters::telemetry::traces::Traces;
use crate::adapters::telemetry::upkeep::UpkeepMetrics;
use crate::app::config::{Config, ConfigError};
use crate::app::reload::{Origin, Reloading};
use crate::app::service_manager;
use crate::app::shutdown::Hangups;
use crate::app::wiring::{self, Built, Shared};
use crate::domain::collector::Pass;
use crate::domain::error::RegistryError;
use crate::domain::eviction::Evicted;
use crate::ports::Clock as _;

/// How many doubts of a pass are told.
const DOUBTS: usize = 20;

/// How long a server that has just started has other things to do than to collect.
const FIRST_PAUSE: Duration = Duration::from_mins(1);

/// Serves what the configuration that is opened describes, now and whenever it changes, until `stop` is cancelled and what was running
/// is done: on `socket`, where a service manager has opened one, else on the address of the configuration.
///
/// # Errors
/// When the registry can't be built from the configuration, the address can't be listened on, or the store is no
/// longer this server's.
pub async fn server(
    opening: impl Future<Output = Result<(Origin, Config), ConfigError>>,
    socket: Option<net::TcpListener>,
    traces: Option<Traces>,
    stop: CancellationToken,
) -> Result<(), CommandError> {
    let hangups = Hangups::listen().map_err(CommandError::Runtime)?;
    let (origin, config) = opening.await?;
    let mut shared = Shared::new(stop.clone());
    shared.trace(traces, config.observability.tracing.as_ref());
    // Storage first: a port that is open and can't serve would be taken for a registry.
    let built = tokio::select! {
        built = wiring::build(config, None, &shared) => built?,
        // It may wait for an owner that is dead.
        () = stop.cancelled() => return Ok(()),
    };
    let (running, _) = watch::channel(Arc::new(built));
    let served = serve(&running, socket, origin, hangups, &shared).await;
    let lost = shared.lost.is_cancelled();
    let built = running.borrow().clone();
    built.release(shared).await;
    if lost {
        return Err(CommandError::LeaseLost);
    }
    served
}

async fn serve(
    running: &watch::Sender<Arc<Built>>,
    socket: Option<net::TcpListener>,
    origin: Origin,
    mut hangups: Hangups,
    shared: &Shared,
) -> Result<(), CommandError> {
    let built = running.borrow().clone();
    let address = SocketAddr::new(built.config.server.bind_address, built.config.server.port);
    let failed = |source| CommandError::Listen { address, source };
    let listener = match socket {
        Some(socket) => TcpListener::from_std(socket).map_err(CommandError::Inherited)?,
        None => TcpListener::bind(address).await.map_err(failed)?,
    };
    tracing::info!(address = %listener.local_addr().map_err(failed)?, "listening");

    let current = Arc::new(Current::new(built.serving(), metrics(shared)));
    monitor(&built.config, &current, shared).await;
    drop(built);
    service_manager::ready();
    let mut reloading = Reloading {
        origin,
        running: running.clone(),
        current: Arc::clone(&current),
    };
    let stop = &shared.stop;
    let tidying = tokio::spawn(expire_uploads(running.subscribe(), stop.clone()));
    let collecting = tokio::spawn(collect(
        running.subscribe(),
        shared.upkeep.clone(),
        stop.clone(),
    ));
    let retaining = tokio::spawn(retention::retain(
        running.subscribe(),
        shared.upkeep.clone(),
        stop.clone(),
    ));
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
    // They end by themselves, and a removal that is under way ends under its lock.
    let grace = running
        .borrow()
        .config
        .server
        .query_timeout_grace_period
        .duration();
    stop.cancel();
    let ended = async { tokio::join!(collecting, retaining) };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!("the collector or retention does not end in time, and is left behind");
    }
    served.map_err(failed)
}

/// The metrics of everything but HTTP.
fn metrics(shared: &Shared) -> Registry {
    let mut registry = Registry::default();
    let build: Family<Vec<(&'static str, &'static str)>, Gauge> = Family::default();
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    build.get_or_create(&version).set(1);
    registry.register("simple_registry_build_info", "1, and what was built", build);
    registry.register_collector(Box::new(Process::new(Arc::new(SystemClock))));
    shared.upkeep.register(&mut registry);
    shared.store.register(&mut registry);
    shared.upstreams.register(&mut registry);
    registry.register_collector(Box::new(Caches));
    shared.trace_metrics.register(&mut registry);
    registry
}

/// Serves health and metrics on an address of their own, where there is one. Where it can't be listened on, all else is
/// served.
async fn monitor(config: &Config, current: &Arc<Current>, shared: &Shared) {
    let observability = &config.observability;
    let (Some(address), Some(port)) = (observability.bind_address, observability.port) else {
        return;
    };
    let address = SocketAddr::new(address, port);
    let bound = TcpListener::bind(address).await;
    match bound.and_then(|it| Ok((it.local_addr()?, it))) {
        Ok((address, listener)) => {
            tracing::info!(%address, "listening for monitors");
            let monitoring = http::monitor(listener, Arc::clone(current), shared.stop.clone());
            tokio::spawn(monitoring);
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, %address, "no health and metrics there: it can't be listened on");
        }
    }
}

/// Evicts from full caches, and frees the space of what nothing references, again and again.
async fn collect(
    mut running: watch::Receiver<Arc<Built>>,
    metrics: UpkeepMetrics,
    stop: CancellationToken,
) {
    let mut collecting = None;
    loop {
        let built = running.borrow_and_update().clone();
        collecting = built.collecting(collecting);
        let known = collecting.as_ref().and_then(|it| it.collector.usage());
        metrics.stored(known);
        let interval = built.config.collector.interval.duration();
        // What was replaced must not be held.
        drop(built);
        let mut pause = interval.min(FIRST_PAUSE);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                changed = running.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
            }
            pause = interval;
            let go_on = || !stop.is_cancelled() && matches!(running.has_changed(), Ok(false));
            // First, so that the collector finds what it lets go of.
            let registry = Arc::clone(&running.borrow().registry);
            tell_evicted(registry.evict(&go_on).await);
            drop(registry);
            if let Some(it) = &mut collecting {
                let pass = it.collector.pass(&go_on).await;
                metrics.collected(&pass, SystemClock.now());
                metrics.stored(it.collector.usage());
                tell(pass);
            }
        }
    }
}

fn tell_evicted(evicted: Result<Vec<Evicted>, RegistryError>) {
    match evicted {
        Ok(evicted) => {
            for it in evicted {
                let Evicted {
                    namespace,
                    held,
                    left,
                    manifests,
                } = it;
                tracing::info!(
                    namespace,
                    held,
                    left,
                    manifests,
                    "evicted from a mirror's cache"
                );
            }
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the caches of mirrors could not be looked at");
        }
    }
}

fn tell(pass: Result<Option<Pass>, RegistryError>) {
    match pass {
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
}

/// Removes idle upload sessions now and then: often enough that none gets much
/// older than it may, and not so often that the walk is felt.
async fn expire_uploads(mut running: watch::Receiver<Arc<Built>>, stop: CancellationToken) {
    let max_age = |built: &Built| built.config.uploads.max_age.duration();
    loop {
        let built = running.borrow_and_update().clone();
        match built.registry.uploads().expire(max_age(&built)).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed idle uploads and temporary files"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "idle uploads could not be removed");
            }
        }
        // What was replaced must not be held until the next time.
        drop(built);
        let done = Instant::now();
        loop {
            let max_age = max_age(&running.borrow_and_update());
            let pause = (max_age / 8).clamp(Duration::from_secs(1), Duration::from_hours(1));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(done + pause) => break,
                changed = running.changed() => if changed.is_err() { return },
            }
        }
    }
}

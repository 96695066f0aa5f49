//! `undelete`: restores a manifest or a tag that was deleted, as long as everything is there.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::CommandError;
use super::why::list;
use crate::adapters::tasks::RuntimeTasks;
use crate::app::cli::{Restorable, Undelete};
use crate::app::config::Config;
use crate::app::wiring::{self, Shared, Upkeep};
use crate::domain::manifests::{Restored, Undeletion};
use crate::domain::registry::Registry;
use crate::ports::Tasks;

/// Restores it, beside a running server or without one, and says what was restored; `None` where no deletion is known.
///
/// # Errors
/// When the store can't be opened, and when something that the manifest needs is missing.
pub async fn undelete(
    config: Config,
    arguments: &Undelete,
    stop: &CancellationToken,
) -> Result<Option<String>, CommandError> {
    let shared = Shared::new(stop.clone());
    let upkeep = tokio::select! {
        upkeep = Upkeep::open(config, false, &shared) => upkeep?,
        // It may wait for an owner that is dead.
        () = stop.cancelled() => return Err(CommandError::Interrupted),
    };
    let done = restore(&upkeep, arguments).await;
    upkeep.release().await;
    let name = &arguments.what.repository;
    match done? {
        Undeletion::Unknown => Ok(None),
        Undeletion::Refused { digest, missing } => Err(CommandError::Refused(format!(
            "{name}@{digest} can't be restored: {} is missing. What was deleted too may be restored first",
            list(&missing)
        ))),
        Undeletion::Restored(restored) => Ok(Some(told(arguments, &restored))),
    }
}

async fn restore(upkeep: &Upkeep, arguments: &Undelete) -> Result<Undeletion, CommandError> {
    let Upkeep {
        config,
        storage,
        locks,
        clock,
        ..
    } = upkeep;
    let tasks: Arc<dyn Tasks> = Arc::new(RuntimeTasks);
    let registry = Registry::new(storage, locks, clock, &tasks, wiring::namespaces(config)?);
    let Restorable {
        repository,
        reference,
    } = &arguments.what;
    Ok(registry.manifests().undelete(repository, reference).await?)
}

fn told(arguments: &Undelete, restored: &Restored) -> String {
    let Restored {
        digest,
        manifest,
        tags,
        moved,
    } = restored;
    let name = &arguments.what.repository;
    let back = if *manifest { "is restored" } else { "stands" };
    let mut lines = vec![format!("{name}@{digest} {back}")];
    lines.extend(tags.iter().map(|tag| format!("{name}:{tag} points at it")));
    let moved = moved.iter();
    lines
        .extend(moved.map(|(tag, at)| format!("{name}:{tag} was pushed since, and stays at {at}")));
    lines.join("\n")
}

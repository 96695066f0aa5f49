//! `scrub`: checks the store part by part, mends what is certain, and tells what it did.

mod report;
mod retention;

use tokio_util::sync::CancellationToken;

use self::report::Report;
use super::CommandError;
use crate::app::cli::Scrub;
use crate::app::config::Config;
use crate::app::wiring::{Shared, Upkeep};
use crate::domain::error::RegistryError;
use crate::domain::scrub::{self, Audience, Fate, Finding};

/// Runs the parts that are asked for, or all. Whether nothing is left that is not as it should be.
///
/// # Errors
/// When the store can't be opened, and when something could not be looked at.
pub async fn scrub(
    config: Config,
    arguments: &Scrub,
    stop: &CancellationToken,
) -> Result<bool, CommandError> {
    let shared = Shared::new(stop.clone());
    let upkeep = tokio::select! {
        upkeep = Upkeep::open(config, arguments.dry_run, &shared) => upkeep?,
        // It may wait for an owner that is dead.
        () = stop.cancelled() => return Err(CommandError::Interrupted),
    };
    let lost = shared.lost.clone();
    let report = tokio::select! {
        report = parts(&upkeep, arguments, stop) => Some(report),
        () = lost.cancelled() => None,
    };
    upkeep.release().await;
    let report = report.ok_or(CommandError::LeaseLost)?;
    if stop.is_cancelled() {
        return Err(CommandError::Interrupted);
    }
    report.conclusion()
}

/// Each part, whatever became of those before it.
async fn parts<'a>(
    upkeep: &Upkeep,
    arguments: &'a Scrub,
    stop: &'a CancellationToken,
) -> Report<'a> {
    let Scrub {
        links,
        uploads,
        collect,
        ..
    } = *arguments;
    let all = !(links || uploads || arguments.retention || collect);
    let mut report = Report::new(arguments, stop);
    if all || links {
        report.begin("links");
        let done = match upkeep.links() {
            Ok(links) => links.run(&mut report).await,
            Err(error) => Err(RegistryError::Unavailable(error.into())),
        };
        report.end(done);
    }
    if all || uploads {
        report.begin("uploads");
        let max_age = upkeep.config.uploads.max_age.duration();
        let how = (max_age, arguments.dry_run);
        let Upkeep {
            storage,
            locks,
            clock,
            ..
        } = upkeep;
        let done = scrub::uploads(storage, locks, clock, how, &mut report).await;
        report.end(done);
    }
    if all || arguments.retention {
        report.begin("retention");
        let done = retention::retention(upkeep, arguments, &mut report).await;
        report.end(done);
    }
    if all || collect {
        report.begin("collection");
        let done = collection(upkeep, &mut report).await;
        report.end(done);
    }
    if arguments.verify {
        report.begin("verify");
        let done = upkeep.verify().run(&mut report).await;
        report.end(done);
    }
    report
}

/// Marks what is dead, and frees what was marked a grace period ago.
async fn collection(upkeep: &Upkeep, report: &mut Report<'_>) -> Result<(), RegistryError> {
    let go_on = || report.goes_on();
    let Some(mut collector) = upkeep.collector() else {
        report.note("nothing is collected on a network file system");
        return Ok(());
    };
    let Some(pass) = collector.visit(&go_on).await? else {
        if report.goes_on() {
            report.note("somebody else is at it already");
        }
        return Ok(());
    };
    report.seen(pass.seen);
    report.note(&format!(
        "{} marked, {} removed, {} bytes freed",
        pass.marked, pass.removed, pass.freed
    ));
    for doubt in pass.doubts {
        report.found(Finding {
            kind: "doubt",
            place: doubt,
            what: "nothing is collected there".to_owned(),
            fate: Fate::Left,
        });
    }
    Ok(())
}

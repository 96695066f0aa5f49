//! The part that applies the retention policies: what it decides, image by image.

use serde_json::json;

use super::report::Report;
use crate::app::cli::Scrub;
use crate::app::wiring::Upkeep;
use crate::domain::error::RegistryError;
use crate::domain::retention::{Judged, Mode, Outcome, Verdict};
use crate::domain::scrub::{Audience, Fate, Finding};

/// Judges every image by its rules, and deletes what no rule keeps.
pub(super) async fn retention(
    upkeep: &Upkeep,
    arguments: &Scrub,
    report: &mut Report<'_>,
) -> Result<(), RegistryError> {
    let mode = match arguments {
        Scrub { dry_run: true, .. } => Mode::Plan,
        Scrub { force: true, .. } => Mode::Force,
        Scrub { .. } => Mode::Apply,
    };
    let retention = upkeep
        .retention()
        .map_err(|error| RegistryError::Unavailable(error.into()))?;
    let Some(run) = retention.run(mode, &|| report.goes_on()).await? else {
        report.note("somebody else is at it already");
        return Ok(());
    };
    for outcome in &run.repositories {
        tell(outcome, mode, report);
    }
    if let Some(why) = run.held_back {
        report.found(held_back("everything".to_owned(), &why));
    }
    let images = run.repositories.iter().flat_map(|it| &it.images);
    let count = |verdict| images.clone().filter(|it| it.verdict == verdict).count();
    let [kept, go, gone] = [Verdict::Kept, Verdict::Goes, Verdict::Gone].map(count);
    report.note(&format!("{kept} kept, {gone} deleted, {go} to delete"));
    Ok(())
}

/// Everything, where that is all that happens; else only what goes.
fn tell(outcome: &Outcome, mode: Mode, report: &mut Report<'_>) {
    let repository = &outcome.repository;
    let place = |image: &Judged| match &image.tag {
        Some(tag) => format!("{repository}:{tag}"),
        None => format!("{repository}@{}", image.digest),
    };
    let width = outcome.images.iter().map(|it| place(it).len()).max();
    let width = width.unwrap_or_default();
    for image in &outcome.images {
        let verdict = match image.verdict {
            Verdict::Kept if mode != Mode::Plan => continue,
            Verdict::Kept => "keep",
            Verdict::Goes => "delete",
            Verdict::Gone => "deleted",
        };
        let (place, why) = (place(image), &image.why);
        report.say(
            || format!("{verdict:7} {place:width$}  {why}"),
            || json!({ "part": "retention", "image": place, "digest": image.digest.to_string(), "verdict": verdict, "why": why }),
        );
    }
    report.seen(outcome.images.len() as u64);
    for problem in &outcome.problems {
        report.note(&format!("{repository}: {problem}"));
    }
    if let Some(why) = &outcome.held_back {
        report.found(held_back(repository.to_string(), why));
    }
}

fn held_back(place: String, why: &str) -> Finding {
    Finding {
        kind: "held-back",
        place,
        what: format!("nothing is deleted: {why}"),
        fate: Fate::Left,
    }
}

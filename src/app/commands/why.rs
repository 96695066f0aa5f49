//! `why`: what keeps a digest, or kept it until it was deleted.

use std::fmt::Display;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::CommandError;
use crate::app::cli::Why;
use crate::app::config::Config;
use crate::app::wiring::{Shared, Upkeep};
use crate::domain::explain::{Explain, Explanation, Holder, Place, State};
use crate::domain::model::{Mark, Timestamp};
use crate::ports::Deletion;

/// What was found out.
#[derive(Debug)]
pub struct Answer {
    /// Whether anything is known of the digest; `None` where nothing was found, and not everything could be read.
    pub known: Option<bool>,
    /// Lines, or JSON.
    pub text: String,
}

/// Explains a digest. Nothing is changed, and a server may run.
///
/// # Errors
/// When the store can't be opened, or does not even tell its repositories.
pub async fn why(
    config: Config,
    arguments: &Why,
    stop: &CancellationToken,
) -> Result<Answer, CommandError> {
    let grace = config.collector.grace_period.duration();
    let upkeep = Upkeep::open(config, true, &Shared::new(stop.clone())).await?;
    let explanation = Explain::new(&upkeep.storage).why(&arguments.digest).await?;
    let known = explanation.is_known();
    let text = if arguments.json {
        json(&explanation).to_string()
    } else {
        lines(&explanation, grace)
    };
    let known = (known || explanation.doubts.is_empty()).then_some(known);
    Ok(Answer { known, text })
}

/// A line for each thing that is known, and the conclusion.
fn lines(explanation: &Explanation, grace: Duration) -> String {
    let digest = &explanation.digest;
    let mut lines = Vec::new();
    if let Some(it) = explanation.content.look.thing {
        let linked = !explanation.places.iter().all(Place::is_gone);
        let end = end(&explanation.content, linked, grace);
        lines.push(format!(
            "content: {} bytes, stored {}{end}",
            it.size,
            time(it.modified)
        ));
    }
    for place in &explanation.places {
        let mut say = |line: String| lines.push(format!("{}: {line}", place.repository));
        if let Some(it) = place.link.look.thing {
            let end = end(&place.link, !place.holders.is_empty(), grace);
            say(format!(
                "linked, pushed or asked for last {}{end}",
                time(it.modified)
            ));
        }
        for holder in &place.holders {
            let is_it = holder.manifest == *digest;
            let end = is_it.then(|| end(&place.revision, true, grace));
            say(told(holder) + &end.unwrap_or_default());
        }
        for referrer in &place.referrers {
            say(format!("manifest {referrer} has it as its subject"));
        }
        for deletion in &place.deletions {
            say(recorded(deletion, grace));
        }
    }
    lines.extend(
        explanation
            .doubts
            .iter()
            .map(|it| format!("not known: {it}")),
    );
    lines.push(match (explanation.is_known(), explanation.is_kept()) {
        (_, true) => format!("{digest} is kept"),
        (true, false) => format!("{digest} is kept by no manifest"),
        (false, false) => format!("nothing is known of {digest}"),
    });
    lines.join("\n")
}

/// When a thing may go.
fn end(state: &State, kept: bool, grace: Duration) -> String {
    match (&state.look.mark, state.look.thing, state.marked_at) {
        (Mark::None, Some(it), _) if !kept => {
            format!("; may be marked from {} on", time(it.modified.after(grace)))
        }
        (Mark::None, ..) => String::new(),
        (_, _, Some(at)) => {
            let (at, end) = (time(at), time(at.after(grace)));
            format!("; marked {at}, may be removed from {end} on, unless something needs it then")
        }
        (..) => "; is being removed".to_owned(),
    }
}

fn told(holder: &Holder) -> String {
    let Holder {
        manifest,
        needs,
        tags,
        subject,
        pending,
    } = holder;
    let subject = subject.iter().map(|(subject, stands)| {
        let stands = if *stands { "stands" } else { "is not here" };
        format!("; its subject {subject} {stands}")
    });
    [
        format!("manifest {manifest}"),
        if *pending {
            ", whose push is not done,"
        } else {
            ""
        }
        .to_owned(),
        some(" needs ", needs),
        some("; tags: ", tags),
    ]
    .into_iter()
    .chain(subject)
    .collect()
}

fn recorded(deletion: &Deletion, grace: Duration) -> String {
    let what = if deletion.manifest {
        "manifest"
    } else {
        "only the tags of manifest"
    };
    let by = deletion.by.as_deref().unwrap_or("anonymous");
    let (at, until) = (time(deletion.at), time(deletion.at.after(grace)));
    let (gone, tags) = (&deletion.digest, some(", tags: ", &deletion.tags));
    format!("deleted {at} by {by}: {what} {gone}{tags}; can be restored until {until} at least")
}

fn json(explanation: &Explanation) -> Value {
    let state = |state: &State| {
        let thing = state.look.thing.as_ref()?;
        Some(json!({
            "size": thing.size,
            "modified": time(thing.modified),
            "mark": match state.look.mark {
                Mark::None => Value::Null,
                Mark::Condemned(_) => "condemned".into(),
                Mark::Dying => "dying".into(),
            },
            "marked": state.marked_at.map(time),
        }))
    };
    let holder = |it: &Holder| {
        let subject = it.subject.as_ref();
        let subject = subject.map(|(digest, stands)| json!({ "digest": digest, "stands": stands }));
        json!({
            "manifest": it.manifest,
            "needs": it.needs,
            "tags": texts(&it.tags),
            "subject": subject,
            "pending": it.pending,
        })
    };
    let deletion = |it: &Deletion| {
        json!({
            "digest": it.digest,
            "manifest": it.manifest,
            "tags": texts(&it.tags),
            "at": time(it.at),
            "by": it.by,
        })
    };
    let places = explanation.places.iter().map(|place| {
        json!({
            "repository": place.repository.to_string(),
            "link": state(&place.link),
            "holders": place.holders.iter().map(holder).collect::<Vec<_>>(),
            "referrers": place.referrers,
            "deletions": place.deletions.iter().map(deletion).collect::<Vec<_>>(),
        })
    });
    json!({
        "digest": explanation.digest,
        "known": explanation.is_known(),
        "kept": explanation.is_kept(),
        "content": state(&explanation.content),
        "repositories": places.collect::<Vec<_>>(),
        "doubts": explanation.doubts,
    })
}

fn texts(items: &[impl Display]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn some(before: &str, items: &[impl Display]) -> String {
    if items.is_empty() {
        return String::new();
    }
    format!("{before}{}", list(items))
}

pub(super) fn list(items: &[impl Display]) -> String {
    texts(items).join(", ")
}

fn time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.as_millis() / 1000);
    at.unwrap_or_default().to_string()
}

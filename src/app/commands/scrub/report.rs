//! What a scrub says: a line for each finding and each part, or JSON; and how far it is, on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::app::cli::Scrub;
use crate::app::commands::CommandError;
use crate::domain::error::RegistryError;
use crate::domain::scrub::{Audience, Fate, Finding};

/// How often it is shown how far it is.
const EVERY: Duration = Duration::from_millis(100);

/// What was found so far, and who is told.
pub struct Report<'a> {
    arguments: &'a Scrub,
    stop: &'a CancellationToken,
    part: &'static str,
    tally: Tally,
    /// Some part could not look at everything.
    failed: bool,
    /// Something was left in some part.
    left: bool,
    /// When it was last shown how far it is; `None` where nobody looks on.
    shown: Option<Instant>,
}

/// What was found in one part.
#[derive(Default)]
struct Tally {
    seen: u64,
    mended: u64,
    left: u64,
}

impl<'a> Report<'a> {
    /// Nothing was found yet.
    pub fn new(arguments: &'a Scrub, stop: &'a CancellationToken) -> Self {
        let looked_on = io::stderr().is_terminal() && !arguments.json;
        Self {
            arguments,
            stop,
            part: "",
            tally: Tally::default(),
            failed: false,
            left: false,
            shown: looked_on.then(Instant::now),
        }
    }

    /// From now on it is about this part.
    pub fn begin(&mut self, part: &'static str) {
        self.part = part;
        self.tally = Tally::default();
    }

    /// The part is over.
    pub fn end(&mut self, done: Result<(), RegistryError>) {
        let Tally { seen, mended, left } = self.tally;
        let part = self.part;
        if let Err(error) = done {
            self.failed = true;
            self.clear();
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "{part}: not everything could be looked at");
        }
        self.left |= left > 0 || (self.arguments.dry_run && mended > 0);
        let found = mended + left;
        self.say(
            || {
                let mended_or_not = self.mended();
                format!("{part}: {seen} looked at, {found} found, {mended} {mended_or_not}, {left} left")
            },
            || json!({ "part": part, "seen": seen, "found": found, "mended": mended, "left": left }),
        );
    }

    /// Whether nothing is left.
    ///
    /// # Errors
    /// [`CommandError::Incomplete`], where something could not be looked at.
    pub fn conclusion(&self) -> Result<bool, CommandError> {
        if self.failed {
            return Err(CommandError::Incomplete);
        }
        Ok(!self.left)
    }

    /// A line on the standard output. Nobody may read it: then it is lost, and the work goes on.
    pub fn say(&self, line: impl FnOnce() -> String, json: impl FnOnce() -> serde_json::Value) {
        self.clear();
        let line = if self.arguments.json {
            json().to_string()
        } else {
            line()
        };
        drop(writeln!(io::stdout(), "{line}"));
    }

    /// A line about the part.
    pub fn note(&self, text: &str) {
        let part = self.part;
        self.say(
            || format!("{part}: {text}"),
            || json!({ "part": part, "note": text }),
        );
    }

    fn mended(&self) -> &'static str {
        if self.arguments.dry_run {
            "to mend"
        } else {
            "mended"
        }
    }

    fn clear(&self) {
        if self.shown.is_some() {
            drop(write!(io::stderr(), "\r\x1b[K"));
        }
    }
}

impl Audience for Report<'_> {
    fn found(&mut self, finding: Finding) {
        let Finding {
            kind,
            place,
            what,
            fate,
        } = finding;
        let (part, fate) = match fate {
            Fate::Mended => {
                self.tally.mended += 1;
                (self.part, self.mended())
            }
            Fate::Left => {
                self.tally.left += 1;
                (self.part, "left")
            }
        };
        self.say(
            || format!("{part}: {fate}: {place}: {what} ({kind})"),
            || json!({ "part": part, "kind": kind, "place": place, "what": what, "fate": fate }),
        );
    }

    fn seen(&mut self, more: u64) {
        self.tally.seen += more;
        if self.shown.is_some_and(|shown| shown.elapsed() >= EVERY) {
            self.shown = Some(Instant::now());
            let line = format!("\r{}: {} looked at\x1b[K", self.part, self.tally.seen);
            drop(write!(io::stderr(), "{line}"));
        }
    }

    fn goes_on(&self) -> bool {
        !self.stop.is_cancelled()
    }
}

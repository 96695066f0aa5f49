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
    /// How much is to be read, and was, where that is known.
    bytes: Option<Reading>,
    /// When it was last shown how far it is; `None` where nobody looks on.
    shown: Option<Instant>,
}

/// How far a part is that reads content.
struct Reading {
    all: u64,
    read: u64,
    since: Instant,
}

impl Reading {
    /// A bar, and how fast it grows.
    fn bar(&self) -> String {
        let read = self.read.min(self.all);
        let percent = (read * 100).checked_div(self.all).unwrap_or(100);
        let seconds = self.since.elapsed().as_secs().max(1);
        let full = usize::try_from(percent / 4).unwrap_or_default();
        let (done, rest) = ("#".repeat(full), "-".repeat(25_usize.saturating_sub(full)));
        let left = (self.all - read).checked_mul(seconds).unwrap_or_default();
        let left = left.checked_div(read).unwrap_or_default();
        let (read, all, speed) = (mebi(read), mebi(self.all), mebi(self.read / seconds));
        format!("[{done}{rest}] {percent} %, {read} of {all} MiB, {speed} MiB/s, {left} s left")
    }
}

fn mebi(bytes: u64) -> u64 {
    bytes >> 20
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
            bytes: None,
            shown: looked_on.then(Instant::now),
        }
    }

    /// From now on it is about this part.
    pub fn begin(&mut self, part: &'static str) {
        self.part = part;
        self.tally = Tally::default();
        self.bytes = None;
    }

    /// Shows how far it is, now and then.
    fn show(&mut self) {
        if self.shown.is_some_and(|shown| shown.elapsed() >= EVERY) {
            self.shown = Some(Instant::now());
            let (part, seen) = (self.part, self.tally.seen);
            let far = self.bytes.as_ref().map(Reading::bar);
            let far = far.unwrap_or_else(|| format!("{seen} looked at"));
            drop(write!(io::stderr(), "\r{part}: {far}\x1b[K"));
        }
    }

    /// The part is over.
    pub fn end(&mut self, done: Result<(), RegistryError>) {
        let Tally { seen, mended, left } = self.tally;
        let part = self.part;
        if let Some(bytes) = self.bytes.take() {
            let read = bytes.read;
            self.note(&format!(
                "{read} bytes read in {} s",
                bytes.since.elapsed().as_secs()
            ));
        }
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
        self.show();
    }

    fn expects(&mut self, bytes: u64) {
        self.bytes = Some(Reading {
            all: bytes,
            read: 0,
            since: Instant::now(),
        });
    }

    fn read(&mut self, more: u64) {
        if let Some(bytes) = &mut self.bytes {
            bytes.read += more;
        }
        self.show();
    }

    fn goes_on(&self) -> bool {
        !self.stop.is_cancelled()
    }
}

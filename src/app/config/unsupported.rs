//! What the configuration can say and this version can't do yet: refused by name, never ignored.
//!
//! Each line goes when its part arrives.

use super::document::Document;
use super::findings::Findings;

/// A key, and what to do without it.
struct Row {
    key: &'static str,
    instead: &'static str,
}

const ROWS: &[Row] = &[Row {
    key: "observability.tracing",
    instead: "leave it out",
}];

/// Refuses every key that asks for what isn't there.
pub(super) fn refuse(document: &Document<'_>, findings: &mut Findings<'_>) {
    for row in ROWS {
        for found in document.find(row.key) {
            findings.refuse(
                found,
                format!("not part of this version yet; {}", row.instead),
            );
        }
    }
}

#[cfg(test)]
mod tests;

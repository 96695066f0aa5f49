//! What the configuration can say and this version can't do yet: refused by name, never ignored.
//!
//! Each line goes when its part arrives.

use toml::de::DeValue;

use super::document::Document;
use super::findings::Findings;

/// A key, when it is refused, and what to do without it.
struct Row {
    key: &'static str,
    when: When,
    instead: &'static str,
}

/// Which values of a key ask for something.
#[derive(Clone, Copy)]
enum When {
    /// Any.
    Present,
    /// `true`; to switch off what isn't there has its effect already.
    On,
}

use When::{On, Present};

#[rustfmt::skip] // a table
const ROWS: &[Row] = &[
    Row { key: "observability.tracing",                  when: Present, instead: "leave it out" },
    Row { key: "observability.bind_address",             when: Present, instead: "leave it out" },
    Row { key: "observability.port",                     when: Present, instead: "leave it out" },
    Row { key: "observability.on_main",                  when: On,      instead: "leave it out" },
];

/// Refuses every key that asks for what isn't there.
pub(super) fn refuse(document: &Document<'_>, findings: &mut Findings<'_>) {
    for row in ROWS {
        for found in document.find(row.key) {
            if row.when.asks(found.value) {
                findings.refuse(
                    found.path,
                    format!("not part of this version yet; {}", row.instead),
                );
            }
        }
    }
}

impl When {
    fn asks(self, value: &DeValue<'_>) -> bool {
        match (self, value) {
            (On, DeValue::Boolean(on)) => *on,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;

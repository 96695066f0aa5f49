//! Rules that can't be used, or stand under the wrong policy: these are told apart by the variables that they name.

use crate::adapters::cel;
use crate::app::config::RepositoryConfig;
use crate::app::config::findings::Findings;
use crate::app::config::key_path::KeyPath;

/// Variables that only a retention rule has. (Its functions are left out: `top(image.tag, …)` is best told by `image.tag`.)
const RETENTION: &[&str] = &["image", "last_pushed", "last_pulled"];

/// Variables that only an access rule has.
const ACCESS: &[&str] = &["identity", "request"];

/// How much of a rule a message repeats.
const EXCERPT: usize = 200;

/// Refuses the rules of one repository entry that can't be used, or belong to its other policy.
pub(super) fn check(entry: &KeyPath, repository: &RepositoryConfig, findings: &mut Findings<'_>) {
    let policies = [
        (
            "access_policy",
            "retention_policy",
            RETENTION,
            repository
                .access_policy
                .as_ref()
                .map(|policy| &policy.rules),
        ),
        (
            "retention_policy",
            "access_policy",
            ACCESS,
            repository
                .retention_policy
                .as_ref()
                .map(|policy| &policy.rules),
        ),
    ];
    for (policy, other, foreign, rules) in policies {
        let key = entry.key(policy).key("rules");
        for (index, rule) in rules.into_iter().flatten().enumerate() {
            if let Some(variable) = first_of(foreign, rule) {
                findings.refuse(
                    key.index(index),
                    format!("`{variable}` belongs to `{other}`"),
                );
                continue;
            }
            let constant = if policy == "access_policy" {
                cel::access_rule(rule).map(|_| None)
            } else {
                cel::retention_rule(rule).map(|rule| cel::constant(&*rule))
            };
            let quoted = excerpt(rule);
            match constant {
                Ok(None) => {}
                Ok(Some(true)) => findings.warn(
                    key.index(index),
                    format!("{quoted:?} is true of every image, so everything is kept"),
                ),
                Ok(Some(false)) => findings.warn(
                    key.index(index),
                    format!("{quoted:?} is false of every image, so it keeps nothing"),
                ),
                Err(error) => findings.refuse(key.index(index), format!("{quoted:?}: {error}")),
            }
        }
    }
}

/// As much of a rule as helps to find it.
fn excerpt(rule: &str) -> String {
    match rule.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &rule[..end]),
        None => rule.to_owned(),
    }
}

/// The first of these names that a rule uses, with the field it asks for: `image.tag`.
///
/// This is no CEL parser. It only has to see names, outside of texts, that are not fields of something else.
fn first_of(names: &[&str], rule: &str) -> Option<String> {
    let mut rest = rule;
    let mut is_field = false;
    while let Some(next) = rest.chars().next() {
        if next == '"' || next == '\'' {
            rest = after_text(rest, next);
        } else if is_letter(next) {
            let (word, after) = split_word(rest);
            if !is_field && names.contains(&word) {
                return Some(format!("{word}{}", field(after)));
            }
            rest = after;
        } else {
            rest = &rest[next.len_utf8()..];
        }
        // Spaces around the dot are allowed, and rare enough not to be looked for.
        is_field = next == '.';
    }
    None
}

/// `.tag` of `.tag == …`; a function that is called on the variable is no field.
fn field(after: &str) -> &str {
    let Some(name) = after.strip_prefix('.').map(|rest| split_word(rest).0) else {
        return "";
    };
    let end = 1 + name.len();
    if name.is_empty() || after[end..].starts_with('(') {
        ""
    } else {
        &after[..end]
    }
}

/// What follows a text that begins with `quote`.
fn after_text(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (position, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return &text[position + c.len_utf8()..],
            _ => {}
        }
    }
    ""
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_letter(c)).unwrap_or(text.len()))
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests;

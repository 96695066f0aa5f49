//! The names of repository entries: prefixes of repository names, by whole segments.

use std::collections::BTreeMap;

use crate::app::config::RepositoryConfig;
use crate::app::config::findings::Findings;
use crate::app::config::key_path::KeyPath;

/// The entry for names that no other entry matches; the empty name says the same.
const REST: &str = "*";

/// The specification's limit on a repository name.
const LONGEST: usize = 255;

/// Refuses names that no repository can begin with, warns of entries that deny without saying so, and calls the
/// entry for all the rest `*`.
pub(super) fn check(
    repositories: &mut BTreeMap<String, RepositoryConfig>,
    findings: &mut Findings<'_>,
) {
    for namespace in repositories.keys() {
        if let Err(message) = judge(namespace) {
            findings.refuse(entry(namespace), message);
        }
    }
    for (namespace, repository) in &*repositories {
        if repository.access_policy.is_none()
            && let Some(shorter) = nearest_with_policy(namespace, repositories)
        {
            findings.warn(
                entry(namespace),
                format!("has no access_policy, so everything in it is denied: entries do not inherit, not even from {shorter:?}"),
            );
        }
    }
    if let Some(rest) = repositories.remove("")
        && repositories.insert(REST.to_owned(), rest).is_some()
    {
        findings.refuse(
            entry(""),
            r#"means the same as "*", and both are there; keep one"#,
        );
    }
}

fn entry(namespace: &str) -> KeyPath {
    KeyPath::of(&["repository", namespace])
}

/// Whether a repository can have this name or one that begins with it.
fn judge(namespace: &str) -> Result<(), String> {
    if namespace == REST || namespace.is_empty() {
        return Ok(());
    }
    if let Some(prefix) = namespace
        .strip_suffix("/*")
        .or_else(|| namespace.strip_suffix('/'))
    {
        return Err(format!(
            "no repository name; write {prefix:?}, which stands for everything below it as well"
        ));
    }
    if namespace.len() > LONGEST {
        return Err(format!(
            "no repository name: longer than {LONGEST} characters"
        ));
    }
    match namespace.split('/').find(|segment| !is_segment(segment)) {
        None => Ok(()),
        Some(segment) => Err(format!(
            "no repository name: {segment:?} is not made of a-z and 0-9 with single `.`, `_`, `__` or dashes between them"
        )),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_segment(segment: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = segment.split(plain).filter(|run| !run.is_empty());
    segment.starts_with(plain)
        && segment.ends_with(plain)
        && separators
            .into_iter()
            .all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

/// The longest entry with a policy among those that this one takes names from.
fn nearest_with_policy<'r>(
    namespace: &str,
    repositories: &'r BTreeMap<String, RepositoryConfig>,
) -> Option<&'r str> {
    let is_shorter = |other: &str| match other {
        "" | REST => namespace != REST && !namespace.is_empty(),
        _ => namespace
            .strip_prefix(other)
            .is_some_and(|rest| rest.starts_with('/')),
    };
    repositories
        .iter()
        .filter(|(other, repository)| repository.access_policy.is_some() && is_shorter(other))
        .map(|(other, _)| other.as_str())
        .max_by_key(|other| if *other == REST { 0 } else { other.len() })
}

#[cfg(test)]
mod tests;

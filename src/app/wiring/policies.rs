//! The entries for repositories: who may do what, what is kept, and what else each grants.

use std::sync::Arc;

use super::BuildError;
use crate::adapters::cel;
use crate::app::config::{AccessPolicyConfig, Config, RepositoryConfig, RetentionPolicyConfig};
use crate::domain::access::AccessPolicy;
use crate::domain::mirror::Source;
use crate::domain::namespaces::{ImmutableTags, MissingReferences, Namespace, Namespaces};
use crate::ports::RetentionRule;

/// Who may do what, and what else each entry for repositories grants; but it mirrors nothing.
///
/// # Errors
/// When a rule can't be compiled; loading has refused such rules.
pub fn namespaces(config: &Config) -> Result<Namespaces, BuildError> {
    namespaces_with(config, |_, _| Ok(None))
}

pub(super) fn namespaces_with(
    config: &Config,
    source: impl Fn(&str, &RepositoryConfig) -> Result<Option<Arc<Source>>, BuildError>,
) -> Result<Namespaces, BuildError> {
    let entries = config.repository.iter().map(|(prefix, entry)| {
        let namespace = Namespace {
            access_policy: access_policy(entry.access_policy.as_ref())?,
            // A mirror is filled with what is asked for.
            missing_references: if entry.upstream.is_empty() {
                entry.missing_references
            } else {
                MissingReferences::Accept
            },
            immutable_tags: ImmutableTags {
                patterns: entry.immutable_tags.clone(),
                exceptions: entry.mutable_tags.clone(),
            },
            retention_rules: retention_rules(entry.retention_policy.as_ref())?,
            mirrors: source(prefix, entry)?,
        };
        Ok((prefix.clone(), namespace))
    });
    Ok(Namespaces::new(entries.collect::<Result<Vec<_>, _>>()?))
}

fn retention_rules(
    section: Option<&RetentionPolicyConfig>,
) -> Result<Vec<Arc<dyn RetentionRule>>, BuildError> {
    let rules = section.iter().flat_map(|section| &section.rules);
    let rules = rules.map(|rule| cel::retention_rule(rule).map_err(of_rules));
    rules.collect()
}

fn of_rules(error: cel::InvalidRule) -> BuildError {
    BuildError {
        section: "repository",
        source: error.into(),
    }
}

fn access_policy(section: Option<&AccessPolicyConfig>) -> Result<AccessPolicy, BuildError> {
    let Some(section) = section else {
        return Ok(AccessPolicy::default());
    };
    let rules = section.rules.iter().map(|rule| cel::access_rule(rule));
    let rules = rules.collect::<Result<_, _>>().map_err(of_rules)?;
    Ok(AccessPolicy {
        default_allow: section.default_allow,
        rules,
    })
}

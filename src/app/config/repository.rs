//! `[repository."<namespace>"]`: who may do what in a namespace, what it keeps, and whom it mirrors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::units::{ByteSize, Seconds};
use crate::adapters::upstream::config::UpstreamConfig;
use crate::domain::model::TagPattern;
use crate::domain::namespaces::MissingReferences;

/// One entry. It stands alone and inherits nothing from a shorter one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepositoryConfig {
    /// Registries to pull through, in the order in which they are asked.
    pub upstream: Vec<UpstreamConfig>,
    /// Who may do what; without it, nobody anything.
    pub access_policy: Option<AccessPolicyConfig>,
    /// What is kept; without it, everything.
    pub retention_policy: Option<RetentionPolicyConfig>,
    /// Whether a manifest may name what is not there.
    #[schemars(with = "String", extend("enum" = ["refuse", "indexes", "accept"]))]
    pub missing_references: MissingReferences,
    /// Patterns of tags that never move.
    #[schemars(with = "Vec<String>")]
    pub immutable_tags: Vec<TagPattern>,
    /// Patterns of tags that may move all the same.
    #[schemars(with = "Vec<String>")]
    pub mutable_tags: Vec<TagPattern>,
    /// Registries that this entry answers for (`?ns=`); without it, its upstreams' hosts.
    pub mirrors: Option<Vec<String>>,
    /// How long an upstream's tag is believed.
    pub revalidate_interval: Seconds,
    /// How much of the upstreams is kept here; without it, all that was pulled.
    pub cache_max_size: Option<ByteSize>,
}

impl Default for RepositoryConfig {
    fn default() -> Self {
        Self {
            upstream: Vec::new(),
            access_policy: None,
            retention_policy: None,
            missing_references: MissingReferences::default(),
            immutable_tags: Vec::new(),
            mutable_tags: Vec::new(),
            mirrors: None,
            revalidate_interval: Seconds::new(60),
            cache_max_size: None,
        }
    }
}

/// `access_policy`: a default, and the rules that make exceptions from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccessPolicyConfig {
    /// Whether what no rule speaks of is allowed.
    pub default_allow: bool,
    /// CEL. The first that is true decides against the default.
    pub rules: Vec<String>,
}

/// `retention_policy`: what is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionPolicyConfig {
    /// CEL. An image is kept when any of them is true, or when there is none.
    pub rules: Vec<String>,
}

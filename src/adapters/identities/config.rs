//! `[identity.<id>]`: a user of this registry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::units;
use crate::domain::model::Secret;

/// One identity; its id is its key in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// The name to log in with.
    #[serde(deserialize_with = "units::filled")]
    pub username: String,
    /// The password's argon2 hash (`$argon2id$…`).
    #[serde(deserialize_with = "units::secret")]
    #[schemars(with = "String")]
    pub password: Secret,
}

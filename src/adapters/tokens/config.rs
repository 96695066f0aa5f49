//! `[token]`: the built-in token service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::units::{self, Seconds};
use crate::domain::model::Secret;

/// `[token]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenConfig {
    /// How long a token is good for.
    pub lifetime: Seconds,
    /// What signs tokens; without it, a key that is made once and kept in the store.
    #[serde(deserialize_with = "units::optional_secret")]
    #[schemars(with = "Option<String>")]
    pub key: Option<Secret>,
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            lifetime: Seconds::new(300),
            key: None,
        }
    }
}

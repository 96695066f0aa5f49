//! `Config`: the sections of the configuration, composed. Field names are the keys of the file.

mod document;
mod error;
mod findings;
mod frozen;
mod key_path;
mod load;
mod read;
mod repository;
mod secrets;
mod upkeep;
mod validate;
mod wording;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::http::config::ServerConfig;
use crate::adapters::identities::config::IdentityConfig;
use crate::adapters::redis::config::{CacheStoreConfig, LockStoreConfig};
use crate::adapters::storage::config::StorageConfig;
use crate::adapters::telemetry::config::ObservabilityConfig;
use crate::adapters::tokens::config::TokenConfig;
use crate::adapters::units::ByteSize;

pub use error::{ConfigError, Place, Problem};
pub use key_path::KeyPath;
pub use load::{DEFAULT_FILE, Environment, Loaded, Source, load, parse};
pub use repository::{AccessPolicyConfig, RepositoryConfig, RetentionPolicyConfig};
pub use upkeep::{CollectorConfig, MaintenanceConfig, UploadsConfig};

/// A whole configuration. What it says has been checked, and every key in it has its effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Configuration of Simple-Registry")]
pub struct Config {
    /// How many requests are worked on at a time.
    #[serde(default = "fifty")]
    pub max_concurrent_requests: usize,
    /// `[server]`.
    #[serde(default)]
    pub server: ServerConfig,
    /// `[lock_store]`.
    #[serde(default)]
    pub lock_store: LockStoreConfig,
    /// `[cache_store]`.
    #[serde(default)]
    pub cache_store: CacheStoreConfig,
    /// `[storage]`.
    pub storage: StorageConfig,
    /// `[uploads]`.
    #[serde(default)]
    pub uploads: UploadsConfig,
    /// `[collector]`.
    #[serde(default)]
    pub collector: CollectorConfig,
    /// `[maintenance]`.
    #[serde(default)]
    pub maintenance: MaintenanceConfig,
    /// `[token]`.
    #[serde(default)]
    pub token: TokenConfig,
    /// `[identity.<id>]`, by id.
    #[serde(default)]
    pub identity: BTreeMap<String, IdentityConfig>,
    /// `[repository."<namespace>"]`, by namespace. The entry for names that no other entry matches is `*`, however it
    /// was written.
    #[serde(default)]
    pub repository: BTreeMap<String, RepositoryConfig>,
    /// `[observability]`.
    #[serde(default)]
    pub observability: ObservabilityConfig,
}

impl Config {
    /// What one transfer buffers: what was asked for, or what suits the storage.
    #[must_use]
    pub fn streaming_chunk_size(&self) -> ByteSize {
        let suits_storage = match &self.storage {
            StorageConfig::Fs(_) => ByteSize::from_bytes(256 << 10),
            StorageConfig::S3(s3) => s3.multipart_min_part_size,
        };
        self.server.streaming_chunk_size.unwrap_or(suits_storage)
    }

    /// All of it, as TOML, with what was left out and with `…` in the place of each secret.
    ///
    /// # Errors
    /// When TOML can't say a value; it could when this was read.
    pub fn effective(&self) -> Result<String, toml::ser::Error> {
        let mut effective = self.clone();
        effective.server.streaming_chunk_size = Some(self.streaming_chunk_size());
        toml::to_string(&effective)
    }

    /// The files that it names: what is in them is part of it.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let tls = self.server.tls.iter().flat_map(|tls| {
            let pair = [&tls.server_certificate_bundle, &tls.server_private_key];
            pair.into_iter().chain(&tls.client_ca_bundle)
        });
        let s3 = match &self.storage {
            StorageConfig::Fs(_) => None,
            StorageConfig::S3(s3) => s3.ca_bundle.as_ref(),
        };
        let upstreams = self.repository.values().flat_map(|it| &it.upstream);
        let upstreams = upstreams.flat_map(|it| {
            let pair = it.client_certificate.iter().chain(&it.client_private_key);
            it.server_ca_bundle.iter().chain(pair)
        });
        tls.chain(s3).chain(upstreams)
    }
}

fn fifty() -> usize {
    50
}

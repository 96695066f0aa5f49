//! `[[repository."…".upstream]]`: a registry that a pull-through cache asks.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::units::{self, HttpUrl};
use crate::domain::model::Secret;

/// One upstream. The first of a list is asked first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// `https://host`, `https://host/prefix`, `https://host/v2` or `https://host/v2/prefix`.
    pub url: HttpUrl,
    /// How many redirects are followed.
    #[serde(default = "five")]
    pub max_redirect: u8,
    /// PEM: authorities of the server's certificate.
    #[serde(default, deserialize_with = "units::optional_path")]
    pub server_ca_bundle: Option<PathBuf>,
    /// PEM: our certificate (mTLS); needs `client_private_key`.
    #[serde(default, deserialize_with = "units::optional_path")]
    pub client_certificate: Option<PathBuf>,
    /// PEM: its key.
    #[serde(default, deserialize_with = "units::optional_path")]
    pub client_private_key: Option<PathBuf>,
    /// Our user name there; needs `password`.
    #[serde(default)]
    pub username: Option<String>,
    /// Our password there.
    #[serde(default, deserialize_with = "units::optional_secret")]
    #[schemars(with = "Option<String>")]
    pub password: Option<Secret>,
}

fn five() -> u8 {
    5
}

impl UpstreamConfig {
    /// The files that are read when it is opened.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let files = [
            &self.server_ca_bundle,
            &self.client_certificate,
            &self.client_private_key,
        ];
        files.into_iter().flatten().map(PathBuf::as_path)
    }
}

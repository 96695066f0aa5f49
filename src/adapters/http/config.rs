//! `[server]` and `[server.tls]`.

mod network;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::adapters::units::{self, ByteSize, HttpUrl, Seconds};

pub use network::Network;

/// `[server]`: where the registry listens, and how long a request may stand still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address to listen on.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub bind_address: IpAddr,
    /// The port to listen on; 0 lets the operating system choose.
    #[serde(deserialize_with = "units::port")]
    pub port: u16,
    /// How long a request may go without progress.
    pub query_timeout: Seconds,
    /// How long running requests may finish after SIGTERM, and a request may clean up after `query_timeout`.
    pub query_timeout_grace_period: Seconds,
    /// What one transfer buffers; without it, what suits the storage.
    pub streaming_chunk_size: Option<ByteSize>,
    /// TLS; without it the server speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    /// What clients call this registry, where `Host` can't be trusted to say it.
    pub external_url: Option<HttpUrl>,
    /// Networks whose forwarding headers count.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<Network>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 5000,
            query_timeout: Seconds::new(60),
            query_timeout_grace_period: Seconds::new(30),
            streaming_chunk_size: None,
            tls: None,
            external_url: None,
            trusted_proxies: Vec::new(),
        }
    }
}

/// `[server.tls]`: the server's certificate, and the authority of its clients' certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM: the certificate and its chain.
    #[serde(deserialize_with = "units::path")]
    pub server_certificate_bundle: PathBuf,
    /// PEM: the certificate's key.
    #[serde(deserialize_with = "units::path")]
    pub server_private_key: PathBuf,
    /// PEM: who may sign client certificates (mTLS).
    #[serde(default, deserialize_with = "units::optional_path")]
    pub client_ca_bundle: Option<PathBuf>,
}

/// An address, not a host name: a name can stand for several, and a listener has one.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let expected = r#"an IP address such as "127.0.0.1", "0.0.0.0" or "::""#;
    units::text(deserializer, expected, |text| match text {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => text
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok(),
    })
}

#[cfg(test)]
mod tests;

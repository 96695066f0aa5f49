//! The client of other registries: what it believes, what it shows to whom, and what it makes of odd answers.

mod answers;
mod credentials;
mod distribution;
mod redirects;
mod registry;
mod tls;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use simple_registry::adapters::upstream::config::UpstreamConfig;
use simple_registry::adapters::upstream::{self, MemoryTokens, Patience};
use simple_registry::domain::model::{Digest, Reference, RepositoryName};
use simple_registry::ports::{TokenCache, Upstream, UpstreamBlob, UpstreamError};

/// Long enough for everything here, and short enough to wait for.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(2),
    silence: Duration::from_millis(700),
};

fn config(url: &str, more: &str) -> UpstreamConfig {
    toml::from_str(&format!("url = '{url}'\n{more}")).unwrap()
}

fn tokens() -> Arc<dyn TokenCache> {
    Arc::new(MemoryTokens::default())
}

/// The upstream at `url`, for the namespace `ours`.
fn open(url: &str, more: &str) -> Arc<dyn Upstream> {
    open_with(url, more, &tokens())
}

fn open_with(url: &str, more: &str, tokens: &Arc<dyn TokenCache>) -> Arc<dyn Upstream> {
    upstream::open("ours", &config(url, more), tokens, PATIENCE).unwrap()
}

fn image() -> RepositoryName {
    "ours/image".parse().unwrap()
}

fn latest() -> Reference {
    "latest".parse().unwrap()
}

fn digest(text: &str) -> Digest {
    text.parse().unwrap()
}

async fn read(blob: UpstreamBlob) -> std::io::Result<Vec<u8>> {
    let chunks: Vec<Bytes> = blob.stream.try_collect().await?;
    Ok(chunks.concat())
}

/// The error, with all that caused it.
fn in_full(error: &UpstreamError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

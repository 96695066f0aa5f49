//! `TokenKeys`: one record below `_registry`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::records::{self, Moment, Unknown, VERSION};
use super::{Store, layout};
use crate::domain::model::Secret;
use crate::ports::{StoreError, TokenKey, TokenKeys};

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    /// Oldest first.
    keys: Vec<Key>,
    #[serde(flatten)]
    unknown: Unknown,
}

#[derive(Serialize, Deserialize)]
struct Key {
    secret: String,
    signs_from: Moment,
}

impl Store {
    async fn token_keys(&self) -> Result<Option<Record>, StoreError> {
        let path = layout::TOKEN_KEYS;
        let found = self.tree.read(path).await?;
        let record = found.map(|bytes| records::decode(&bytes)).transpose();
        // What serde says of it might quote a key.
        record.map_err(|_| records::corrupt(path, "remove it, and a new key is made"))
    }
}

#[async_trait]
impl TokenKeys for Store {
    async fn list(&self) -> Result<Vec<TokenKey>, StoreError> {
        let keys = self.token_keys().await?.map(|record| record.keys);
        let keys = keys.unwrap_or_default().into_iter().map(|key| TokenKey {
            secret: Secret::new(key.secret),
            signs_from: key.signs_from.0,
        });
        Ok(keys.collect())
    }

    async fn set(&self, keys: &[TokenKey]) -> Result<(), StoreError> {
        let unknown = self.token_keys().await?.map(|record| record.unknown);
        let keys = keys.iter().map(|key| Key {
            secret: key.secret.expose().to_owned(),
            signs_from: Moment(key.signs_from),
        });
        let record = Record {
            version: VERSION,
            keys: keys.collect(),
            unknown: unknown.unwrap_or_default(),
        };
        let bytes = records::encode(layout::TOKEN_KEYS, &record)?;
        self.tree.write_private(layout::TOKEN_KEYS, bytes).await?;
        self.tree.persist().await
    }
}

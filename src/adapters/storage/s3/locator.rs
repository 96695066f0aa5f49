//! Presigned URLs: a client fetches a blob from S3 by itself.

use std::time::Duration;

use async_trait::async_trait;
use opendal::Operator;

use crate::adapters::storage::{layout, unavailable};
use crate::domain::model::Digest;
use crate::ports::{BlobLocator, StoreError};

/// For how long a URL begins a download; one that has begun goes on. The second
/// is for a key that ends sooner: an instance's is renewed 5 minutes before.
const LIVES: [Duration; 2] = [Duration::from_mins(20), Duration::from_mins(4)];

/// Signs URLs, and asks S3 nothing.
pub(in crate::adapters::storage) struct Locator {
    operator: Operator,
}

impl Locator {
    pub(in crate::adapters::storage) fn new(operator: Operator) -> Self {
        Self { operator }
    }
}

#[async_trait]
impl BlobLocator for Locator {
    async fn locate(&self, digest: &Digest) -> Result<String, StoreError> {
        let path = layout::blob(digest);
        let mut refused = None;
        for life in LIVES {
            let signed = self.operator.presign_read_with(&path, life);
            match signed
                .override_content_type("application/octet-stream")
                .await
            {
                Ok(signed) => return Ok(signed.uri().to_string()),
                Err(error) => refused = Some(error),
            }
        }
        Err(match refused {
            Some(error) => unavailable(&path, error),
            None => unavailable(&path, "no URL is signed for any time"),
        })
    }
}

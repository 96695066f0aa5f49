//! An object that is open.

use std::ops::Range;

use async_trait::async_trait;
use futures_util::{TryStreamExt, stream};
use opendal::Operator;

use super::unavailable;
use crate::domain::model::ByteStream;
use crate::ports::{BlobReader, StoreError};

#[derive(Clone)]
pub(super) struct ObjectReader {
    pub(super) operator: Operator,
    pub(super) path: String,
    pub(super) size: u64,
}

#[async_trait]
impl BlobReader for ObjectReader {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream, StoreError> {
        if range.is_empty() {
            return Ok(Box::pin(stream::empty()));
        }
        let reader = self.operator.reader(&self.path).await;
        let reader = reader.map_err(|source| unavailable(&self.path, source))?;
        let stream = reader.into_bytes_stream(range).await;
        let stream = stream.map_err(|source| unavailable(&self.path, source))?;
        Ok(Box::pin(stream.into_stream()))
    }
}

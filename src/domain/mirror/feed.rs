//! Feeds: the bytes of a blob, from whichever upstream has them, over interruptions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};

use super::Source;
use crate::domain::error::RegistryError;
use crate::domain::model::{ByteStream, Digest, RepositoryName};
use crate::ports::{Clock, UpstreamBlob, UpstreamError};

/// How often in a row it is begun again before it fails, and the first pause
/// before that; each is twice as long as the one before.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A blob that is being received.
pub(super) struct Feed {
    source: Arc<Source>,
    clock: Arc<dyn Clock>,
    repository: RepositoryName,
    digest: Digest,
    stream: ByteStream,
    size: u64,
    at: u64,
}

impl Feed {
    /// Opens the blob; `None` where no upstream has it. The first to be asked
    /// is the one after so many others.
    pub(super) async fn open(
        source: &Arc<Source>,
        clock: &Arc<dyn Clock>,
        repository: &RepositoryName,
        digest: &Digest,
        after: usize,
    ) -> Result<Option<Self>, RegistryError> {
        let opened = source.ask(after, |upstream| upstream.open_blob(repository, digest, 0));
        Ok(opened.await?.map(|UpstreamBlob { size, stream }| Self {
            source: Arc::clone(source),
            clock: Arc::clone(clock),
            repository: repository.clone(),
            digest: digest.clone(),
            stream,
            size,
            at: 0,
        }))
    }

    /// Size in bytes of the blob.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes, never more than the size in all; `None` at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut tries = 0;
        loop {
            let left = self.size - self.at;
            if left == 0 {
                return Ok(None);
            }
            let error = match self.stream.next().await {
                Some(Ok(mut bytes)) => {
                    bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                    self.at += bytes.len() as u64;
                    if bytes.is_empty() {
                        continue;
                    }
                    return Ok(Some(bytes));
                }
                Some(Err(error)) => error,
                None => io::ErrorKind::UnexpectedEof.into(),
            };
            tracing::debug!(%error, digest = %self.digest, at = self.at, "a blob breaks off on its way here");
            self.reopen(&mut tries, error).await?;
        }
    }

    /// Goes on where it broke off, at the same upstream or another one.
    async fn reopen(&mut self, tries: &mut u32, mut error: io::Error) -> io::Result<()> {
        while *tries < TRIES {
            self.clock.sleep(FIRST_PAUSE * (1 << *tries)).await;
            *tries += 1;
            let (repository, digest, at, size) =
                (&self.repository, &self.digest, self.at, self.size);
            let after = usize::try_from(*tries - 1).unwrap_or(0);
            let opened = self.source.ask(after, |upstream| {
                let opened = upstream.open_blob(repository, digest, at);
                let of_size = async move {
                    match opened.await? {
                        Some(blob) if blob.size != size => Err(UpstreamError::Invalid {
                            upstream: upstream.name().to_owned(),
                            what: format!("the blob {repository}@{digest}"),
                            why: format!("it has {} bytes now, and had {size}", blob.size),
                        }),
                        opened => Ok(opened),
                    }
                };
                of_size.boxed()
            });
            match opened.await {
                Ok(Some(blob)) => {
                    self.stream = blob.stream;
                    return Ok(());
                }
                Ok(None) => error = io::ErrorKind::NotFound.into(),
                Err(failure) => error = io::Error::other(failure),
            }
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests;

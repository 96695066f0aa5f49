//! Upload sessions as objects: each append makes pieces, objects of their own,
//! and these become one at the end.

use std::io;
use std::ops::Range;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};

use super::{ObjectReader, Objects, Service, layout, pieces, unavailable};
use crate::adapters::storage::session::{self, Record};
use crate::domain::model::{
    Algorithm, ByteStream, Digest, Hasher, Page, Piece, RepositoryName, Timestamp, UploadId,
    UploadSession,
};
use crate::ports::{AppendError, BlobReader, IdleSession, StoreError, UploadSessions};

use super::Tree;

fn record(repository: &RepositoryName, id: &UploadId) -> String {
    format!("{}/_session", layout::upload_dir(repository, id))
}

/// Where a session's pieces lie.
fn pieces_dir(repository: &RepositoryName, id: &UploadId) -> String {
    format!("{}/_pieces", layout::upload_dir(repository, id))
}

/// A session's pieces, one after the other.
struct Appended {
    pieces: Vec<ObjectReader>,
}

#[async_trait]
impl BlobReader for Appended {
    fn size(&self) -> u64 {
        self.pieces.iter().map(BlobReader::size).sum()
    }

    async fn read(&self, range: Range<u64>) -> Result<ByteStream, StoreError> {
        let mut begin = 0;
        let mut parts = Vec::new();
        for piece in &self.pieces {
            let end = begin + piece.size;
            let wanted = range.start.max(begin)..range.end.min(end);
            if !wanted.is_empty() {
                parts.push((piece.clone(), wanted.start - begin..wanted.end - begin));
            }
            begin = end;
        }
        let parts = futures_util::stream::iter(parts).then(|(piece, range)| async move {
            piece.read(range).await.map_err(io::Error::other)
        });
        Ok(Box::pin(parts.try_flatten()))
    }
}

impl Objects {
    fn appended(&self, repository: &RepositoryName, session: &UploadSession) -> Appended {
        let dir = pieces_dir(repository, &session.id);
        let piece = |piece: &Piece| ObjectReader {
            operator: self.operator.clone(),
            path: format!("{dir}/{}", piece.name),
            size: piece.size,
        };
        Appended {
            pieces: session.pieces.iter().map(piece).collect(),
        }
    }

    /// All of the stream as one piece: the memory service is memory anyway.
    async fn append_at_once(
        &self,
        dir: &str,
        session: &UploadSession,
        mut stream: ByteStream,
    ) -> Result<UploadSession, AppendError> {
        let mut longer = session.clone();
        let mut chunks = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(AppendError::Body)?;
            longer.hasher.update(&chunk);
            chunks.push(chunk);
        }
        let piece = Piece {
            name: pieces::name(session.pieces.len()),
            size: longer.offset() - session.offset(),
        };
        let path = format!("{dir}/{}", piece.name);
        self.put(&path, opendal::Buffer::from(chunks)).await?;
        longer.pieces.push(piece);
        Ok(longer)
    }

    /// All pieces as one object, by way of this process.
    async fn join_at_once(&self, dir: &str, pieces: &[Piece], to: &str) -> Result<(), StoreError> {
        let mut whole = Vec::new();
        for piece in pieces {
            let path = format!("{dir}/{}", piece.name);
            let content = self.operator.read(&path).await;
            whole.extend(content.map_err(|source| unavailable(&path, source))?);
        }
        self.put(to, opendal::Buffer::from(whole)).await
    }
}

#[async_trait]
impl UploadSessions for Objects {
    async fn create(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<UploadSession, StoreError> {
        let session = session::begin(algorithm, now)?;
        self.save(repository, &session).await?;
        Ok(session)
    }

    async fn get(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<UploadSession>, StoreError> {
        let bytes = self.read(&record(repository, id)).await?;
        let Some(record) = bytes.and_then(|bytes| Record::decode(&bytes)) else {
            return Ok(None);
        };
        Ok(record.hasher(None).map(|hasher| record.session(id, hasher)))
    }

    async fn append(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        stream: ByteStream,
    ) -> Result<UploadSession, AppendError> {
        let dir = pieces_dir(repository, &session.id);
        match &self.service {
            Service::Memory(_) => self.append_at_once(&dir, session, stream).await,
            Service::S3(s3) => self.append_pieces(s3, &dir, session, stream).await,
        }
    }

    async fn save(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<(), StoreError> {
        let path = record(repository, &session.id);
        let bytes = Record::of(session, None).encode(&path)?;
        self.put(&path, bytes).await
    }

    async fn open(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        let appended = self.appended(repository, session);
        Ok((!appended.pieces.is_empty()).then(|| Box::new(appended) as Box<dyn BlobReader>))
    }

    async fn digest(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        algorithm: Algorithm,
    ) -> Result<Digest, StoreError> {
        if session.hasher.algorithm() == algorithm {
            return Ok(session.hasher.digest());
        }
        let mut hasher = Hasher::new(algorithm);
        let content = self.appended(repository, session);
        let mut content = content.read(0..session.offset()).await?;
        let failed = |source| unavailable(&pieces_dir(repository, &session.id), source);
        while let Some(chunk) = content.try_next().await.map_err(failed)? {
            hasher.update(&chunk);
        }
        Ok(hasher.digest())
    }

    async fn commit(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        let blob = layout::blob(digest);
        let dir = pieces_dir(repository, &session.id);
        match &self.service {
            Service::Memory(_) => self.join_at_once(&dir, &session.pieces, &blob).await,
            Service::S3(s3) => self.join(s3, &dir, &session.pieces, &blob).await,
        }
    }

    async fn remove(&self, repository: &RepositoryName, id: &UploadId) -> Result<(), StoreError> {
        self.remove_all(&layout::upload_dir(repository, id)).await
    }

    async fn list(&self) -> Result<Vec<IdleSession>, StoreError> {
        let mut sessions = Vec::new();
        let root = layout::REPOSITORIES;
        for path in self.walk(root, &[layout::UPLOADS]).await? {
            let Ok(repository) = path.parse::<RepositoryName>() else {
                continue;
            };
            let uploads = layout::uploads(&repository);
            for name in self.children(&uploads, "", &Page::all()).await?.items {
                let Ok(id) = name.parse::<UploadId>() else {
                    continue;
                };
                if let Some(touched) = self.touched(&repository, &id).await? {
                    sessions.push(IdleSession {
                        repository: repository.clone(),
                        id,
                        touched,
                    });
                }
            }
        }
        Ok(sessions)
    }

    async fn touched(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut latest = None;
        let dir = layout::upload_dir(repository, id);
        for (path, metadata) in self.all_below(&dir).await? {
            latest = latest.max(Some(self.time(&format!("{dir}/{path}"), &metadata)));
        }
        Ok(latest)
    }

    async fn sweep(&self, before: Timestamp, remove: bool) -> Result<usize, StoreError> {
        Tree::sweep(self, before, remove).await
    }
}

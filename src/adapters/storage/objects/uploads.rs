//! Upload sessions as objects: each append is an object of its own, and the
//! pieces become one at the end.

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};

use super::{Objects, layout, present, unavailable};
use crate::adapters::storage::session::{self, Record};
use crate::domain::model::{
    Algorithm, ByteStream, Digest, Hasher, Page, RepositoryName, Timestamp, UploadId, UploadSession,
};
use crate::ports::{AppendError, IdleSession, StoreError, UploadSessions};

use super::Tree;

fn record(repository: &RepositoryName, id: &UploadId) -> String {
    format!("{}/_session", layout::upload_dir(repository, id))
}

fn piece(repository: &RepositoryName, id: &UploadId, number: usize) -> String {
    format!("{}/_pieces/{number:06}", layout::upload_dir(repository, id))
}

impl Objects {
    async fn pieces(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<Vec<opendal::Buffer>, StoreError> {
        let mut pieces = Vec::new();
        for number in 0..session.pieces.len() {
            let path = piece(repository, &session.id, number);
            let content = self.operator.read(&path).await;
            pieces.push(content.map_err(|source| unavailable(&path, source))?);
        }
        Ok(pieces)
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
        mut stream: ByteStream,
    ) -> Result<UploadSession, AppendError> {
        let mut longer = session.clone();
        let mut chunks = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(AppendError::Body)?;
            longer.hasher.update(&chunk);
            chunks.push(chunk);
        }
        let path = piece(repository, &session.id, session.pieces.len());
        self.put(&path, opendal::Buffer::from(chunks)).await?;
        longer.pieces.push(longer.offset() - session.offset());
        Ok(longer)
    }

    async fn save(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<(), StoreError> {
        let path = record(repository, &session.id);
        let before = self.read(&path).await?.and_then(|it| Record::decode(&it));
        let bytes = Record::of(session, None).encode(&path, before)?;
        self.put(&path, bytes).await
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
        for mut content in self.pieces(repository, session).await? {
            while let Some(chunk) = content
                .try_next()
                .await
                .map_err(|e| unavailable("a piece", e))?
            {
                hasher.update(&chunk);
            }
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
        let stored = present(&blob, self.operator.stat(&blob).await)?;
        if stored.is_some_and(|stored| stored.content_length() == session.offset()) {
            return Ok(());
        }
        let pieces = self.pieces(repository, session).await?;
        let whole = pieces.into_iter().flatten().collect::<opendal::Buffer>();
        self.put(&blob, whole).await
    }

    async fn remove(&self, repository: &RepositoryName, id: &UploadId) -> Result<(), StoreError> {
        self.remove_all(&layout::upload_dir(repository, id)).await
    }

    async fn list(&self) -> Result<Vec<IdleSession>, StoreError> {
        let mut sessions = Vec::new();
        let root = layout::REPOSITORIES;
        for path in self.walk(root, layout::UPLOADS).await? {
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
        for path in self.below(&dir).await? {
            let sight = self.stat(&format!("{dir}/{path}")).await?;
            latest = latest.max(sight.map(|sight| sight.modified));
        }
        Ok(latest)
    }

    async fn sweep(&self, before: Timestamp) -> Result<usize, StoreError> {
        Tree::sweep(self, before).await
    }
}

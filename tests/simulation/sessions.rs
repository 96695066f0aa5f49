//! Upload sessions of the simulated store.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use simple_registry::domain::model::{
    Algorithm, ByteStream, Digest, Hasher, RepositoryName, Timestamp, UploadId, UploadSession,
};
use simple_registry::ports::{AppendError, BlobReader, IdleSession, StoreError, UploadSessions};

use super::objects::Object;
use super::random::Random;
use super::tree::{Content, SimulatedTree};
use super::world::Kind;

/// Sessions by repository and id.
#[derive(Default)]
pub struct Sessions {
    all: BTreeMap<(String, String), Session>,
    begun: u64,
}

#[derive(Clone)]
struct Session {
    saved: UploadSession,
    /// Bytes beyond what is saved count for nothing.
    bytes: Bytes,
    touched: i64,
}

impl Sessions {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A power cut ends some of them: their bytes are gone.
    pub fn power_cut(&mut self, random: &mut Random) {
        self.all.retain(|_, _| random.below(2) == 0);
    }
}

fn key(repository: &RepositoryName, id: &UploadId) -> (String, String) {
    (repository.to_string(), id.to_string())
}

fn gone() -> StoreError {
    StoreError::Unavailable {
        what: "the session's bytes".to_owned(),
        source: "they are gone".into(),
    }
}

impl SimulatedTree {
    /// The session's bytes as far as `session` goes.
    fn bytes_of(&self, repository: &RepositoryName, session: &UploadSession) -> Option<Bytes> {
        let state = self.world.state();
        let found = state.sessions.all.get(&key(repository, &session.id))?;
        let offset = usize::try_from(session.offset()).unwrap();
        (found.bytes.len() >= offset).then(|| found.bytes.slice(..offset))
    }

    async fn session_request<T: Send + 'static>(
        &self,
        what: &str,
        id: &UploadId,
        kind: Kind,
        effect: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let tree = self.clone();
        // Ids are random, and a trace is to be the same each time.
        let what = || format!("{what} session {}", &id.as_str()[..8]);
        let effect = async move { effect(&tree) };
        self.life.request(what, kind, effect).await
    }
}

#[async_trait]
impl UploadSessions for SimulatedTree {
    async fn create(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<UploadSession, StoreError> {
        let number = {
            let mut state = self.world.state();
            state.sessions.begun += 1;
            state.sessions.begun
        };
        let id = format!("{number:08x}-0000-4000-8000-000000000000");
        let session = UploadSession {
            id: id.parse().unwrap(),
            started_at: now,
            hasher: Hasher::new(algorithm),
            pieces: Vec::new(),
            unknown: serde_json::Map::default(),
        };
        let (key, saved) = (key(repository, &session.id), session.clone());
        self.session_request("begin", &session.id, Kind::Write, move |tree| {
            let touched = tree.world.time();
            let session = Session {
                saved,
                bytes: Bytes::new(),
                touched,
            };
            tree.world.state().sessions.all.insert(key, session);
        })
        .await?;
        Ok(session)
    }

    async fn get(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<UploadSession>, StoreError> {
        let key = key(repository, id);
        self.session_request("get", id, Kind::Read, move |tree| {
            let state = tree.world.state();
            let found = state.sessions.all.get(&key)?;
            let whole = found.bytes.len() as u64 >= found.saved.offset();
            whole.then(|| found.saved.clone())
        })
        .await
    }

    async fn append(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        mut stream: ByteStream,
    ) -> Result<UploadSession, AppendError> {
        let mut longer = session.clone();
        let mut bytes = BytesMut::from(&*self.bytes_of(repository, session).ok_or_else(gone)?);
        let mut broken = None;
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => {
                    longer.hasher.update(&chunk);
                    bytes.extend_from_slice(&chunk);
                }
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        let key = key(repository, &session.id);
        self.session_request("append to", &session.id, Kind::Write, move |tree| {
            let touched = tree.world.time();
            let mut state = tree.world.state();
            let found = state.sessions.all.get_mut(&key)?;
            found.bytes = bytes.freeze();
            found.touched = touched;
            Some(())
        })
        .await?
        .ok_or_else(gone)?;
        match broken {
            Some(error) => Err(AppendError::Body(error)),
            None => Ok(longer),
        }
    }

    async fn save(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<(), StoreError> {
        let (key, saved) = (key(repository, &session.id), session.clone());
        self.session_request("save", &session.id, Kind::Write, move |tree| {
            let touched = tree.world.time();
            let mut state = tree.world.state();
            let found = state.sessions.all.get_mut(&key)?;
            found.saved = saved;
            found.touched = touched;
            Some(())
        })
        .await?
        .ok_or_else(gone)
    }

    async fn open(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        let bytes = self.bytes_of(repository, session);
        let bytes = bytes.filter(|bytes| !bytes.is_empty());
        Ok(bytes.map(|bytes| Box::new(Content(bytes)) as Box<dyn BlobReader>))
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
        let bytes = self.bytes_of(repository, session).ok_or_else(gone)?;
        Ok(Hasher::digest_of(algorithm, &bytes))
    }

    async fn commit(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        let (name, session) = (repository.clone(), session.clone());
        let id = session.id.clone();
        let (algorithm, hex) = (digest.algorithm(), digest.hex());
        let path = format!(
            "docker/registry/v2/blobs/{algorithm}/{}/{hex}/data",
            &hex[..2]
        );
        self.session_request("commit", &id, Kind::Write, move |tree| {
            let (modified, keeps) = (tree.world.time(), !tree.world.is_bucket());
            let size = usize::try_from(session.offset()).unwrap();
            let is_stored = {
                let state = tree.world.state();
                let stored = state.objects.get(&path);
                stored.is_some_and(|it| it.bytes.len() == size)
            };
            if keeps && is_stored {
                return Some(());
            }
            let bytes = tree.bytes_of(&name, &session)?;
            let mut state = tree.world.state();
            state.objects.set(&path, Object { bytes, modified }, false);
            if keeps {
                // The file was renamed.
                let found = state.sessions.all.get_mut(&key(&name, &session.id))?;
                found.bytes = Bytes::new();
            }
            Some(())
        })
        .await?
        .ok_or_else(gone)
    }

    async fn remove(&self, repository: &RepositoryName, id: &UploadId) -> Result<(), StoreError> {
        let key = key(repository, id);
        self.session_request("remove", id, Kind::Removal, move |tree| {
            tree.world.state().sessions.all.remove(&key);
        })
        .await
    }

    async fn list(&self) -> Result<Vec<IdleSession>, StoreError> {
        let tree = self.clone();
        let listing = async move {
            let state = tree.world.state();
            let all = state.sessions.all.iter();
            let idle = all.map(|((repository, id), session)| IdleSession {
                repository: repository.parse().unwrap(),
                id: id.parse().unwrap(),
                touched: Timestamp::from_millis(session.touched),
            });
            idle.collect()
        };
        self.life
            .request(|| "list sessions".to_owned(), Kind::Read, listing)
            .await
    }

    async fn touched(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let key = key(repository, id);
        self.session_request("touched", id, Kind::Read, move |tree| {
            let state = tree.world.state();
            let found = state.sessions.all.get(&key)?;
            Some(Timestamp::from_millis(found.touched))
        })
        .await
    }

    async fn sweep(&self, _: Timestamp, _: bool) -> Result<usize, StoreError> {
        Ok(0)
    }
}

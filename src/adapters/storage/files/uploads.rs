//! Upload sessions as files: bytes are appended in place, and renamed at the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::batches::{Batches, write_all};
use super::reach::Reach;
use super::turns::{TURNS, Turn};
use super::{Files, Inner, layout, present, sight, unavailable, with_dir};
use crate::adapters::storage::records::Moment;
use crate::adapters::storage::session::{self, Record};
use crate::adapters::units::one_thread;
use crate::domain::model::{
    Algorithm, ByteStream, Digest, Hasher, RepositoryName, Timestamp, UploadId, UploadSession,
};
use crate::ports::{AppendError, BlobReader, IdleSession, StoreError, UploadSessions};

const DATA: &str = "data";
const STARTED_AT: &str = "startedat";
const RECORD: &str = "_session";

/// How much is read at once to hash bytes again.
const REREAD: usize = 256 << 10;

/// What an append needs to carry from batch to batch. The file's position is where
/// the next batch goes.
struct Tail {
    file: File,
    hasher: Hasher,
}

#[async_trait]
impl UploadSessions for Files {
    async fn create(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<UploadSession, StoreError> {
        let session = session::begin(algorithm, now)?;
        let dir = layout::upload_dir(repository, &session.id);
        let begun = session.clone();
        self.blocking(&dir.clone(), move |files| {
            let dir = files.at(&dir);
            let startedat = Moment(begun.started_at).to_string();
            // It is not there yet, so it is not tried whether it is.
            with_dir(dir.parent().unwrap_or(&files.root), || fs::create_dir(&dir))?;
            with_dir(&dir, || fs::write(dir.join(STARTED_AT), &startedat))?;
            // A session without a record is at its beginning, with sha256.
            if begun.hasher.algorithm() != Algorithm::Sha256 {
                files.save(&dir, &begun)?;
            }
            Ok(())
        })
        .await?;
        Ok(session)
    }

    async fn get(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<UploadSession>, StoreError> {
        let dir = layout::upload_dir(repository, id);
        let id = id.clone();
        self.blocking(&dir.clone(), move |files| {
            files.session(&files.at(&dir), &id)
        })
        .await
    }

    async fn append(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        mut stream: ByteStream,
    ) -> Result<UploadSession, AppendError> {
        let dir = layout::upload_dir(repository, &session.id);
        let (start, hasher) = (session.offset(), session.hasher.clone());
        let path = self.inner.at(&dir).join(DATA);
        let open = move || {
            let mut file = open_data(&path)?;
            if start > 0 {
                file.seek(SeekFrom::Start(start))?;
            }
            Ok(Tail { file, hasher })
        };
        let mut writing = one_thread::step(open).boxed();
        // While one batch is hashed and written off the async threads, the next
        // one is received: hopping there for each network frame costs more.
        let mut batches = Batches::new(&mut stream, start, self.inner.chunk);
        let received = loop {
            let (batch, end) = batches.next().await;
            let tail = written(&dir, writing).await?;
            let turn = TURNS.take(&batch).await;
            writing = one_thread::step(move || write_batch(tail, &batch, start, turn)).boxed();
            if let Some(end) = end {
                break end;
            }
        };
        let tail = written(&dir, writing).await?;
        received.map_err(AppendError::Body)?;
        Ok(UploadSession {
            hasher: tail.hasher,
            ..session.clone()
        })
    }

    async fn save(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<(), StoreError> {
        let dir = layout::upload_dir(repository, &session.id);
        let session = session.clone();
        self.blocking(&dir.clone(), move |files| {
            files.save(&files.at(&dir), &session)
        })
        .await
    }

    async fn open(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
    ) -> Result<Option<Box<dyn BlobReader>>, StoreError> {
        if session.offset() == 0 {
            return Ok(None);
        }
        let data = format!("{}/{DATA}", layout::upload_dir(repository, &session.id));
        super::Tree::open(self, &data).await
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
        let path = layout::upload_dir(repository, &session.id);
        let offset = session.offset();
        self.blocking(&path.clone(), move |files| {
            let path = files.at(&path).join(DATA);
            Ok(rehash(&path, offset, algorithm)?.digest())
        })
        .await
    }

    async fn commit(
        &self,
        repository: &RepositoryName,
        session: &UploadSession,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        let dir = layout::upload_dir(repository, &session.id);
        let (blob, size) = (layout::blob(digest), session.offset());
        self.blocking(&dir.clone(), move |files| {
            let (data, blob) = (files.at(&dir).join(DATA), files.at(&blob));
            let stored = present(fs::metadata(&blob))?;
            if stored.is_some_and(|stored| stored.len() == size) {
                return Ok(());
            }
            // An empty blob may come from a session that no byte reached.
            let file = open_data(&data)?;
            if file.metadata()?.len() != size {
                file.set_len(size)?;
            }
            if let Err(e) = files.durable.content(&file) {
                // The kernel forgets what it could not write: tried again, the
                // sync would succeed. So the session ends with its bytes.
                drop(fs::remove_file(&data));
                return Err(e);
            }
            let dir = blob.parent().unwrap_or(&files.root);
            with_dir(dir, || fs::rename(&data, &blob))?;
            files.durable.named(&files.root, &blob)
        })
        .await
    }

    async fn remove(&self, repository: &RepositoryName, id: &UploadId) -> Result<(), StoreError> {
        let dir = layout::upload_dir(repository, id);
        self.blocking(&dir.clone(), move |files| {
            let dir = files.at(&dir);
            // A session whose data has become a blob has no others: to look
            // what else there is costs eight calls of the kernel.
            for name in [STARTED_AT, RECORD] {
                present(fs::remove_file(dir.join(name)))?;
            }
            if fs::remove_dir(&dir).is_err() {
                present(fs::remove_dir_all(&dir))?;
            }
            files.prune(dir.parent().unwrap_or(&dir))
        })
        .await
    }

    async fn list(&self) -> Result<Vec<IdleSession>, StoreError> {
        self.blocking(layout::REPOSITORIES, |files| {
            let root = files.at(layout::REPOSITORIES);
            let mut sessions = Vec::new();
            for path in super::listing::walk(&root, &[layout::UPLOADS])? {
                let Ok(repository) = path.parse::<RepositoryName>() else {
                    continue;
                };
                let uploads = files.at(&layout::uploads(&repository));
                let page = crate::domain::model::Page::all();
                for name in super::listing::children(&uploads, &page)?.items {
                    let Ok(id) = name.parse::<UploadId>() else {
                        continue;
                    };
                    if let Some(touched) = touched(&uploads.join(name))? {
                        sessions.push(IdleSession {
                            repository: repository.clone(),
                            id,
                            touched,
                        });
                    }
                }
            }
            Ok(sessions)
        })
        .await
    }

    async fn touched(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let dir = layout::upload_dir(repository, id);
        self.blocking(&dir.clone(), move |files| touched(&files.at(&dir)))
            .await
    }

    async fn sweep(&self, before: Timestamp, remove: bool) -> Result<usize, StoreError> {
        super::Tree::sweep(self, before, remove).await
    }
}

impl Inner {
    /// The session in `dir` as its record says. Bytes beyond the record's
    /// offset are left as they are: the next append writes over them.
    fn session(&self, dir: &Path, id: &UploadId) -> io::Result<Option<UploadSession>> {
        let Some(bytes) = Reach::Disk.read(&dir.join(RECORD))? else {
            return Ok(present(fs::metadata(dir))?.map(|metadata| UploadSession {
                id: id.clone(),
                started_at: sight(&metadata).modified,
                hasher: Hasher::new(Algorithm::Sha256),
                pieces: Vec::new(),
                unknown: serde_json::Map::new(),
            }));
        };
        let Some(record) = Record::decode(&bytes) else {
            return Ok(None);
        };
        let Some(algorithm) = record.algorithm() else {
            return Ok(None);
        };
        let data = dir.join(DATA);
        let length = present(fs::metadata(&data))?.map_or(0, |data| data.len());
        if length < record.offset {
            return Ok(None); // a power cut took acknowledged bytes: it cannot go on
        }
        let hasher = match record.hasher(Some(&self.boot)) {
            Some(hasher) => hasher,
            None if record.offset == 0 => Hasher::new(algorithm),
            None => rehash(&data, record.offset, algorithm)?,
        };
        Ok(Some(record.session(id, hasher)))
    }

    fn save(&self, dir: &Path, session: &UploadSession) -> io::Result<()> {
        let path = dir.join(RECORD);
        let record = Record::of(session, Some(&self.boot))
            .encode(RECORD)
            .map_err(io::Error::other)?;
        let mut temporary = self.temporary(0o666, &record, false)?;
        // Not through `replace`: a session that is gone must not come back.
        fs::rename(&temporary.path, &path)?;
        temporary.named = true;
        self.durable.named(&self.root, &path)
    }
}

/// Opens a session's bytes for writing. Makes the file, but never the directory:
/// a session that is gone stays gone.
fn open_data(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

async fn written(
    what: &str,
    writing: BoxFuture<'static, io::Result<Tail>>,
) -> Result<Tail, StoreError> {
    writing.await.map_err(|source| unavailable(what, source))
}

/// Writes behind what is hashed already. Bytes that fail to be written are cut
/// off again, back to where the session stands, so that a full disk gets its
/// space back.
fn write_batch(mut tail: Tail, batch: &[Bytes], start: u64, turn: Turn) -> io::Result<Tail> {
    for bytes in batch {
        tail.hasher.update(bytes);
    }
    drop(turn);
    if let Err(e) = write_all(&mut tail.file, batch) {
        drop(tail.file.set_len(start));
        return Err(e);
    }
    Ok(tail)
}

/// The hash of the first `length` bytes of a file.
fn rehash(path: &PathBuf, length: u64, algorithm: Algorithm) -> io::Result<Hasher> {
    let mut hasher = Hasher::new(algorithm);
    if length == 0 {
        return Ok(hasher);
    }
    let mut file = File::open(path)?.take(length);
    let mut buffer = vec![0; REREAD];
    loop {
        match file.read(&mut buffer)? {
            0 if hasher.hashed() < length => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => return Ok(hasher),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// When something last happened in a session's directory.
fn touched(dir: &Path) -> io::Result<Option<Timestamp>> {
    let mut latest = present(fs::metadata(dir))?.map(|it| sight(&it).modified);
    for name in [DATA, RECORD, STARTED_AT] {
        let file = present(fs::metadata(dir.join(name)))?.map(|it| sight(&it).modified);
        latest = latest.max(file);
    }
    Ok(latest)
}

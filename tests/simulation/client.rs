//! Clients: they push, skip, mount, delete and look, at random, and note what they were told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryStreamExt};
use simple_registry::domain::error::RegistryError;
use simple_registry::domain::manifests::{ManifestPush, Undeletion};
use simple_registry::domain::model::{
    Algorithm, Body, Caller, Digest, Page, Reference, RepositoryName,
};
use simple_registry::domain::registry::Registry;
use simple_registry::domain::uploads::MountSource;

use super::content::Content;
use super::history::{History, Outcome, Span, Verdict, What};
use super::server::{Failure, Server};
use super::world::World;

#[derive(Clone)]
pub struct Client {
    pub world: Arc<World>,
    pub content: Arc<Content>,
    pub history: Arc<History>,
    pub servers: Vec<Arc<Server>>,
}

/// Somebody else has to go on.
struct GivenUp;

/// What a push was told, and when: a blob that it need not push again for a while.
type Promises = BTreeMap<usize, u64>;

impl Client {
    /// So many operations. The client does not wait for the end of all of them.
    pub async fn run(self, operations: u64) {
        let mut left_behind = Vec::new();
        for _ in 0..operations {
            let client = self.clone();
            let operation = client.operate();
            if self.world.one_in(8) {
                left_behind.push(tokio::spawn(operation));
            } else {
                operation.await;
            }
            let idle = match self.world.below(4) {
                0 => self.world.below(self.world.plan.idle),
                _ => self.world.below(100),
            };
            tokio::time::sleep(Duration::from_millis(idle)).await;
        }
        for operation in left_behind {
            operation.await.unwrap();
        }
    }

    async fn operate(self) {
        let repository = self.choose(self.content.repositories.len());
        let item = self.choose(self.content.items.len());
        if self.world.plan.blob_deletes && self.world.one_in(2) {
            return self.delete_blob(repository).await;
        }
        match self.world.below(20) {
            0..9 => drop(self.push(repository, item).await),
            9..12 => self.delete(repository, item).await,
            12 => self.delete_tag(repository).await,
            13..15 => self.delete_blob(repository).await,
            15 => self.list_referrers(repository, item).await,
            16 => self.read_tag(repository).await,
            17 => {
                let deleted = self.history.deleted();
                if !deleted.is_empty() {
                    let (repository, item) = deleted[self.choose(deleted.len())];
                    self.undelete(repository, item).await;
                }
            }
            _ => self.read(repository, item).await,
        }
    }

    fn choose(&self, below: usize) -> usize {
        usize::try_from(self.world.below(below as u64)).unwrap()
    }

    fn name(&self, repository: usize) -> RepositoryName {
        self.content.repositories[repository].clone()
    }

    /// Any server will do; what never came to one is asked again.
    async fn ask<T: Send + 'static>(
        &self,
        request: impl Fn(Arc<Registry>) -> BoxFuture<'static, Result<T, RegistryError>>,
    ) -> Result<T, Failure> {
        loop {
            let server = &self.servers[self.choose(self.servers.len())];
            let answer = server.ask(&request).await;
            match answer {
                Err(Failure::Down) => {
                    let pause = 10 + self.world.below(1000);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                answer => {
                    self.judge(answer.as_ref().err());
                    return answer;
                }
            }
        }
    }

    /// Errors that nobody can explain: while it is calm, every one but "unknown" and its like.
    fn judge(&self, failure: Option<&Failure>) {
        let promise = match failure {
            Some(Failure::Error(RegistryError::Unavailable(source))) if self.world.is_calm() => {
                format!(
                    "nothing goes wrong, and yet: {source}, {:?}",
                    source.source()
                )
            }
            Some(Failure::Error(RegistryError::DigestInvalid(error))) => error.clone(),
            Some(Failure::Error(
                RegistryError::ManifestInvalid(_)
                | RegistryError::SizeInvalid(_)
                | RegistryError::Denied
                | RegistryError::BodyBroken(_),
            )) => format!("{failure:?}"),
            _ => return,
        };
        self.history.broken(&promise);
    }

    /// Notes how the operation ended.
    fn ended<T>(&self, operation: usize, answer: &Result<T, Failure>) {
        let (outcome, lost) = match answer {
            Ok(_) => (Outcome::Done, false),
            Err(Failure::Error(RegistryError::Unavailable(_))) => (Outcome::Unsure, false),
            Err(Failure::Lost) => (Outcome::Unsure, true),
            Err(_) => (Outcome::Refused, false),
        };
        self.history.end(operation, outcome, lost);
    }

    /// An image with its blobs, or an index with or without its children.
    fn push(&self, repository: usize, item: usize) -> BoxFuture<'_, Result<(), GivenUp>> {
        async move {
            let began = self.world.now();
            for child in &self.content.items[item].children {
                if self.world.below(3) > 0 {
                    self.push(repository, *child).await?;
                }
            }
            let mut told = Promises::new();
            for blob in &self.content.items[item].blobs {
                self.push_blob(repository, *blob).await?;
                told.insert(*blob, self.world.now());
            }
            let tag = (self.world.below(5) < 2).then(|| self.choose(self.content.tags.len()));
            self.put(repository, item, tag, &told, began).await
        }
        .boxed()
    }

    async fn push_blob(&self, repository: usize, blob: usize) -> Result<(), GivenUp> {
        if self.world.below(4) > 0 {
            let (name, digest) = (
                self.name(repository),
                self.content.blobs[blob].digest.clone(),
            );
            let began = self.world.now();
            let answer = self
                .ask(move |registry| {
                    let (name, digest) = (name.clone(), digest.clone());
                    async move { registry.stat_blob(&name, &digest).await }.boxed()
                })
                .await;
            match answer {
                Ok(size) => {
                    assert_eq!(size, self.content.blobs[blob].bytes.len() as u64);
                    self.history
                        .saw_blob(repository, blob, true, self.history.since(began));
                    return Ok(());
                }
                Err(Failure::Error(RegistryError::BlobUnknown(_))) => {
                    self.history
                        .saw_blob(repository, blob, false, self.history.since(began));
                }
                Err(_) => return Err(GivenUp),
            }
        }
        let operation = self.history.begin(repository, What::Claim(blob));
        let answer = self.upload(repository, blob).await;
        let answer = match answer {
            // The session was finished, or ended by a power cut: nobody knows.
            Err(Failure::Error(RegistryError::UploadUnknown | RegistryError::UploadInvalid(_))) => {
                Err(Failure::Lost)
            }
            answer => answer,
        };
        self.ended(operation, &answer);
        answer.map_err(|_| GivenUp)
    }

    async fn upload(&self, repository: usize, blob: usize) -> Result<(), Failure> {
        let name = self.name(repository);
        let digest = self.content.blobs[blob].digest.clone();
        let bytes = self.content.blobs[blob].bytes.clone();
        if self.world.one_in(3) {
            let from = self.name(self.choose(self.content.repositories.len()));
            let anywhere = self.world.one_in(2);
            let (to, mounted) = (name.clone(), digest.clone());
            let mounted = self.ask(move |registry| {
                let (from, to, digest) = (from.clone(), to.clone(), mounted.clone());
                async move {
                    let source = if anywhere {
                        MountSource::Anywhere {
                            may_read: &|_: &RepositoryName| true,
                        }
                    } else {
                        MountSource::Repository(&from)
                    };
                    registry.uploads().mount(&to, &digest, source).await
                }
                .boxed()
            });
            if mounted.await? {
                return Ok(());
            }
        }
        if self.world.one_in(2) {
            return self
                .ask(move |registry| {
                    let (name, digest, bytes) = (name.clone(), digest.clone(), bytes.clone());
                    async move {
                        let body = Body::from_bytes(bytes);
                        registry.uploads().push(&name, &digest, body).await
                    }
                    .boxed()
                })
                .await;
        }
        self.upload_in_pieces(name, digest, bytes).await
    }

    async fn upload_in_pieces(
        &self,
        name: RepositoryName,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        let start = name.clone();
        let session = self
            .ask(move |registry| {
                let name = start.clone();
                async move { registry.uploads().start(&name, Algorithm::Sha256).await }.boxed()
            })
            .await?;
        let id = session.id.clone();
        let middle = self.choose(bytes.len());
        let (first, rest) = (bytes.slice(..middle), bytes.slice(middle..));
        let (to, session) = (name.clone(), id.clone());
        self.ask(move |registry| {
            let (name, id, body) = (to.clone(), session.clone(), Body::from_bytes(first.clone()));
            async move { registry.uploads().append(&name, &id, None, body).await }.boxed()
        })
        .await?;
        let finish = || {
            let (name, id, digest, rest) = (name.clone(), id.clone(), digest.clone(), rest.clone());
            self.ask(move |registry| {
                let (name, id, digest) = (name.clone(), id.clone(), digest.clone());
                let body = Body::from_bytes(rest.clone());
                async move {
                    registry
                        .uploads()
                        .finish(&name, &id, &digest, None, body)
                        .await
                }
                .boxed()
            })
        };
        match finish().await {
            // It may be finished, or stand where it stood: asked again, it tells.
            Err(Failure::Error(RegistryError::Unavailable(_)) | Failure::Lost) => finish().await,
            answer => answer,
        }
    }

    async fn put(
        &self,
        repository: usize,
        item: usize,
        tag: Option<usize>,
        told: &Promises,
        began: u64,
    ) -> Result<(), GivenUp> {
        let name = self.name(repository);
        let manifest = &self.content.items[item];
        let reference = match tag {
            Some(tag) => Reference::Tag(self.content.tags[tag].clone()),
            None => Reference::Digest(manifest.digest.clone()),
        };
        let (media_type, bytes) = (manifest.media_type.clone(), manifest.bytes.clone());
        let operation = self.history.begin(repository, What::Put(item, tag));
        let answer = self.ask(move |registry| {
            let (name, reference) = (name.clone(), reference.clone());
            let push = ManifestPush {
                content_type: Some(media_type.clone()),
                bytes: bytes.clone(),
                tags: Vec::new(),
                if_match: None,
                caller: Caller::default(),
            };
            async move { registry.manifests().put(&name, &reference, push).await }.boxed()
        });
        let answer = answer.await;
        self.ended(operation, &answer);
        if let Err(Failure::Error(RegistryError::ManifestBlobUnknown(missing))) = &answer {
            self.refused(repository, missing, told, began);
        }
        answer.map(drop).map_err(|_| GivenUp)
    }

    /// A push is not refused what it was just promised, nor what certainly is there.
    fn refused(&self, repository: usize, missing: &Digest, told: &Promises, began: u64) {
        if let Some(child) = self.content.item_of(missing) {
            let span = self.history.since(began);
            if self.history.item(repository, child, span) == Verdict::There {
                self.history.broken(&format!(
                    "an index is refused its child {child}, which is there"
                ));
            }
            return;
        }
        let blob = self
            .content
            .blob_of(missing)
            .expect("nothing else is named");
        let Some(promised) = told.get(&blob) else {
            return;
        };
        // S3 tells times in seconds.
        let grace = u64::try_from(self.world.plan.grace_period.as_millis()).unwrap();
        let is_recent = self.world.now() + 3_000 < began + grace;
        let span = self.history.since(began);
        // A power cut may take a blob back, until a manifest that names it is acknowledged.
        let is_recent = is_recent && self.world.power_was_cut() < began;
        if is_recent && !self.history.may_be_deleted(repository, blob, span) {
            self.history.broken(&format!(
                "a push is refused blob {blob}, which it was promised at {promised}"
            ));
        }
    }

    async fn delete(&self, repository: usize, item: usize) {
        let reference = Reference::Digest(self.content.items[item].digest.clone());
        let operation = self.history.begin(repository, What::Delete(item));
        let began = self.world.now();
        let answer = self.delete_reference(repository, reference).await;
        self.ended(operation, &answer);
        if let Err(Failure::Error(RegistryError::ManifestUnknown(_))) = answer {
            let span = self.history.since(began);
            self.history.saw_item(repository, item, false, span);
        }
    }

    async fn delete_tag(&self, repository: usize) {
        let tag = self.choose(self.content.tags.len());
        let reference = Reference::Tag(self.content.tags[tag].clone());
        let operation = self.history.begin(repository, What::DeleteTag(tag));
        let answer = self.delete_reference(repository, reference).await;
        let answer = match answer {
            // It is not there now, whatever it was before.
            Err(Failure::Error(RegistryError::ManifestUnknown(_))) => Ok(()),
            answer => answer,
        };
        self.ended(operation, &answer);
    }

    async fn delete_reference(
        &self,
        repository: usize,
        reference: Reference,
    ) -> Result<(), Failure> {
        let name = self.name(repository);
        self.ask(move |registry| {
            let (name, reference) = (name.clone(), reference.clone());
            async move {
                let caller = Caller::default();
                registry
                    .manifests()
                    .delete(&name, &reference, &caller)
                    .await
            }
            .boxed()
        })
        .await
    }

    async fn delete_blob(&self, repository: usize) {
        let blob = self.choose(self.content.blobs.len());
        let (name, digest) = (
            self.name(repository),
            self.content.blobs[blob].digest.clone(),
        );
        let operation = self.history.begin(repository, What::DeleteBlob(blob));
        let answer = self
            .ask(move |registry| {
                let (name, digest) = (name.clone(), digest.clone());
                async move { registry.delete_blob(&name, &digest).await }.boxed()
            })
            .await;
        self.ended(operation, &answer);
    }

    /// A push of what was deleted, and of each tag that went with it.
    async fn undelete(&self, repository: usize, item: usize) {
        let name = self.name(repository);
        let digest = self.content.items[item].digest.clone();
        let began = self.world.now();
        let operation = self.history.begin(repository, What::Put(item, None));
        let tags = 0..self.content.tags.len();
        let tags = tags.map(|tag| self.history.begin(repository, What::Put(item, Some(tag))));
        let tags: Vec<usize> = tags.collect();
        let answer = self.ask(move |registry| {
            let (name, reference) = (name.clone(), Reference::Digest(digest.clone()));
            async move { registry.manifests().undelete(&name, &reference).await }.boxed()
        });
        let answer = answer.await;
        let (restored, missing) = match &answer {
            Ok(Undeletion::Restored(it)) => (Some(&it.tags), &[][..]),
            Ok(Undeletion::Unknown) => {
                (None, std::slice::from_ref(&self.content.items[item].digest))
            }
            Ok(Undeletion::Refused { missing, .. }) => (None, &missing[..]),
            Err(_) => {
                let all = tags.iter().chain([&operation]);
                return all.for_each(|it| self.ended(*it, &answer));
            }
        };
        let outcome = |is_done| {
            if is_done {
                Outcome::Done
            } else {
                Outcome::Refused
            }
        };
        self.history
            .end(operation, outcome(restored.is_some()), false);
        for (tag, set) in self.content.tags.iter().zip(tags) {
            let is_set = restored.is_some_and(|restored| restored.contains(tag));
            self.history.end(set, outcome(is_set), false);
        }
        for missing in missing {
            self.is_missing(repository, item, missing, operation, began);
        }
    }

    /// What was deleted within the grace period can be restored, unless something else of it was deleted too.
    fn is_missing(
        &self,
        repository: usize,
        item: usize,
        missing: &Digest,
        operation: usize,
        began: u64,
    ) {
        let span = self.history.since(began);
        let Some(deleted) = self
            .history
            .is_restorable(repository, item, operation, span)
        else {
            return;
        };
        let since = Span {
            from: deleted,
            ..span
        };
        let explained = match self.content.blob_of(missing) {
            Some(blob) => self.history.may_be_deleted(repository, blob, since),
            None => *missing != self.content.items[item].digest,
        };
        if !explained && self.world.power_was_cut() < deleted {
            self.history.broken(&format!(
                "P5: manifest {item} of repository {repository} was deleted at {deleted}, and can't be restored: {missing}"
            ));
        }
    }

    /// The manifest and its blobs, byte for byte.
    pub async fn read(&self, repository: usize, item: usize) {
        let reference = Reference::Digest(self.content.items[item].digest.clone());
        let began = self.world.now();
        let there = match self.get(repository, reference).await {
            Ok((_, bytes)) => {
                if bytes != self.content.items[item].bytes {
                    self.history.broken("P2: a manifest answers other bytes");
                }
                true
            }
            Err(Failure::Error(RegistryError::ManifestUnknown(_))) => false,
            Err(_) => return,
        };
        let span = self.history.since(began);
        self.history.saw_item(repository, item, there, span);
        if there {
            for blob in &self.content.items[item].blobs {
                self.read_blob(repository, *blob).await;
            }
        }
    }

    async fn get(
        &self,
        repository: usize,
        reference: Reference,
    ) -> Result<(Digest, Bytes), Failure> {
        let name = self.name(repository);
        self.ask(move |registry| {
            let (name, reference) = (name.clone(), reference.clone());
            async move {
                let (found, bytes) = registry.get_manifest(&name, &reference).await?;
                Ok((found.digest, bytes))
            }
            .boxed()
        })
        .await
    }

    pub async fn read_blob(&self, repository: usize, blob: usize) {
        let (name, digest) = (
            self.name(repository),
            self.content.blobs[blob].digest.clone(),
        );
        let began = self.world.now();
        let answer = self.ask(move |registry| {
            let (name, digest) = (name.clone(), digest.clone());
            async move {
                let (reader, _) = registry.open_blob(&name, &digest).await?;
                let stream = reader.read(0..reader.size()).await?;
                let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
                Ok(chunks.concat())
            }
            .boxed()
        });
        let there = match answer.await {
            Ok(bytes) => {
                if bytes != self.content.blobs[blob].bytes {
                    self.history.broken("P2: a blob answers other bytes");
                }
                true
            }
            Err(Failure::Error(RegistryError::BlobUnknown(_))) => false,
            Err(_) => return,
        };
        let span = self.history.since(began);
        self.history.saw_blob(repository, blob, there, span);
    }

    async fn read_tag(&self, repository: usize) {
        let tag = self.choose(self.content.tags.len());
        self.look_at_tag(repository, tag).await;
    }

    pub async fn look_at_tag(&self, repository: usize, tag: usize) {
        let reference = Reference::Tag(self.content.tags[tag].clone());
        let began = self.world.now();
        let seen = match self.get(repository, reference).await {
            Ok((digest, _)) => Some(
                self.content
                    .item_of(&digest)
                    .expect("nothing else is pushed"),
            ),
            Err(Failure::Error(RegistryError::ManifestUnknown(_))) => None,
            Err(_) => return,
        };
        let span = self.history.since(began);
        self.history.saw_tag(repository, tag, seen, span);
    }

    pub async fn list_referrers(&self, repository: usize, subject: usize) {
        let name = self.name(repository);
        let digest = self.content.items[subject].digest.clone();
        let began = self.world.now();
        let answer = self.ask(move |registry| {
            let (name, digest) = (name.clone(), digest.clone());
            async move {
                let page = Page::all();
                registry.list_referrers(&name, &digest, None, &page).await
            }
            .boxed()
        });
        let Ok(page) = answer.await else {
            return;
        };
        let span: Span = self.history.since(began);
        for (number, item) in self.content.items.iter().enumerate() {
            if item.subject == Some(subject) {
                let seen = page.items.iter().any(|it| it.digest == item.digest);
                self.history.saw_item(repository, number, seen, span);
            }
        }
    }
}

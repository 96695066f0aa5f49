//! An upstream in the test's hands: what it has, how it fails, and what it was asked.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use simple_registry::domain::mirror::{AnswersFor, Source};
use simple_registry::domain::model::{
    Algorithm, Digest, Hasher, MediaType, Reference, RepositoryName,
};
use simple_registry::domain::namespaces::Namespace;
use simple_registry::ports::{Upstream, UpstreamBlob, UpstreamError, UpstreamManifest};
use tokio::sync::Semaphore;

use super::registry::Setup;

/// In how many bytes a blob comes at a time.
pub const CHUNK: usize = 1000;

/// How it answers, if not with what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Down,
    Limited,
    Denied,
    /// It never answers.
    Stuck,
}

/// What a test changes while the upstream is in use.
#[derive(Default)]
pub struct State {
    pub manifests: HashMap<String, (MediaType, Bytes)>,
    pub blobs: HashMap<String, Bytes>,
    pub referrers: HashMap<String, Bytes>,
    pub failure: Option<Failure>,
    /// After how many bytes each of the next transfers breaks off.
    pub breaks: VecDeque<usize>,
    /// Every question, in order.
    pub asked: Vec<String>,
}

pub struct FakeUpstream {
    name: &'static str,
    state: Mutex<State>,
    /// How many chunks of blobs may still be sent.
    pub gate: Arc<Semaphore>,
}

impl FakeUpstream {
    pub fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            state: Mutex::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        })
    }

    /// One that sends no chunk of a blob before it is told to.
    pub fn gated(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            state: Mutex::default(),
            gate: Arc::new(Semaphore::new(0)),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn fails(&self, failure: impl Into<Option<Failure>>) {
        self.state().failure = failure.into();
    }

    /// The questions since this was last called.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    pub fn has_blob(&self, content: &[u8]) -> String {
        let digest = Hasher::digest_of(Algorithm::Sha256, content).to_string();
        let content = Bytes::copy_from_slice(content);
        self.state().blobs.insert(digest.clone(), content);
        digest
    }

    /// Has the manifest, and the tag that points at it.
    pub fn has_manifest(&self, tag: &str, manifest: &str) -> String {
        let digest = Hasher::digest_of(Algorithm::Sha256, manifest.as_bytes()).to_string();
        let content = Bytes::copy_from_slice(manifest.as_bytes());
        let typed: serde_json::Value = serde_json::from_str(manifest).unwrap();
        let media_type = typed["mediaType"].as_str();
        let media_type = media_type.unwrap_or("application/vnd.oci.image.manifest.v1+json");
        let stored = (MediaType::parse(media_type).unwrap(), content);
        let mut state = self.state();
        state.manifests.insert(tag.to_owned(), stored.clone());
        state.manifests.insert(digest.clone(), stored);
        digest
    }

    async fn ask(&self, question: String) -> Result<(), UpstreamError> {
        let failure = {
            let mut state = self.state();
            state.asked.push(question);
            state.failure
        };
        let upstream = self.name.to_owned();
        let what = "a test".to_owned();
        match failure {
            None => Ok(()),
            Some(Failure::Stuck) => std::future::pending().await,
            Some(Failure::Down) => Err(UpstreamError::Unavailable {
                upstream,
                what,
                source: "connection refused".into(),
            }),
            Some(Failure::Limited) => Err(UpstreamError::TooManyRequests {
                upstream,
                retry_after: Some(Duration::from_secs(7)),
            }),
            Some(Failure::Denied) => Err(UpstreamError::Denied { upstream, what }),
        }
    }
}

#[async_trait]
impl Upstream for FakeUpstream {
    fn name(&self) -> &str {
        self.name
    }

    async fn resolve_manifest(
        &self,
        _: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<Digest>, UpstreamError> {
        self.ask(format!("HEAD manifest {reference}")).await?;
        let found = self.state().manifests.get(&reference.to_string()).cloned();
        Ok(found.map(|(_, bytes)| Hasher::digest_of(Algorithm::Sha256, &bytes)))
    }

    async fn get_manifest(
        &self,
        _: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<UpstreamManifest>, UpstreamError> {
        self.ask(format!("GET manifest {reference}")).await?;
        let found = self.state().manifests.get(&reference.to_string()).cloned();
        Ok(found.map(|(media_type, bytes)| UpstreamManifest {
            digest: Hasher::digest_of(Algorithm::Sha256, &bytes),
            media_type,
            bytes,
        }))
    }

    async fn stat_blob(
        &self,
        _: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, UpstreamError> {
        self.ask("HEAD blob".to_owned()).await?;
        let found = self.state().blobs.get(&digest.to_string()).cloned();
        Ok(found.map(|content| content.len() as u64))
    }

    async fn open_blob(
        &self,
        _: &RepositoryName,
        digest: &Digest,
        offset: u64,
    ) -> Result<Option<UpstreamBlob>, UpstreamError> {
        self.ask(format!("GET blob {offset}-")).await?;
        let Some(content) = self.state().blobs.get(&digest.to_string()).cloned() else {
            return Ok(None);
        };
        let size = content.len() as u64;
        let rest = content.slice(usize::try_from(offset).unwrap()..);
        let until = self.state().breaks.pop_front();
        let sent = (rest, Arc::clone(&self.gate), until);
        let stream = futures_util::stream::try_unfold(sent, |(mut rest, gate, until)| async move {
            if rest.is_empty() {
                return Ok(None);
            }
            if until == Some(0) {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            gate.acquire().await.unwrap().forget();
            let chunk = rest.split_to(CHUNK.min(rest.len()).min(until.unwrap_or(CHUNK)));
            let until = until.map(|left| left - chunk.len());
            Ok(Some((chunk, (rest, gate, until))))
        });
        Ok(Some(UpstreamBlob {
            size,
            stream: Box::pin(stream),
        }))
    }

    async fn get_referrers(
        &self,
        _: &RepositoryName,
        subject: &Digest,
    ) -> Result<Option<Bytes>, UpstreamError> {
        self.ask("GET referrers".to_owned()).await?;
        Ok(self.state().referrers.get(&subject.to_string()).cloned())
    }
}

/// An open namespace that is filled from these, and answers for `hub.example`.
pub fn mirror_of(upstreams: &[&Arc<FakeUpstream>], interval: Duration) -> Namespace {
    let upstreams = upstreams
        .iter()
        .map(|it| Arc::clone(*it) as Arc<dyn Upstream>);
    Namespace {
        mirrors: Some(Arc::new(Source {
            upstreams: upstreams.collect(),
            revalidate_interval: interval,
            cache_max_size: None,
            answers_for: vec![AnswersFor {
                registry: "hub.example".to_owned(),
                prefix: String::new(),
            }],
        })),
        ..Setup::open()
    }
}

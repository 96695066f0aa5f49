//! A registry that listens on a port of its own, over memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry as Metrics;
use rustls::ServerConfig;
use simple_registry::adapters::cel::access_rule;
use simple_registry::adapters::clock::SystemClock;
use simple_registry::adapters::http::{Current, Serving, Settings, serve};
use simple_registry::adapters::identities::Identities;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::adapters::storage;
use simple_registry::adapters::tasks::RuntimeTasks;
use simple_registry::adapters::tokens::{Keys, SignedTokens};
use simple_registry::domain::access::AccessPolicy;
use simple_registry::domain::login::Login;
use simple_registry::domain::model::Secret;
use simple_registry::domain::namespaces::{Namespace, Namespaces};
use simple_registry::domain::readiness::Readiness;
use simple_registry::domain::registry::Registry;
use simple_registry::ports::{Clock, LockManager, StoragePorts, Tasks, Tokens};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::Call;
use super::content::digest_of;

/// What a test wants of its registry.
pub struct Setup {
    pub storage: StoragePorts,
    pub locks: Arc<dyn LockManager>,
    pub tls: Option<Arc<ServerConfig>>,
    pub identities: Option<Identities>,
    /// What signs tokens; without a value, a key of this test's own.
    pub tokens: Option<Arc<dyn Tokens>>,
    pub settings: Settings,
    pub namespaces: Vec<(&'static str, Namespace)>,
}

impl Default for Setup {
    /// Everything is allowed, in memory, with the defaults of the server.
    fn default() -> Self {
        Self {
            storage: storage::open_memory().unwrap(),
            locks: Arc::new(MemoryLocks::new(Duration::from_secs(10))),
            tls: None,
            identities: None,
            tokens: None,
            settings: Settings::default(),
            namespaces: vec![("*", Self::open())],
        }
    }
}

impl Setup {
    /// A namespace that allows everything.
    pub fn open() -> Namespace {
        Namespace {
            access_policy: AccessPolicy {
                default_allow: true,
                rules: Vec::new(),
            },
            ..Namespace::default()
        }
    }

    /// A namespace with these rules.
    pub fn ruled(default_allow: bool, rules: &[&str]) -> Namespace {
        let rules = rules.iter().map(|rule| access_rule(rule).unwrap());
        Namespace {
            access_policy: AccessPolicy {
                default_allow,
                rules: rules.collect(),
            },
            ..Namespace::default()
        }
    }

    /// A namespace that allows nothing.
    pub fn closed() -> Namespace {
        Namespace::default()
    }

    /// Everything is allowed, in memory, with these settings.
    pub fn with_settings(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// These namespaces, in memory.
    pub fn with_namespaces(
        namespaces: impl IntoIterator<Item = (&'static str, Namespace)>,
    ) -> Self {
        Self {
            namespaces: namespaces.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Who may do what.
    pub fn namespaces(&self) -> Namespaces {
        let namespaces = self.namespaces.iter();
        Namespaces::new(namespaces.map(|(prefix, it)| ((*prefix).to_owned(), it.clone())))
    }

    /// The registry that it describes.
    pub fn registry(&self) -> Arc<Registry> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let tasks: Arc<dyn Tasks> = Arc::new(RuntimeTasks);
        let registry = Registry::new(
            &self.storage,
            &self.locks,
            &clock,
            &tasks,
            self.namespaces(),
        );
        let login = self.identities.clone().map(|identities| {
            let tokens = self.tokens.clone();
            let tokens = tokens.unwrap_or_else(|| Self::tokens("k".repeat(32), clock));
            Login::new(Arc::new(identities), tokens)
        });
        Arc::new(registry.with_identities(login))
    }

    /// Tokens of five minutes, signed by this key.
    pub fn tokens(key: String, clock: Arc<dyn Clock>) -> Arc<dyn Tokens> {
        let keys = Keys::configured(&Secret::new(key)).unwrap();
        let lifetime = Duration::from_mins(5);
        Arc::new(SignedTokens::new("test".to_owned(), lifetime, keys, clock))
    }
}

/// A registry that serves until it is dropped.
pub struct TestRegistry {
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    current: Arc<Current>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

impl TestRegistry {
    /// An open registry over memory.
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// The registry that `setup` describes.
    pub async fn with(setup: Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let current = Arc::new(Current::new(
            Serving {
                registry: setup.registry(),
                readiness: Arc::new(Readiness::new(&setup.storage, &setup.locks)),
                tls: setup.tls,
                settings: setup.settings,
            },
            Metrics::default(),
        ));
        let server = tokio::spawn(serve(listener, Arc::clone(&current), shutdown.clone()));
        Self {
            address,
            shutdown,
            current,
            server: Some(server),
        }
    }

    /// Changes what is served, as a reload does.
    pub fn swap(&self, change: impl FnOnce(&mut Serving)) {
        let mut serving = Serving::clone(&self.current.get());
        change(&mut serving);
        self.current.replace(serving);
    }

    /// Waits until the server has stopped.
    pub async fn stopped(&mut self) {
        if let Some(server) = self.server.take() {
            server.await.unwrap().unwrap();
        }
    }

    /// What it serves now.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.current.get().registry)
    }

    /// A request to this registry.
    pub fn call(&self, method: &str, path: impl Into<String>) -> Call {
        Call::new(self.address, method, path)
    }

    pub fn get(&self, path: impl Into<String>) -> Call {
        self.call("GET", path)
    }

    pub fn head(&self, path: impl Into<String>) -> Call {
        self.call("HEAD", path)
    }

    pub fn put(&self, path: impl Into<String>) -> Call {
        self.call("PUT", path)
    }

    pub fn post(&self, path: impl Into<String>) -> Call {
        self.call("POST", path)
    }

    pub fn patch(&self, path: impl Into<String>) -> Call {
        self.call("PATCH", path)
    }

    pub fn delete(&self, path: impl Into<String>) -> Call {
        self.call("DELETE", path)
    }

    /// A connection, with `text` sent on it.
    pub async fn raw(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Starts an upload; returns its location.
    pub async fn start_upload(&self, repository: &str) -> String {
        let answer = self.post(format!("/v2/{repository}/blobs/uploads/"));
        let answer = answer.send().await.expect_status(202);
        answer.header("location").unwrap().to_owned()
    }

    /// Pushes a blob; returns its digest.
    pub async fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = digest_of(content);
        self.post(format!("/v2/{repository}/blobs/uploads/?digest={digest}"))
            .body(content)
            .send()
            .await
            .expect_status(201);
        digest
    }

    /// Pushes a manifest; returns its digest.
    pub async fn push_manifest(&self, repository: &str, reference: &str, manifest: &str) -> String {
        self.put(format!("/v2/{repository}/manifests/{reference}"))
            .body(manifest)
            .send()
            .await
            .expect_status(201);
        digest_of(manifest.as_bytes())
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

//! An S3 server in this process, which checks signatures and writes down what it is asked.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use simple_registry::adapters::storage::config::S3Config;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::access::Access;
use super::short::{Short, Unfinished};

const BUCKET: &str = "registry";

/// The server; it ends with the test's runtime.
pub struct Server {
    root: TempDir,
    pub endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
    unfinished: Arc<Mutex<Option<Vec<Unfinished>>>>,
    lose_an_end: Arc<AtomicBool>,
    denied: Denied,
}

/// Operations that nobody may do, and whether any is done at all.
#[derive(Clone, Default)]
struct Denied(Arc<Mutex<(Vec<String>, bool)>>);

#[async_trait::async_trait]
impl S3Access for Denied {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let (denied, down) = &*self.0.lock().unwrap();
        if *down {
            return Err(s3_error!(ServiceUnavailable));
        }
        if context.credentials().is_none() || denied.iter().any(|it| it == context.s3_op().name()) {
            return Err(s3_error!(AccessDenied));
        }
        Ok(())
    }
}

impl Server {
    /// On a port of its own, with an empty bucket.
    pub async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let files = s3s_fs::FileSystem::new(root.path()).unwrap();
        let short = Short::over(files);
        let unfinished = Arc::clone(&short.unfinished);
        let lose_an_end = Arc::clone(&short.lose_an_end);
        let mut builder = S3ServiceBuilder::new(short);
        builder.set_auth(SimpleAuth::from_single("AK", "SK"));
        let denied = Denied::default();
        builder.set_access(denied.clone());
        let s3 = builder.build();

        let requests = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&requests);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (s3, log) = (s3.clone(), Arc::clone(&log));
                let service = service_fn(move |request: Request<Incoming>| {
                    log.lock().unwrap().push(line(&request));
                    let s3 = s3.clone();
                    async move { Service::call(&s3, request).await }
                });
                tokio::spawn(async move {
                    let io = TokioIo::new(connection);
                    let builder = Builder::new(TokioExecutor::new());
                    // A client that leaves is no failure of the test.
                    drop(builder.serve_connection(io, service).await);
                });
            }
        });
        Self {
            root,
            endpoint,
            requests,
            unfinished,
            lose_an_end,
            denied,
        }
    }

    /// From now on these operations are denied, and no others.
    pub fn deny(&self, operations: &[&str]) {
        self.denied.0.lock().unwrap().0 = operations.iter().map(ToString::to_string).collect();
    }

    /// Answers everything with 503, or does it again.
    pub fn break_down(&self, down: bool) {
        self.denied.0.lock().unwrap().1 = down;
    }

    /// Where the bucket's objects lie.
    pub fn bucket(&self) -> PathBuf {
        self.root.path().join(BUCKET)
    }

    /// What opens the bucket.
    pub fn access(&self) -> Access {
        Access {
            id: "AK".to_owned(),
            secret: "SK".to_owned(),
            endpoint: self.endpoint.clone(),
            bucket: BUCKET.to_owned(),
            prefix: "a/b".to_owned(),
        }
    }

    /// `[storage.s3]`; `keys` go before the ones that every test needs.
    pub fn text(&self, keys: &str) -> String {
        self.access().text(keys)
    }

    pub fn config(&self, keys: &str) -> S3Config {
        self.access().config(keys)
    }

    /// What was asked since the last time this was: method, path, source and range of a copy.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    /// From now on unfinished uploads are listed, as these.
    pub fn list_unfinished(&self, unfinished: Vec<Unfinished>) {
        *self.unfinished.lock().unwrap() = Some(unfinished);
    }

    /// The next multipart upload that ends does so, and nobody is told.
    pub fn lose_an_end(&self) {
        self.lose_an_end.store(true, Ordering::Relaxed);
    }

    /// The names of all files of the server, its own records of unfinished uploads among them.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut pending = vec![PathBuf::from(self.root.path())];
        while let Some(dir) = pending.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    files.push(path.display().to_string());
                }
            }
        }
        files
    }

    /// The records and parts of uploads that have not ended.
    pub fn unfinished(&self) -> Vec<String> {
        let unfinished = |path: &String| path.contains("/.upload");
        self.files().into_iter().filter(unfinished).collect()
    }
}

fn line(request: &Request<Incoming>) -> String {
    let mut line = format!("{} {}", request.method(), request.uri());
    for name in ["x-amz-copy-source", "x-amz-copy-source-range"] {
        if let Some(value) = request.headers().get(name) {
            line = format!("{line} {name}={}", value.to_str().unwrap());
        }
    }
    line
}

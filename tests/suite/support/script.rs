//! A server that says what a test tells it to say, byte by byte, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// Whether the client showed a certificate.
    pub certificate: bool,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .find(named)
            .map(|(_, value)| value.as_str())
    }

    pub fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }
}

/// What is answered.
pub enum Reply {
    /// This, and then the next request.
    Whole(Vec<u8>),
    /// This, and then nothing.
    Stalling(Vec<u8>),
    /// This, and then the end of the connection.
    Cut(Vec<u8>),
    /// This, and then chunks without end.
    Endless(Vec<u8>),
}

impl Reply {
    /// An answer with its length.
    pub fn new(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len().to_string();
        let headers = [headers, &[("Content-Length", length.as_str())]].concat();
        Self::Whole([&head(status, &headers), body].concat())
    }

    /// Without a length: in chunks.
    pub fn chunked(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let headers = [headers, &[("Transfer-Encoding", "chunked")]].concat();
        let mut text = head(status, &headers);
        for chunk in body.chunks(1000) {
            text.extend(format!("{:x}\r\n", chunk.len()).bytes());
            text.extend(chunk);
            text.extend(b"\r\n");
        }
        text.extend(b"0\r\n\r\n");
        Self::Whole(text)
    }

    pub fn ok(headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        Self::new("200 OK", headers, body)
    }

    pub fn status(status: &str) -> Self {
        Self::new(status, &[], "")
    }

    pub fn redirect(location: &str) -> Self {
        Self::new(
            "307 Temporary Redirect",
            &[("Location", location)],
            "gone elsewhere",
        )
    }
}

/// The head of an answer.
pub fn head(status: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.into_bytes()
}

type Answering = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// The server. It ends with the value.
pub struct Script {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    server: JoinHandle<()>,
}

impl Script {
    pub async fn start(answering: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(None, answering).await
    }

    pub async fn with(
        tls: Option<Arc<ServerConfig>>,
        answering: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = tls.map(|tls| {
            let mut tls = ServerConfig::clone(&tls);
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            TlsAcceptor::from(Arc::new(tls))
        });
        let connection = Connection {
            answering: Arc::new(answering),
            asked: Arc::default(),
            sent: Arc::default(),
            certificate: false,
        };
        let (asked, sent) = (Arc::clone(&connection.asked), Arc::clone(&connection.sent));
        let connections = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&connections);
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let (mut connection, acceptor) = (connection.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => connection.serve(stream).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                let shown = stream.get_ref().1.peer_certificates();
                                connection.certificate = shown.is_some();
                                connection.serve(stream).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            asked,
            connections,
            sent,
            server,
        }
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often this path was asked for.
    pub fn count(&self, path: &str) -> usize {
        let asked = self.asked();
        asked.iter().filter(|it| it.path.starts_with(path)).count()
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many bytes were sent without an end.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Connection {
    answering: Answering,
    asked: Arc<Mutex<Vec<Asked>>>,
    sent: Arc<AtomicU64>,
    certificate: bool,
}

impl Connection {
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        while let Some(asked) = self.next(&mut stream).await {
            let reply = (self.answering)(&asked);
            self.asked.lock().unwrap().push(asked.clone());
            let (text, then) = match &reply {
                Reply::Whole(text)
                | Reply::Stalling(text)
                | Reply::Cut(text)
                | Reply::Endless(text) => (text, &reply),
            };
            let end = text.windows(4).position(|it| it == b"\r\n\r\n");
            let text = match end {
                Some(end) if asked.method == "HEAD" => &text[..end + 4],
                _ => text,
            };
            if stream.write_all(text).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            match then {
                Reply::Whole(_) => {}
                Reply::Stalling(_) => std::future::pending().await,
                Reply::Cut(_) => {
                    let _ = stream.shutdown().await;
                    return;
                }
                Reply::Endless(_) => {
                    let chunk = [b"10000\r\n", vec![b' '; 0x10000].as_slice(), b"\r\n"].concat();
                    while stream.write_all(&chunk).await.is_ok() {
                        self.sent.fetch_add(0x10000, Ordering::SeqCst);
                    }
                    return;
                }
            }
        }
    }

    async fn next(&self, stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            text.push(stream.read_u8().await.ok()?);
        }
        let text = String::from_utf8(text).unwrap();
        let mut lines = text.lines();
        let mut words = lines.next()?.split(' ');
        let headers = lines.filter_map(|line| line.split_once(": "));
        Some(Asked {
            method: words.next()?.to_owned(),
            path: words.next()?.to_owned(),
            headers: headers.map(|(a, b)| (a.to_owned(), b.to_owned())).collect(),
            certificate: self.certificate,
        })
    }
}

//! A client that hides nothing: HTTP/1.1 as text, one connection per request.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request in the making.
#[must_use]
pub struct Call {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: bool,
}

impl Call {
    pub fn new(address: SocketAddr, method: &str, path: impl Into<String>) -> Self {
        Self {
            address,
            method: method.to_owned(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            chunked: false,
        }
    }

    /// Shows these credentials.
    pub fn login(self, username: &str, password: &str) -> Self {
        let encoded = STANDARD.encode(format!("{username}:{password}"));
        self.header("Authorization", format!("Basic {encoded}"))
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body, which is sent with its length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends the body in chunks, without saying how long it is.
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    pub async fn send(self) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        self.send_on(stream).await
    }

    /// Sends it on a connection that is there already.
    pub async fn send_on(self, stream: impl AsyncRead + AsyncWrite) -> Answer {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let head_only = self.method == "HEAD";
        let text = self.text();
        // An early answer may come while we still send.
        let send = async {
            let _ = writer.write_all(&text).await;
            let _ = writer.flush().await;
        };
        let receive = Answer::read(&mut reader, head_only);
        let (answer, ()) = tokio::join!(receive, send);
        answer
    }

    fn text(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        head.push_str("Host: registry\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let mut text;
        if self.chunked {
            head.push_str("Transfer-Encoding: chunked\r\n\r\n");
            text = head.into_bytes();
            for chunk in self.body.chunks(10_000) {
                text.extend(format!("{:x}\r\n", chunk.len()).bytes());
                text.extend(chunk);
                text.extend(b"\r\n");
            }
            text.extend(b"0\r\n\r\n");
        } else {
            if matches!(&*self.method, "PUT" | "POST" | "PATCH") {
                let length = self.body.len().to_string();
                head.extend(["Content-Length: ", &length, "\r\n"]);
            }
            head.push_str("\r\n");
            text = head.into_bytes();
            text.extend(&self.body);
        }
        text
    }
}

/// An answer, as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads an answer, to the end of the connection.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin), head_only: bool) -> Self {
        let mut text = Vec::new();
        let read = stream.read_to_end(&mut text);
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.expect("the connection closes").expect("an answer");
        Self::parse(&text, head_only)
    }

    pub fn parse(text: &[u8], head_only: bool) -> Self {
        let end = text.windows(4).position(|it| it == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(text)));
        let head = std::str::from_utf8(&text[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_lowercase(), value.trim().to_owned())
            })
            .collect();
        let mut answer = Self {
            status: status.parse().unwrap(),
            headers,
            body: text[end + 4..].to_vec(),
        };
        if head_only {
            assert!(answer.body.is_empty(), "a HEAD with a body");
            assert_eq!(answer.header("transfer-encoding"), None);
        } else if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = dechunk(&answer.body);
        } else if let Some(length) = answer.header("content-length") {
            assert_eq!(length, answer.body.len().to_string(), "Content-Length");
        }
        answer
    }

    /// Insists on the status.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(1000)]);
        assert_eq!(self.status, status, "{:?} {text}", self.headers);
        self
    }

    /// Insists on the status and the spec's error code.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let answer = self.expect_status(status);
        let body = answer.json();
        assert_eq!(body["errors"][0]["code"], code, "{body}");
        answer
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.headers.iter().filter(|header| header.0 == name);
        of_name.map(|header| header.1.as_str()).collect()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|it| it == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
}

//! A client that notices everything: plain HTTP/1.1 over one blocking socket.
//!
//! Libraries retry and pool; what is tested here is what happens to exactly
//! this request on exactly this connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use simple_registry::domain::model::{Algorithm, Hasher};

const TIMEOUT: Duration = Duration::from_secs(20);

pub struct Client {
    port: u16,
    connection: Option<BufReader<TcpStream>>,
    /// Whether a connection that has ended is followed by another.
    pub reconnects: bool,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An answer that was expected to be another.
#[derive(Debug)]
pub enum Failure {
    /// The connection broke: nobody knows whether the request was done.
    Connection(io::Error),
    /// The server answered, and not what it should.
    Answer(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

pub fn digest_of(bytes: &[u8]) -> String {
    Hasher::digest_of(Algorithm::Sha256, bytes).to_string()
}

impl Client {
    pub fn new(port: u16) -> Self {
        Self {
            port,
            connection: None,
            reconnects: true,
        }
    }

    /// Sends one request; the connection is kept if it went well.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None if self.reconnects => self.connect()?,
            None => return Err(io::Error::other("the connection was closed")),
        };
        let mut head = vec![
            format!("{method} {path} HTTP/1.1"),
            "host: localhost".to_owned(),
        ];
        head.extend(
            headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        head.push(format!("content-length: {}\r\n\r\n", body.len()));
        let head = head.join("\r\n");
        connection.get_mut().write_all(head.as_bytes())?;
        connection.get_mut().write_all(body)?;
        let answer = read_answer(&mut connection, method)?;
        if answer.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    /// Sends, and insists on a status.
    pub fn expect(
        &mut self,
        status: u16,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let answer = self.send(method, path, headers, body)?;
        if answer.status == status {
            return Ok(answer);
        }
        let (got, text) = (answer.status, answer.text());
        Err(Failure::Answer(format!(
            "{method} {path}: {got}, not {status}: {text}"
        )))
    }

    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, &[], &[])
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }

    /// Pushes a blob as Docker does: POST, one PATCH, PUT.
    pub fn push_blob(&mut self, repository: &str, bytes: &[u8]) -> Result<String, Failure> {
        let digest = digest_of(bytes);
        let start = format!("/v2/{repository}/blobs/uploads/");
        let begun = self.expect(202, "POST", &start, &[], &[])?;
        let location = begun.header("location").unwrap_or_default().to_owned();
        let sent = self.expect(202, "PATCH", &location, &[], bytes)?;
        let location = sent.header("location").unwrap_or_default().to_owned();
        self.expect(201, "PUT", &format!("{location}?digest={digest}"), &[], &[])?;
        Ok(digest)
    }

    /// Pushes a blob in one request.
    pub fn push_blob_at_once(&mut self, repository: &str, bytes: &[u8]) -> Result<String, Failure> {
        let digest = digest_of(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.expect(201, "POST", &path, &[], bytes)?;
        Ok(digest)
    }

    pub fn put_manifest(
        &mut self,
        repository: &str,
        reference: &str,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let kind = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.expect(201, "PUT", &path, &kind, bytes).map(drop)
    }
}

/// An image manifest of blobs that were pushed.
pub fn image(config: (&str, usize), layers: &[(String, usize)]) -> Vec<u8> {
    let descriptor = |kind: &str, digest: &str, size: usize| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#
        )
    };
    let layers: Vec<String> = layers
        .iter()
        .map(|(digest, size)| descriptor("layer.v1.tar", digest, *size))
        .collect();
    format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        descriptor("config.v1+json", config.0, config.1),
        layers.join(",")
    )
    .into_bytes()
}

fn read_answer(connection: &mut BufReader<TcpStream>, method: &str) -> io::Result<Answer> {
    let mut line = String::new();
    read_line(connection, &mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status in {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        read_line(connection, &mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if method != "HEAD" && status != 204 && status != 304 {
        let length = answer.header("content-length").and_then(|n| n.parse().ok());
        let length = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
        answer.body = vec![0; length];
        connection.read_exact(&mut answer.body)?;
    }
    Ok(answer)
}

fn read_line(connection: &mut BufReader<TcpStream>, line: &mut String) -> io::Result<()> {
    line.clear();
    match connection.read_line(line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

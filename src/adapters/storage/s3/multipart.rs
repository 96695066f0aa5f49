//! Multipart uploads: objects made of parts, sent or copied; and those that nobody ends.

use std::ops::Range;
use std::sync::Arc;

use hyper::Method;
use opendal::{Buffer, Error, ErrorKind, Result};

use super::client::{Answer, Ask, Client, escaped, text};
use crate::domain::model::Timestamp;

/// An upload that was begun. It is given up, parts and all, if it is dropped
/// before its end.
pub(in crate::adapters::storage) struct Upload {
    client: Arc<Client>,
    path: String,
    id: String,
    ended: bool,
}

/// A part that S3 has: its number, and what S3 calls its content.
pub(in crate::adapters::storage) struct Part {
    number: usize,
    etag: String,
}

/// An upload as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::adapters::storage) struct Unfinished {
    /// What it would have become.
    pub(in crate::adapters::storage) path: String,
    id: String,
    /// `None` where that is not to be read.
    pub(in crate::adapters::storage) since: Option<Timestamp>,
}

impl Upload {
    pub(in crate::adapters::storage) async fn begin(
        client: &Arc<Client>,
        path: &str,
    ) -> Result<Self> {
        let ask = ask(Method::POST, path, "uploads=".to_owned());
        let answer = client.ask(&ask).await?;
        let id = text(&answer.body, "UploadId").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| odd("an upload was begun and has no id"))?;
        Ok(Self {
            client: Arc::clone(client),
            path: path.to_owned(),
            id: unescaped(id),
            ended: false,
        })
    }

    fn part(&self, number: usize) -> Ask<'_> {
        let query = format!("partNumber={number}&uploadId={}", escaped(&self.id));
        ask(Method::PUT, &self.path, query)
    }

    /// Sends a part. Numbers count from 1.
    pub(in crate::adapters::storage) async fn send(
        &self,
        number: usize,
        body: impl Into<Buffer>,
    ) -> Result<Part> {
        let ask = Ask {
            body: body.into(),
            ..self.part(number)
        };
        let Answer { headers, .. } = self.client.ask(&ask).await?;
        let etag = headers.get("etag").and_then(|etag| etag.to_str().ok());
        part(number, etag)
    }

    /// Lets S3 make a part of what another object has.
    pub(in crate::adapters::storage) async fn copy(
        &self,
        number: usize,
        from: &str,
        range: Range<u64>,
    ) -> Result<Part> {
        let bytes = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let ask = Ask {
            headers: vec![
                ("x-amz-copy-source", self.client.source(from)),
                ("x-amz-copy-source-range", bytes),
            ],
            ..self.part(number)
        };
        let Answer { body, .. } = self.client.ask(&ask).await?;
        part(number, text(&body, "ETag").map(unescaped).as_deref())
    }

    /// Makes the parts one object, in order of their numbers.
    pub(in crate::adapters::storage) async fn end(mut self, parts: &[Part]) -> Result<()> {
        let mut body = String::from("<CompleteMultipartUpload>");
        for Part { number, etag } in parts {
            let etag = etag.replace('&', "&amp;").replace('<', "&lt;");
            let part = format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
            body.push_str(&part);
        }
        body.push_str("</CompleteMultipartUpload>");
        let query = format!("uploadId={}", escaped(&self.id));
        let ask = Ask {
            headers: vec![("content-type", "application/xml".to_owned())],
            body: Buffer::from(body),
            ..ask(Method::POST, &self.path, query)
        };
        let answer = self.client.ask(&ask).await?;
        // What is sent before the outcome is known may be all that came.
        if !answer.body.contains("<CompleteMultipartUploadResult") {
            return Err(odd("the service does not say that an upload has ended"));
        }
        self.ended = true;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Outside a runtime the process is at its end.
        let (false, Ok(runtime)) = (self.ended, tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (client, path) = (Arc::clone(&self.client), std::mem::take(&mut self.path));
        let id = std::mem::take(&mut self.id);
        runtime.spawn(async move {
            if let Err(error) = abort(&client, &path, &id).await {
                tracing::warn!(%error, path, "the parts of a broken upload are left in the bucket for now");
            }
        });
    }
}

impl Client {
    /// The uploads below our prefix that have not ended. `None` where the
    /// service does not list them, or not to us.
    pub(in crate::adapters::storage) async fn unfinished(&self) -> Result<Option<Vec<Unfinished>>> {
        // Without a prefix: MinIO takes it for a whole key.
        let (mut all, mut query) = (Vec::new(), "uploads=".to_owned());
        loop {
            let page = match self.ask(&ask(Method::GET, "", query)).await {
                Ok(answer) => answer.body,
                Err(error) => match error.kind() {
                    ErrorKind::Unsupported | ErrorKind::PermissionDenied => return Ok(None),
                    _ => return Err(error),
                },
            };
            for upload in page.split("<Upload>").skip(1) {
                all.extend(self.listed(upload));
            }
            let Some((key, id)) = next_page(&page)? else {
                return Ok(Some(all));
            };
            let (key, id) = (escaped(&key).to_string(), escaped(&id).to_string());
            query = format!("uploads=&key-marker={key}&upload-id-marker={id}");
        }
    }

    /// An element of a listing, where it is about something of ours.
    fn listed(&self, upload: &str) -> Option<Unfinished> {
        let key = unescaped(text(upload, "Key")?);
        let since = text(upload, "Initiated")?.parse::<jiff::Timestamp>().ok();
        Some(Unfinished {
            path: self.path(&key)?.to_owned(),
            id: unescaped(text(upload, "UploadId")?),
            since: since.map(|since| Timestamp::from_millis(since.as_millisecond())),
        })
    }

    /// Removes the parts of an upload. One that has ended meanwhile succeeds.
    pub(in crate::adapters::storage) async fn give_up(&self, upload: &Unfinished) -> Result<()> {
        abort(self, &upload.path, &upload.id).await
    }
}

fn ask(method: Method, path: &str, query: String) -> Ask<'_> {
    Ask {
        method,
        path,
        query,
        headers: Vec::new(),
        body: Buffer::new(),
    }
}

/// A part without an `ETag` would be missed only at the end (lessons.md, 21).
fn part(number: usize, etag: Option<&str>) -> Result<Part> {
    match etag {
        Some(etag) if !etag.is_empty() => Ok(Part {
            number,
            etag: etag.to_owned(),
        }),
        _ => Err(odd("the service took a part and does not name it")),
    }
}

async fn abort(client: &Client, path: &str, id: &str) -> Result<()> {
    let query = format!("uploadId={}", escaped(id));
    match client.ask(&ask(Method::DELETE, path, query)).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where a listing goes on, if it does (lessons.md, 4).
fn next_page(page: &str) -> Result<Option<(String, String)>> {
    let marker = |name| text(page, name).map(unescaped).unwrap_or_default();
    match text(page, "IsTruncated") {
        Some("false") => Ok(None),
        Some("true") => match marker("NextKeyMarker") {
            key if key.is_empty() => Err(odd("a listing is cut short and does not go on")),
            key => Ok(Some((key, marker("NextUploadIdMarker")))),
        },
        _ => Err(odd(
            "the service does not say whether a listing is complete",
        )),
    }
}

fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for (escape, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(escape, character);
    }
    text
}

fn odd(problem: &'static str) -> Error {
    Error::new(ErrorKind::Unexpected, problem)
}

#[cfg(test)]
mod tests;

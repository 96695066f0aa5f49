//! Referrers, page by page.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LINK};

use super::client::Client;
use crate::domain::model::{Digest, Manifest, ManifestContent, MediaType, RepositoryName};
use crate::ports::UpstreamError;

impl Client {
    /// All referrers of `subject` as an image index.
    pub(super) async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Option<Bytes>, UpstreamError> {
        let subject = subject.to_string();
        let headers =
            HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MediaType::OCI_INDEX))]);
        let mut all = Vec::new();
        let mut left = Manifest::MAX_BYTES;
        let mut query: Option<String> = None;
        loop {
            let (of, page) = (subject.as_str(), query.as_deref());
            let found = self.ask(
                Method::GET,
                repository,
                ("referrers", of, page),
                headers.clone(),
            );
            let Some(found) = found.await? else {
                return Ok(None);
            };
            let is_first = query.is_none();
            query = found.header(&LINK).and_then(next_page);
            let asked = found.asked;
            let bytes = asked.read(found.response, left).await?;
            let index =
                Manifest::parse(None, &bytes).map_err(|bad| asked.invalid(bad.to_string()))?;
            let ManifestContent::Index { children } = index.content else {
                return Err(asked.invalid("the answer is no image index"));
            };
            match (&query, is_first) {
                (None, true) => return Ok(Some(bytes)),
                // Else one that always names another page would never end.
                (Some(_), _) if children.is_empty() => {
                    return Err(asked.invalid("a page of it is empty, and not the last"));
                }
                _ => all.extend(children),
            }
            left = left.saturating_sub(bytes.len() as u64);
            if query.is_none() {
                let index = serde_json::json!({
                    "schemaVersion": 2,
                    "mediaType": MediaType::OCI_INDEX,
                    "manifests": all,
                });
                return Ok(Some(Bytes::from(index.to_string())));
            }
        }
    }
}

/// The query of the next page. It is asked for where the first one was, wherever the link leads.
fn next_page(link: &str) -> Option<String> {
    let (target, parameters) = link.trim_start().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters
        .split([';', ' '])
        .any(|it| matches!(it.trim(), r#"rel="next""# | "rel=next"));
    let (_, query) = target.split_once('?').filter(|_| is_next)?;
    Some(query.to_owned())
}

#[cfg(test)]
mod tests;

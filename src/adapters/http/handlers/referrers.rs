//! Referrers: end-12.

use hyper::header::LINK;
use serde_json::json;

use super::{Answer, Exchange};
use crate::adapters::http::headers::OCI_FILTERS_APPLIED;
use crate::adapters::http::pagination;
use crate::adapters::http::reply::Reply;
use crate::domain::model::{Digest, MediaType, Page, RepositoryName};

/// end-12
pub async fn list(
    exchange: Exchange,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    page: &Page<Digest>,
) -> Answer {
    let registry = &exchange.registry;
    let listed = registry
        .list_referrers(repository, subject, artifact_type, page)
        .await?;

    let mut reply = Reply::ok();
    let mut parameters: Vec<(&str, String)> = Vec::new();
    if let Some(artifact_type) = artifact_type {
        reply = reply.header(OCI_FILTERS_APPLIED, "artifactType");
        parameters.push(("artifactType", artifact_type.to_owned()));
    }
    if let Some(next) = listed.next {
        let path = format!("/v2/{repository}/referrers/{subject}");
        parameters.extend(page.limit.map(|limit| ("n", limit.to_string())));
        parameters.push(("last", next.to_string()));
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(n, v)| (*n, &**v)).collect();
        reply = reply.header(LINK, pagination::next_page(&path, &parameters));
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": listed.items,
    });
    Ok(reply.json_as(MediaType::OCI_INDEX, &index).done())
}

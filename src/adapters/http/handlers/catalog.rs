//! The catalog: `GET /v2/_catalog`.

use hyper::header::LINK;
use serde_json::json;

use super::{Answer, Exchange};
use crate::adapters::http::pagination;
use crate::adapters::http::reply::Reply;
use crate::domain::model::{AccessRequest, Action, Page, RepositoryName};

/// `GET /v2/_catalog`: the repositories that the caller may see there.
pub async fn list(exchange: Exchange, page: &Page<String>) -> Answer {
    let access = exchange.registry.access();
    let may_see = |repository: &RepositoryName| {
        let request = AccessRequest::on(repository, Action::ListCatalog);
        access.allows(&exchange.caller, &request)
    };
    let listing = exchange.registry.catalog().list(page, &may_see).await?;
    let names: Vec<&str> = listing.items.iter().map(RepositoryName::as_str).collect();
    let mut reply = Reply::ok();
    if let Some(limit) = page.limit
        && let Some(last) = names.last().filter(|_| listing.more)
    {
        let parameters = [("n", &*limit.to_string()), ("last", last)];
        reply = reply.header(LINK, pagination::next_page("/v2/_catalog", &parameters));
    }
    Ok(reply.json(&json!({ "repositories": names })).done())
}

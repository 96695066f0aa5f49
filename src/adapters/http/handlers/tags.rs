//! Tags: end-8.

use hyper::header::LINK;
use serde_json::json;

use super::{Answer, Exchange};
use crate::adapters::http::pagination;
use crate::adapters::http::reply::Reply;
use crate::domain::model::{Page, RepositoryName, Tag};

/// end-8
pub async fn list(exchange: Exchange, repository: &RepositoryName, page: &Page<Tag>) -> Answer {
    let listing = exchange.registry.tags().list(repository, page).await?;
    let tags: Vec<&str> = listing.items.iter().map(Tag::as_str).collect();
    let mut reply = Reply::ok();
    if let Some(limit) = page.limit
        && let Some(last) = tags.last().filter(|_| listing.more)
    {
        let path = format!("/v2/{repository}/tags/list");
        let parameters = [("n", &*limit.to_string()), ("last", last)];
        reply = reply.header(LINK, pagination::next_page(&path, &parameters));
    }
    Ok(reply
        .json(&json!({ "name": repository.as_str(), "tags": tags }))
        .done())
}

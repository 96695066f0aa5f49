//! Extension discovery (distribution-spec, extensions/_oci.md).

use hyper::Response;
use serde_json::json;

use crate::adapters::http::body::ResponseBody;
use crate::adapters::http::reply::Reply;
use crate::domain::model::RepositoryName;

/// `GET /v2/_oci/ext/discover`, of the registry or of one repository.
pub fn discover(repository: Option<&RepositoryName>) -> Response<ResponseBody> {
    let extensions = match repository {
        Some(_) => json!([]),
        None => json!([{
            "name": "_catalog",
            "url": "https://distribution.github.io/distribution/spec/api/#listing-repositories",
            "description": "Lists the repositories that the caller may see",
            "endpoints": ["_catalog"],
        }]),
    };
    Reply::ok()
        .json(&json!({ "extensions": extensions }))
        .done()
}

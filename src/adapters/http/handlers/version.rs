//! end-1: which API this is.

use hyper::Response;
use serde_json::json;

use crate::adapters::http::body::ResponseBody;
use crate::adapters::http::reply::Reply;

/// end-1
pub fn get() -> Response<ResponseBody> {
    Reply::ok().json(&json!({})).done()
}

//! Replies: a response put together header by header.

use std::fmt::Display;

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::{self, ResponseBody};
use super::headers;

/// A response in the making. Unlike hyper's own builder it cannot fail.
pub struct Reply(Response<ResponseBody>);

impl Reply {
    /// A response without a body.
    pub fn new(status: StatusCode) -> Self {
        let mut response = Response::new(body::empty());
        *response.status_mut() = status;
        Self(response)
    }

    /// 200
    pub fn ok() -> Self {
        Self::new(StatusCode::OK)
    }

    /// Adds a header; one that is there already is repeated.
    pub fn header(mut self, name: HeaderName, value: impl Display) -> Self {
        self.0.headers_mut().append(name, headers::value(value));
        self
    }

    /// Adds a header that always says the same.
    pub fn fixed(mut self, name: HeaderName, value: &'static str) -> Self {
        let value = HeaderValue::from_static(value);
        self.0.headers_mut().append(name, value);
        self
    }

    /// Says how long the body is, in bytes.
    pub fn length(mut self, length: u64) -> Self {
        self.0.headers_mut().append(CONTENT_LENGTH, length.into());
        self
    }

    /// Sets the body, and its length in bytes.
    pub fn body(self, body: ResponseBody, length: u64) -> Self {
        let mut reply = self.length(length);
        *reply.0.body_mut() = body;
        reply
    }

    /// Sets a body that is known whole.
    pub fn bytes(self, bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        self.body(body::full(bytes), length)
    }

    /// Sets a body of the given type, written as JSON.
    pub fn json_as(self, content_type: &str, value: &impl Serialize) -> Self {
        // Only maps with keys that are no strings fail here; there are none.
        let json = serde_json::to_vec(value).unwrap_or_default();
        self.header(CONTENT_TYPE, content_type).bytes(json.into())
    }

    /// Sets a JSON body.
    pub fn json(self, value: &impl Serialize) -> Self {
        self.json_as("application/json", value)
    }

    /// The response.
    pub fn done(self) -> Response<ResponseBody> {
        self.0
    }
}

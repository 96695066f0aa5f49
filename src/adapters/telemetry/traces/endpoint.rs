//! `Endpoint`: how a collector is asked, by what the configuration calls it.

use hyper::Uri;
use hyper::http::uri::InvalidUri;

use crate::adapters::units::HttpUrl;

/// The port that OTLP over gRPC has by convention.
const GRPC: u16 = 4317;

/// The service's one method.
const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Where traces are posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub uri: Uri,
    /// As gRPC does it.
    pub is_grpc: bool,
}

impl Endpoint {
    /// `grpc://`, `grpcs://` and port 4317 mean gRPC; all others are posted to as they are, or at `/v1/traces` where
    /// they name no path.
    pub(super) fn of(url: &HttpUrl) -> Result<Self, InvalidUri> {
        let (scheme, rest) = url.as_str().split_once("://").unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let port = Uri::try_from(format!("http://{authority}"))?.port_u16();
        let (scheme, by_name) = match scheme {
            "grpc" => ("http", true),
            "grpcs" => ("https", true),
            scheme => (scheme, false),
        };
        let is_grpc = by_name || port == Some(GRPC);
        let authority = match port {
            None if by_name => format!("{authority}:{GRPC}"),
            _ => authority.to_owned(),
        };
        let more = match (is_grpc, path) {
            (true, _) => METHOD,
            (false, "") => "/v1/traces",
            (false, _) => "",
        };
        let uri = Uri::try_from(format!("{scheme}://{authority}{path}{more}"))?;
        Ok(Self { uri, is_grpc })
    }
}

#[cfg(test)]
mod tests;

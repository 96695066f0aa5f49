//! Header names that HTTP itself does not have, each spelled once, and values
//! for them.

use std::fmt::{Display, Write};

use hyper::header::{HeaderName, HeaderValue};

/// Which API this is; older clients look for it on every answer.
pub const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// The digest of the content that an answer carries or is about.
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The id of an upload session.
pub const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// The subject of a pushed manifest: says that referrers are listed here.
pub const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// A tag that a push has set; repeated.
pub const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Which filters were applied to a list of referrers.
pub const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// The registry in whose name the answer is given (`?ns=`).
pub const OCI_NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");

/// The value of [`API_VERSION`].
pub const REGISTRY_2: HeaderValue = HeaderValue::from_static("registry/2.0");

/// `text` as a header's value. What cannot stand in a header becomes an empty
/// value: everything given to it is made of our own words and checked nouns,
/// so this never happens, and it must not be a panic if it does.
pub fn value(text: impl Display) -> HeaderValue {
    // Room for a digest and more: else it is put together in several steps.
    let mut value = String::with_capacity(128);
    match write!(value, "{text}") {
        Ok(()) => HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("")),
        Err(_) => HeaderValue::from_static(""),
    }
}

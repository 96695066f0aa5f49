//! Every request of the API. The unit tests of the routes read it as well, and see that it is whole.

/// What a push sends. `{d}` is its digest, and `{id}` the id of no upload.
pub const INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// A request: its route, its method and URL, what it needs permission for, and what an empty registry answers
/// whoever may do all of that: the status, and the code of an error.
pub type Request = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    u16,
    &'static str,
);

#[rustfmt::skip] // a table
pub const EVERY_REQUEST: &[Request] = &[
    ("Version", "GET", "/v2/", &["get-api-version"], 200, ""),
    ("Version", "HEAD", "/v2/", &["get-api-version"], 200, ""),
    ("Extensions", "GET", "/v2/_oci/ext/discover", &["get-api-version"], 200, ""),
    ("Extensions", "HEAD", "/v2/_oci/ext/discover", &["get-api-version"], 200, ""),
    ("Extensions", "GET", "/v2/a/_oci/ext/discover", &["get-api-version"], 200, ""),
    ("Extensions", "HEAD", "/v2/a/_oci/ext/discover", &["get-api-version"], 200, ""),
    // Judged for each repository that it lists, so it is denied to nobody.
    ("Catalog", "GET", "/v2/_catalog", &[], 200, ""),
    ("Catalog", "HEAD", "/v2/_catalog", &[], 200, ""),
    // Judged for each repository that a token is asked for, and only served where there are identities.
    ("Token", "GET", "/token", &[], 404, ""),
    ("TokenByForm", "POST", "/token", &[], 404, ""),
    ("GetBlob", "GET", "/v2/a/blobs/{d}", &["get-blob"], 404, "BLOB_UNKNOWN"),
    ("StatBlob", "HEAD", "/v2/a/blobs/{d}", &["get-blob"], 404, ""),
    ("DeleteBlob", "DELETE", "/v2/a/blobs/{d}", &["delete-blob"], 404, "BLOB_UNKNOWN"),
    ("GetManifest", "GET", "/v2/a/manifests/x", &["get-manifest"], 404, "MANIFEST_UNKNOWN"),
    ("GetManifest", "GET", "/v2/a/manifests/{d}", &["get-manifest"], 404, "MANIFEST_UNKNOWN"),
    ("StatManifest", "HEAD", "/v2/a/manifests/x", &["get-manifest"], 404, ""),
    ("StatManifest", "HEAD", "/v2/a/manifests/{d}", &["get-manifest"], 404, ""),
    ("PutManifest", "PUT", "/v2/a/manifests/x", &["put-manifest"], 201, ""),
    ("PutManifest", "PUT", "/v2/a/manifests/{d}", &["put-manifest"], 201, ""),
    ("PutManifest", "PUT", "/v2/a/manifests/{d}?tag=x", &["put-manifest"], 201, ""),
    ("DeleteManifest", "DELETE", "/v2/a/manifests/x", &["delete-manifest"], 404, "MANIFEST_UNKNOWN"),
    ("DeleteManifest", "DELETE", "/v2/a/manifests/{d}", &["delete-manifest"], 404, "MANIFEST_UNKNOWN"),
    ("ListTags", "GET", "/v2/a/tags/list", &["list-tags"], 404, "NAME_UNKNOWN"),
    ("ListTags", "HEAD", "/v2/a/tags/list", &["list-tags"], 404, ""),
    ("ListReferrers", "GET", "/v2/a/referrers/{d}", &["get-referrers"], 200, ""),
    ("ListReferrers", "HEAD", "/v2/a/referrers/{d}", &["get-referrers"], 200, ""),
    ("StartUpload", "POST", "/v2/a/blobs/uploads/", &["start-upload"], 202, ""),
    ("PushBlob", "POST", "/v2/a/blobs/uploads/?digest={d}", &["start-upload", "complete-upload"], 201, ""),
    ("MountBlob", "POST", "/v2/a/blobs/uploads/?mount={d}&from=a", &["start-upload"], 202, ""),
    ("MountBlob", "POST", "/v2/a/blobs/uploads/?mount={d}", &["start-upload"], 202, ""),
    ("UploadStatus", "GET", "/v2/a/blobs/uploads/{id}", &["get-upload"], 404, "BLOB_UPLOAD_UNKNOWN"),
    ("UploadStatus", "HEAD", "/v2/a/blobs/uploads/{id}", &["get-upload"], 404, ""),
    ("AppendUpload", "PATCH", "/v2/a/blobs/uploads/{id}", &["update-upload"], 404, "BLOB_UPLOAD_UNKNOWN"),
    ("FinishUpload", "PUT", "/v2/a/blobs/uploads/{id}?digest={d}", &["complete-upload"], 404, "BLOB_UPLOAD_UNKNOWN"),
    ("CancelUpload", "DELETE", "/v2/a/blobs/uploads/{id}", &["cancel-upload"], 404, "BLOB_UPLOAD_UNKNOWN"),
];

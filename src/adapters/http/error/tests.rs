use std::io;

use http_body_util::BodyExt;

use super::*;
use crate::domain::model::{Algorithm, Digest, Hasher, InvalidManifest, Timestamp};
use crate::domain::model::{UploadId, UploadSession};

/// The codes of spec.md, "Error Codes".
const CODES: [&str; 14] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
];

fn digest() -> Digest {
    Hasher::digest_of(Algorithm::Sha256, b"")
}

fn session() -> UploadSession {
    let id: UploadId = "01234567-89ab-cdef-0123-456789abcdef".parse().unwrap();
    UploadSession {
        id,
        started_at: Timestamp::from_millis(0),
        hasher: Hasher::new(Algorithm::Sha256),
        pieces: vec![],
        unknown: serde_json::Map::new(),
    }
}

fn every_registry_error() -> Vec<(RegistryError, u16)> {
    use RegistryError as R;
    let broken = |kind: io::ErrorKind| R::BodyBroken(kind.into());
    vec![
        (R::BlobUnknown(digest()), 404),
        (R::UploadInvalid(Box::new(session())), 416),
        (R::UploadUnknown, 404),
        (R::DigestInvalid("x".to_owned()), 400),
        (R::ManifestBlobUnknown(digest()), 404),
        (R::ManifestInvalid(InvalidManifest::Shapeless), 400),
        (R::ManifestTooLarge { limit: 9 }, 413),
        (R::ManifestUnknown("latest".to_owned()), 404),
        (R::NameInvalid("x".to_owned()), 400),
        (R::NameUnknown, 404),
        (R::SizeInvalid("x".to_owned()), 400),
        (R::ScopeInsufficient, 401),
        (R::Denied, 403),
        (
            R::TagImmutable {
                tag: "v1".parse().unwrap(),
                pattern: "v*".to_owned().try_into().unwrap(),
            },
            403,
        ),
        (R::Unsupported("x".to_owned()), 405),
        (R::TooManyRequests, 429),
        (R::RangeInvalid { size: 5 }, 416),
        (R::PreconditionFailed, 412),
        (R::TooManyTags { limit: 9 }, 414),
        (broken(io::ErrorKind::TimedOut), 408),
        (broken(io::ErrorKind::UnexpectedEof), 400),
        (R::Unavailable("secret".into()), 503),
    ]
}

async fn answer(error: HttpError) -> (Response<()>, String) {
    let (head, body) = error.into_response("request-7").into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (Response::from_parts(head, ()), text)
}

#[tokio::test]
async fn every_error_has_its_status_and_one_of_the_specs_codes() {
    for (error, status) in every_registry_error() {
        let shown = format!("{error:?}");
        let (head, body) = answer(error.into()).await;

        assert_eq!(head.status(), status, "{shown}");
        let is_json = head.headers()[CONTENT_TYPE] == "application/json";
        if head.status().is_client_error() && is_json {
            let body: Value = serde_json::from_str(&body).unwrap();
            let code = body["errors"][0]["code"].as_str().unwrap();
            assert!(CODES.contains(&code), "{code}");
            assert!(body["errors"][0]["message"].is_string());
        }
    }
}

/// lessons.md, correctness 46
#[tokio::test]
async fn a_failure_of_ours_shows_a_request_id_and_nothing_else() {
    let failures = [
        Cause::Registry(RegistryError::Unavailable("secret".into())),
        Cause::Panicked("secret".to_owned()),
    ];
    for failure in failures {
        let (head, body) = answer(failure.into()).await;

        assert!(head.status().is_server_error());
        assert!(!body.contains("secret"), "{body}");
        assert!(body.contains("request-7"), "{body}");
    }
}

#[test]
fn the_log_sees_the_whole_chain() {
    let store = crate::ports::StoreError::Unavailable {
        what: "reading x".to_owned(),
        source: "disk on fire".into(),
    };
    let error = HttpError::from(RegistryError::from(store));

    assert_eq!(
        error.chain(),
        "the registry cannot answer now: storage: reading x: disk on fire"
    );
}

#[tokio::test]
async fn a_wrong_method_learns_the_right_ones() {
    let (head, body) = answer(Cause::MethodNotAllowed("GET, HEAD").into()).await;

    assert_eq!(head.status(), 405);
    assert_eq!(head.headers()[ALLOW], "GET, HEAD");
    assert!(body.contains("UNSUPPORTED"));
}

#[tokio::test]
async fn whoever_is_turned_away_learns_when_to_come_back() {
    let (head, body) = answer(RegistryError::TooManyRequests.into()).await;

    assert_eq!(head.headers()[RETRY_AFTER], "5");
    assert!(body.contains(r#""detail":{"retry_after":5}"#), "{body}");
}

#[tokio::test]
async fn a_range_outside_the_blob_learns_its_size() {
    let (head, _) = answer(RegistryError::RangeInvalid { size: 5 }.into()).await;

    assert_eq!(head.headers()[CONTENT_RANGE], "bytes */5");
}

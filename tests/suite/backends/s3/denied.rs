//! What S3 does not allow, or does not do, at the start and later.

use simple_registry::adapters::storage::{Bucket, StoreMetrics};
use simple_registry::domain::model::Page;

use super::server::Server;
use crate::contracts::{repository, sha256};
use crate::support::{Setup, TestRegistry, digest_of};

/// An error and what caused it, as the log shows it.
fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(chain);
    cause.map_or(error.to_string(), |cause| format!("{error}: {cause}"))
}

#[tokio::test]
async fn each_permission_that_is_missing_is_named_and_nothing_is_left_behind() {
    for (operations, permission) in [
        (&["GetObject"][..], "s3:GetObject"),
        (&["ListObjectsV2"], "s3:ListBucket"),
        (&["PutObject"], "s3:PutObject"),
        (&["CopyObject"], "s3:PutObject"),
        (&["DeleteObject", "DeleteObjects"], "s3:DeleteObject"),
    ] {
        let server = Server::start().await;
        server.deny(operations);

        let Err(error) = Bucket::open(&server.config(""), 4096, &StoreMetrics::default()).await
        else {
            panic!("opened without {permission}");
        };

        assert_eq!(error.key, "storage.s3.access_key_id");
        let line = error.to_string();
        let expected = format!("it lacks a permission: allow it {permission} (AccessDenied)");
        assert!(line.starts_with(&expected), "{operations:?}: {line}");
        let left = server.files();
        assert!(!left.iter().any(|path| path.contains("probe")), "{left:?}");
    }
}

#[tokio::test]
async fn a_start_leaves_nothing_of_its_probes() {
    let server = Server::start().await;

    Bucket::open(&server.config(""), 4096, &StoreMetrics::default())
        .await
        .unwrap();

    let left = server.files();
    assert!(!left.iter().any(|path| path.contains("probe")), "{left:?}");
}

#[tokio::test]
async fn a_permission_that_is_taken_away_is_told_and_the_rest_goes_on() {
    let super::Stored { ports, server } = super::open().await;
    let registry = TestRegistry::with(Setup {
        storage: ports.clone(),
        ..Setup::default()
    });
    let registry = registry.await;
    let digest = registry.push_blob("a", b"before").await;

    server.deny(&["PutObject"]);

    let new = digest_of(b"after");
    let push = registry.post(format!("/v2/a/blobs/uploads/?digest={new}"));
    let push = push.body("after").send().await;
    let push = push.expect_error(503, "UNAVAILABLE");
    let text = String::from_utf8_lossy(&push.body).into_owned();
    assert!(!text.contains("s3"), "clients are not told: {text}");
    let pull = registry.get(format!("/v2/a/blobs/{digest}")).send().await;
    assert_eq!(pull.expect_status(200).body, b"before");
    let added = ports.links.add(&repository("a"), &sha256(b"after")).await;
    let line = chain(&added.unwrap_err());
    assert!(
        line.ends_with(
            ": storage.s3.access_key_id: it lacks a permission: allow it s3:PutObject (AccessDenied)"
        ),
        "{line}"
    );

    server.deny(&[]);
    registry.push_blob("a", b"after").await;
}

#[tokio::test]
async fn an_outage_is_told_in_one_line_and_ends() {
    let super::Stored { ports, server } = super::open().await;
    server.break_down(true);

    let (a, x, all) = (repository("a"), sha256(b"x"), Page::all());
    let (head, get) = tokio::join!(ports.blobs.open(&x), ports.tags.list(&a, &all));

    for (line, why) in [
        (chain(&head.err().unwrap()), "(status 503)"),
        (chain(&get.unwrap_err()), "(ServiceUnavailable)"),
    ] {
        assert!(!line.contains('\n'), "{line}");
        let expected = format!(
            ": storage.s3.endpoint: the service fails at present {why}: see to it, or wait"
        );
        assert!(line.ends_with(&expected), "{line}");
    }
    server.break_down(false);
    assert!(!ports.links.exists(&a, &x).await.unwrap());
}

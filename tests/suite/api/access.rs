//! Access: what the policy denies is denied everywhere.

use std::sync::Arc;

use crate::support::{Image, Setup, TestRegistry, digest_of};

/// Requests to every endpoint of a repository.
pub fn everything(repository: &str) -> Vec<(&'static str, String)> {
    let digest = digest_of(b"x");
    let id = "01234567-89ab-cdef-0123-456789abcdef";
    let paths = [
        ("GET", format!("blobs/{digest}")),
        ("HEAD", format!("blobs/{digest}")),
        ("DELETE", format!("blobs/{digest}")),
        ("GET", "manifests/latest".to_owned()),
        ("HEAD", "manifests/latest".to_owned()),
        ("GET", format!("manifests/{digest}")),
        ("PUT", "manifests/latest".to_owned()),
        ("PUT", format!("manifests/{digest}?tag=x")),
        ("DELETE", "manifests/latest".to_owned()),
        ("DELETE", format!("manifests/{digest}")),
        ("GET", "tags/list".to_owned()),
        ("GET", format!("referrers/{digest}")),
        ("POST", "blobs/uploads/".to_owned()),
        ("POST", format!("blobs/uploads/?digest={digest}")),
        ("POST", format!("blobs/uploads/?mount={digest}&from=a")),
        ("POST", format!("blobs/uploads/?mount={digest}")),
        ("GET", format!("blobs/uploads/{id}")),
        ("PATCH", format!("blobs/uploads/{id}")),
        ("PUT", format!("blobs/uploads/{id}?digest={digest}")),
        ("DELETE", format!("blobs/uploads/{id}")),
    ];
    paths
        .into_iter()
        .map(|(method, path)| (method, format!("/v2/{repository}/{path}")))
        .collect()
}

/// code-12; lessons.md, security 7: every verb, not only most of them.
#[tokio::test]
async fn a_closed_namespace_denies_every_request() {
    let setup = Setup::with_namespaces([("*", Setup::open()), ("secret", Setup::closed())]);
    let registry = TestRegistry::with(setup).await;

    for (method, path) in everything("secret/a") {
        let answer = registry.call(method, &path).send().await;
        if method == "HEAD" {
            answer.expect_status(403);
        } else {
            answer.expect_error(403, "DENIED");
        }
    }
}

/// semantics.md, "Repositories": default deny.
#[tokio::test]
async fn a_name_that_no_entry_matches_is_denied() {
    let registry = TestRegistry::with(Setup::with_namespaces([("test", Setup::open())])).await;

    registry
        .get("/v2/testing/tags/list")
        .send()
        .await
        .expect_error(403, "DENIED");
    registry
        .get("/v2/test/tags/list")
        .send()
        .await
        .expect_error(404, "NAME_UNKNOWN");
    registry
        .get("/v2/test/a/tags/list")
        .send()
        .await
        .expect_error(404, "NAME_UNKNOWN");
}

/// semantics.md, "Access policy": judged by the entry for every name, else allowed.
#[tokio::test]
async fn the_api_itself_is_judged_by_the_entry_for_everything() {
    let table = [
        (vec![], 200),
        (vec![("a", Setup::closed())], 200),
        (vec![("*", Setup::open())], 200),
        (vec![("*", Setup::closed())], 403),
    ];
    for (namespaces, status) in table {
        let registry = TestRegistry::with(Setup::with_namespaces(namespaces)).await;

        registry.get("/v2/").send().await.expect_status(status);
        registry
            .get("/v2/_oci/ext/discover")
            .send()
            .await
            .expect_status(status);
        registry
            .get("/v2/a/_oci/ext/discover")
            .send()
            .await
            .expect_status(status);
    }
}

/// end-11; lessons.md, security 8 (CVE-2024-39897): a mount never reveals or
/// grants what the caller may not read.
#[tokio::test]
async fn a_mount_from_where_one_may_not_read_becomes_an_upload() {
    let setup = Setup::default();
    let storage = setup.storage.clone();
    let open = TestRegistry::with(setup).await;
    let digest = open.push_blob("secret/a", b"content").await;

    let registry = TestRegistry::with(Setup {
        storage,
        ..Setup::with_namespaces([("*", Setup::open()), ("secret", Setup::closed())])
    })
    .await;

    for from in ["&from=secret/a", ""] {
        let path = format!("/v2/b/blobs/uploads/?mount={digest}{from}");
        registry.post(path).send().await.expect_status(202);
    }
    registry
        .head(format!("/v2/b/blobs/{digest}"))
        .send()
        .await
        .expect_status(404);
}

/// semantics.md, "Reload": the next request sees the new policy, also on a
/// connection that was there before.
#[tokio::test]
async fn a_new_policy_counts_at_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let registry = TestRegistry::start().await;
    Image::new(1).push(&registry, "a", "latest").await;
    let request = "GET /v2/a/manifests/latest HTTP/1.1\r\nHost: r\r\n\r\n";
    let mut stream = registry.raw(request).await;
    let mut buffer = vec![0; 100_000];
    let length = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..length].starts_with(b"HTTP/1.1 200"));

    let closed = Setup::with_namespaces([("*", Setup::closed())]).registry();
    registry.registry.send_replace(Arc::clone(&closed));
    stream.write_all(request.as_bytes()).await.unwrap();
    let length = stream.read(&mut buffer).await.unwrap();

    assert!(buffer[..length].starts_with(b"HTTP/1.1 403"));
}

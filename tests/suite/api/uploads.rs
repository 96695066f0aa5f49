//! Uploads: end-4 to end-6, end-11, end-13, end-14.

use simple_registry::domain::model::{Algorithm, Hasher};

use crate::support::{Answer, TestRegistry, digest_of, random};

fn sha512(content: &[u8]) -> String {
    Hasher::digest_of(Algorithm::Sha512, content).to_string()
}

async fn pulled(registry: &TestRegistry, repository: &str, digest: &str) -> Vec<u8> {
    let answer = registry
        .get(format!("/v2/{repository}/blobs/{digest}"))
        .send()
        .await;
    answer.expect_status(200).body
}

fn assert_created(answer: &Answer, repository: &str, digest: &str) {
    let location = format!("/v2/{repository}/blobs/{digest}");
    assert_eq!(answer.header("location"), Some(&*location));
    assert_eq!(answer.header("docker-content-digest"), Some(digest));
}

/// end-4a
#[tokio::test]
async fn a_session_begins_with_nothing() {
    let registry = TestRegistry::start().await;

    let answer = registry
        .post("/v2/a/b/blobs/uploads/")
        .send()
        .await
        .expect_status(202);

    let id = answer.header("docker-upload-uuid").unwrap();
    let location = format!("/v2/a/b/blobs/uploads/{id}");
    assert_eq!(answer.header("location"), Some(&*location));
    assert_eq!(answer.header("range"), Some("0-0"));
    assert_eq!(answer.header("content-length"), Some("0"));
}

/// end-4b
#[tokio::test]
async fn a_blob_can_be_pushed_in_one_request() {
    let registry = TestRegistry::start().await;
    for (content, digest) in [
        (random(1, 100_000), digest_of(&random(1, 100_000))),
        (random(2, 1000), sha512(&random(2, 1000))),
        (vec![], digest_of(b"")),
    ] {
        let call = registry.post(format!("/v2/a/blobs/uploads/?digest={digest}"));
        let answer = call.body(&content).send().await.expect_status(201);

        assert_created(&answer, "a", &digest);
        assert_eq!(pulled(&registry, "a", &digest).await, content);
    }
}

/// end-4a, end-6
#[tokio::test]
async fn a_blob_can_be_pushed_with_a_session_and_a_put() {
    let registry = TestRegistry::start().await;
    let content = random(3, 100_000);
    let digest = digest_of(&content);
    let location = registry.start_upload("a").await;

    let call = registry.put(format!("{location}?digest={digest}"));
    let answer = call.body(&content).send().await.expect_status(201);

    assert_created(&answer, "a", &digest);
    assert_eq!(pulled(&registry, "a", &digest).await, content);
}

/// end-5 as Docker does it: one PATCH that streams, an empty PUT.
#[tokio::test]
async fn a_blob_can_be_streamed() {
    let registry = TestRegistry::start().await;
    let content = random(4, 100_000);
    let digest = digest_of(&content);
    let location = registry.start_upload("a").await;

    let answer = registry
        .patch(&location)
        .body(&content)
        .chunked()
        .send()
        .await;
    let answer = answer.expect_status(202);
    assert_eq!(answer.header("range"), Some("0-99999"));
    assert_eq!(answer.header("location"), Some(&*location));
    assert!(location.ends_with(answer.header("docker-upload-uuid").unwrap()));

    let call = registry.put(format!("{location}?_state=x&digest={digest}"));
    call.send().await.expect_status(201);
    assert_eq!(pulled(&registry, "a", &digest).await, content);
}

/// end-5, end-6: the last chunk may come with the PUT.
#[tokio::test]
async fn a_blob_can_be_pushed_in_chunks() {
    let registry = TestRegistry::start().await;
    let content = random(5, 2500);
    let digest = digest_of(&content);
    let location = registry.start_upload("a").await;

    for (part, range) in [(0..1000, "0-999"), (1000..2000, "1000-1999")] {
        let call = registry.patch(&location).header("Content-Range", range);
        let answer = call
            .body(&content[part.clone()])
            .send()
            .await
            .expect_status(202);
        assert_eq!(
            answer.header("range"),
            Some(&*format!("0-{}", part.end - 1))
        );
    }
    let call = registry.put(format!("{location}?digest={digest}"));
    let call = call
        .header("Content-Range", "2000-2499")
        .body(&content[2000..]);
    call.send().await.expect_status(201);

    assert_eq!(pulled(&registry, "a", &digest).await, content);
}

/// end-13
#[tokio::test]
async fn a_session_tells_where_it_stands() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;

    let answer = registry.get(&location).send().await.expect_status(204);
    assert_eq!(answer.header("range"), Some("0-0"));
    assert_eq!(answer.header("location"), Some(&*location));

    registry
        .patch(&location)
        .body(b"12345")
        .send()
        .await
        .expect_status(202);
    let digest = digest_of(b"x");
    let answer = registry
        .get(format!("{location}?digest={digest}"))
        .send()
        .await;
    assert_eq!(answer.expect_status(204).header("range"), Some("0-4"));
}

/// end-5, end-6: 416 says where to go on, and the session lives
/// (spec.md, "Pushing a blob in chunks").
#[tokio::test]
async fn a_chunk_out_of_order_leaves_the_session() {
    let registry = TestRegistry::start().await;
    let content = random(6, 1000);
    let digest = digest_of(&content);
    let location = registry.start_upload("a").await;
    registry
        .patch(&location)
        .body(&content[..500])
        .send()
        .await
        .expect_status(202);

    let with_digest = format!("{location}?digest={digest}");
    for call in [registry.patch(&location), registry.put(&with_digest)] {
        let call = call
            .header("Content-Range", "600-999")
            .body(&content[600..]);
        let answer = call.send().await.expect_error(416, "BLOB_UPLOAD_INVALID");
        assert_eq!(answer.header("range"), Some("0-499"));
        assert_eq!(answer.header("location"), Some(&*location));

        let answer = registry.get(&with_digest).send().await.expect_status(204);
        assert_eq!(answer.header("range"), Some("0-499"));
    }

    let call = registry
        .put(&with_digest)
        .header("Content-Range", "500-999");
    call.body(&content[500..]).send().await.expect_status(201);
}

/// lessons.md, correctness 22 and 23
#[tokio::test]
async fn a_chunk_of_another_length_than_announced_does_not_count() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;

    let chunks: [(&str, &[u8], bool); 4] = [
        ("0-9", b"12345", false),
        ("0-2", b"12345", false),
        ("0-9", b"12345", true),
        ("0-2", b"12345", true),
    ];
    for (range, body, chunked) in chunks {
        let call = registry
            .patch(&location)
            .header("Content-Range", range)
            .body(body);
        let call = if chunked { call.chunked() } else { call };
        call.send().await.expect_error(400, "SIZE_INVALID");

        let answer = registry.get(&location).send().await.expect_status(204);
        assert_eq!(answer.header("range"), Some("0-0"));
    }
}

#[tokio::test]
async fn a_content_range_must_be_written_as_the_spec_wants() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;

    for range in ["bytes 0-4/5", "0-", "4-0", "x"] {
        let call = registry.patch(&location).header("Content-Range", range);
        call.body(b"12345")
            .send()
            .await
            .expect_error(400, "SIZE_INVALID");
    }
}

/// code-4
#[tokio::test]
async fn content_of_another_digest_is_refused() {
    let registry = TestRegistry::start().await;
    let digest = digest_of(b"something else");

    let call = registry.post(format!("/v2/a/blobs/uploads/?digest={digest}"));
    call.body(b"content")
        .send()
        .await
        .expect_error(400, "DIGEST_INVALID");

    let location = registry.start_upload("a").await;
    let call = registry.put(format!("{location}?digest={digest}"));
    call.body(b"content")
        .send()
        .await
        .expect_error(400, "DIGEST_INVALID");

    registry
        .head(format!("/v2/a/blobs/{digest}"))
        .send()
        .await
        .expect_status(404);
    registry
        .head(format!("/v2/a/blobs/{}", digest_of(b"content")))
        .send()
        .await
        .expect_status(404);
}

/// code-4
#[tokio::test]
async fn an_upload_ends_with_a_digest() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;

    for query in ["", "?digest=", "?digest=sha256:short", "?digest=md5:00"] {
        let answer = registry.put(format!("{location}{query}")).send().await;
        answer.expect_error(400, "DIGEST_INVALID");
    }
}

/// end-4c
#[tokio::test]
async fn the_algorithm_can_be_announced() {
    let registry = TestRegistry::start().await;
    let content = random(7, 1000);
    let digest = sha512(&content);

    let answer = registry
        .post("/v2/a/blobs/uploads/?digest-algorithm=sha512")
        .send()
        .await;
    let answer = answer.expect_status(202);
    let location = answer.header("location").unwrap();
    registry
        .patch(location)
        .body(&content)
        .send()
        .await
        .expect_status(202);
    registry
        .put(format!("{location}?digest={digest}"))
        .send()
        .await
        .expect_status(201);
    assert_eq!(pulled(&registry, "a", &digest).await, content);

    let answer = registry
        .post("/v2/a/blobs/uploads/?digest-algorithm=md5")
        .send()
        .await;
    answer.expect_error(400, "DIGEST_INVALID");
}

/// Clients do not announce sha512 yet.
#[tokio::test]
async fn an_upload_may_end_with_a_digest_that_nobody_announced() {
    let registry = TestRegistry::start().await;
    let content = random(8, 1000);
    let digest = sha512(&content);
    let location = registry.start_upload("a").await;
    registry
        .patch(&location)
        .body(&content)
        .send()
        .await
        .expect_status(202);

    let answer = registry
        .put(format!("{location}?digest={digest}"))
        .send()
        .await;

    assert_created(&answer.expect_status(201), "a", &digest);
    assert_eq!(pulled(&registry, "a", &digest).await, content);
}

/// lessons.md, correctness 24: the answer to the first PUT may have got lost.
#[tokio::test]
async fn an_upload_can_be_finished_again() {
    let registry = TestRegistry::start().await;
    let digest = digest_of(b"content");
    let location = registry.start_upload("a").await;
    let path = format!("{location}?digest={digest}");
    registry
        .put(&path)
        .body(b"content")
        .send()
        .await
        .expect_status(201);

    registry.put(&path).send().await.expect_status(201);

    assert_eq!(pulled(&registry, "a", &digest).await, b"content");
}

/// end-14
#[tokio::test]
async fn a_cancelled_session_is_unknown() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    registry
        .patch(&location)
        .body(b"content")
        .send()
        .await
        .expect_status(202);

    registry.delete(&location).send().await.expect_status(204);

    let code = "BLOB_UPLOAD_UNKNOWN";
    registry.get(&location).send().await.expect_error(404, code);
    registry
        .patch(&location)
        .body(b"x")
        .send()
        .await
        .expect_error(404, code);
    registry
        .delete(&location)
        .send()
        .await
        .expect_error(404, code);
    let digest = digest_of(b"content");
    let answer = registry
        .put(format!("{location}?digest={digest}"))
        .send()
        .await;
    answer.expect_error(404, code);
}

/// code-3
#[tokio::test]
async fn a_session_belongs_to_one_repository() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    let elsewhere = location.replace("/v2/a/", "/v2/b/");

    let answer = registry.get(elsewhere).send().await;

    answer.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

/// end-11
#[tokio::test]
async fn a_blob_can_be_mounted_from_another_repository() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", b"content").await;

    let path = format!("/v2/b/blobs/uploads/?mount={digest}&from=a");
    let answer = registry.post(path).send().await.expect_status(201);

    assert_created(&answer, "b", &digest);
    assert_eq!(pulled(&registry, "b", &digest).await, b"content");
}

/// end-11 without `from`: wherever the caller may read it.
#[tokio::test]
async fn a_blob_can_be_mounted_from_anywhere() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", b"content").await;

    let path = format!("/v2/b/blobs/uploads/?mount={digest}");
    let answer = registry.post(path).send().await.expect_status(201);

    assert_created(&answer, "b", &digest);
}

/// end-11: never 404; the client goes on with an upload.
#[tokio::test]
async fn a_mount_that_cannot_be_becomes_an_upload() {
    let registry = TestRegistry::start().await;
    let digest = digest_of(b"content");

    for from in ["", "&from=a", "&from=not/there"] {
        let path = format!("/v2/b/blobs/uploads/?mount={digest}{from}");
        let answer = registry.post(path).send().await.expect_status(202);

        let location = answer.header("location").unwrap();
        let call = registry.put(format!("{location}?digest={digest}"));
        call.body(b"content").send().await.expect_status(201);
        registry
            .delete(format!("/v2/b/blobs/{digest}"))
            .send()
            .await
            .expect_status(202);
    }
}

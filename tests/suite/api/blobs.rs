//! Blobs: end-2, end-10.

use crate::support::{TestRegistry, digest_of, random};

/// end-2
#[tokio::test]
async fn a_blob_comes_back_as_it_was_pushed() {
    let registry = TestRegistry::start().await;
    let content = random(1, 300_000);
    let digest = registry.push_blob("a/b", &content).await;
    let path = format!("/v2/a/b/blobs/{digest}");

    let answer = registry.get(&path).send().await.expect_status(200);
    assert_eq!(answer.body, content);
    assert_eq!(answer.header("docker-content-digest"), Some(&*digest));
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("content-encoding"), None);
    assert!(
        answer
            .header("cache-control")
            .unwrap()
            .contains("immutable")
    );

    let answer = registry.head(&path).send().await.expect_status(200);
    assert_eq!(answer.header("content-length"), Some("300000"));
    assert_eq!(answer.header("docker-content-digest"), Some(&*digest));
}

/// Clients offer to unpack; digests are of what is sent.
#[tokio::test]
async fn a_blob_is_never_encoded() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", &[b'x'; 10_000]).await;

    let call = registry.get(format!("/v2/a/blobs/{digest}"));
    let answer = call
        .header("Accept-Encoding", "zstd, gzip, deflate")
        .send()
        .await;

    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.body.len(), 10_000);
}

/// end-2
#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", b"").await;

    let answer = registry.get(format!("/v2/a/blobs/{digest}")).send().await;
    assert_eq!(answer.expect_status(200).body, b"");

    let answer = registry.head(format!("/v2/a/blobs/{digest}")).send().await;
    assert_eq!(
        answer.expect_status(200).header("content-length"),
        Some("0")
    );
}

/// end-2; code-1
#[tokio::test]
async fn a_blob_that_was_not_pushed_is_unknown() {
    let registry = TestRegistry::start().await;
    let path = format!("/v2/a/blobs/{}", digest_of(b"absent"));

    registry
        .get(&path)
        .send()
        .await
        .expect_error(404, "BLOB_UNKNOWN");
    registry.head(&path).send().await.expect_status(404);
    registry
        .delete(&path)
        .send()
        .await
        .expect_error(404, "BLOB_UNKNOWN");
}

/// lessons.md, correctness 33, security 8: whether another repository has the
/// blob does not show.
#[tokio::test]
async fn a_blob_is_unknown_where_it_is_not_linked() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", b"secret").await;

    let elsewhere = registry.get(format!("/v2/b/blobs/{digest}")).send().await;
    let elsewhere = elsewhere.expect_error(404, "BLOB_UNKNOWN");
    let nowhere = registry
        .get(format!("/v2/b/blobs/{}", digest_of(b"absent")))
        .send()
        .await;

    let shape = |body: &[u8]| String::from_utf8_lossy(body).len();
    assert_eq!(shape(&elsewhere.body), shape(&nowhere.body));
}

/// spec.md, "Pulling blobs"; RFC 9110, section 14
#[tokio::test]
async fn a_part_of_a_blob_can_be_pulled() {
    let registry = TestRegistry::start().await;
    let content = random(2, 2048);
    let digest = registry.push_blob("a", &content).await;
    let table = [
        ("bytes=500-1499", 500..1500),
        ("bytes=500-", 500..2048),
        ("bytes=-500", 1548..2048),
        ("bytes=2000-5000", 2000..2048),
        ("bytes=0-0", 0..1),
    ];
    for (range, part) in table {
        let call = registry.get(format!("/v2/a/blobs/{digest}"));
        let answer = call.header("Range", range).send().await.expect_status(206);

        let content_range = format!("bytes {}-{}/2048", part.start, part.end - 1);
        assert_eq!(answer.header("content-range"), Some(&*content_range));
        assert_eq!(answer.header("docker-content-digest"), Some(&*digest));
        assert_eq!(answer.body, content[part]);
    }
}

#[tokio::test]
async fn a_part_that_the_blob_does_not_have_is_refused() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", &random(3, 2048)).await;

    for range in ["bytes=5000-10000", "bytes=500-0"] {
        let call = registry.get(format!("/v2/a/blobs/{digest}"));
        let answer = call.header("Range", range).send().await.expect_status(416);

        assert_eq!(answer.header("content-range"), Some("bytes */2048"));
    }
}

/// RFC 9110, section 14.6; clients of `zstd:chunked` ask so.
#[tokio::test]
async fn several_parts_come_in_one_answer() {
    let registry = TestRegistry::start().await;
    let content = random(4, 2048);
    let digest = registry.push_blob("a", &content).await;

    let call = registry.get(format!("/v2/a/blobs/{digest}"));
    let answer = call.header("Range", "bytes=0-9,100-109,-5").send().await;

    let answer = answer.expect_status(206);
    let content_type = answer.header("content-type").unwrap();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let mut expected = Vec::new();
    for part in [0..10, 100..110, 2043..2048] {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {}-{}/2048\r\n\r\n",
            part.start,
            part.end - 1
        );
        expected.extend(head.bytes());
        expected.extend(&content[part]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").bytes());
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn absurd_ranges_get_the_whole_blob() {
    let registry = TestRegistry::start().await;
    let content = random(5, 2048);
    let digest = registry.push_blob("a", &content).await;
    let many: Vec<String> = (0..100).map(|at| format!("{at}-{at}")).collect();

    for range in [&*many.join(","), "0-2047,0-2047,0-2047", "x"] {
        let call = registry.get(format!("/v2/a/blobs/{digest}"));
        let answer = call.header("Range", format!("bytes={range}")).send().await;

        assert_eq!(answer.expect_status(200).body, content);
    }
}

/// RFC 9110, section 13
#[tokio::test]
async fn a_blob_that_the_client_has_is_not_sent_again() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", b"content").await;
    let path = format!("/v2/a/blobs/{digest}");
    let answer = registry.get(&path).send().await;
    let etag = answer.header("etag").unwrap().to_owned();

    for call in [registry.get(&path), registry.head(&path)] {
        let answer = call.header("If-None-Match", &etag).send().await;
        assert_eq!(answer.expect_status(304).body, b"");
    }

    let call = registry.get(&path).header("Range", "bytes=0-0");
    let answer = call.header("If-Range", "\"other\"").send().await;
    assert_eq!(answer.expect_status(200).body, b"content");

    let call = registry.get(&path).header("Range", "bytes=0-0");
    let answer = call.header("If-Range", &etag).send().await;
    assert_eq!(answer.expect_status(206).body, b"c");
}

/// end-10
#[tokio::test]
async fn a_deleted_blob_is_gone_at_once() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", b"content").await;
    registry.push_blob("b", b"content").await;
    let path = format!("/v2/a/blobs/{digest}");

    registry.delete(&path).send().await.expect_status(202);

    registry.head(&path).send().await.expect_status(404);
    registry
        .get(&path)
        .send()
        .await
        .expect_error(404, "BLOB_UNKNOWN");
    registry
        .delete(&path)
        .send()
        .await
        .expect_error(404, "BLOB_UNKNOWN");
    let elsewhere = registry.get(format!("/v2/b/blobs/{digest}")).send().await;
    assert_eq!(elsewhere.expect_status(200).body, b"content");
}

/// code-4; lessons.md, security 25
#[tokio::test]
async fn what_is_no_digest_is_refused() {
    let registry = TestRegistry::start().await;
    let upper = format!("sha256:{}", "A".repeat(64));

    for digest in [
        "sha256:short",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "latest",
        &upper,
    ] {
        let answer = registry.get(format!("/v2/a/blobs/{digest}")).send().await;
        answer.expect_error(400, "DIGEST_INVALID");
    }
}

/// containerd asks here for the content of any digest first.
#[tokio::test]
async fn a_manifest_can_be_pulled_as_a_blob() {
    let registry = TestRegistry::start().await;
    let image = crate::support::Image::new(1);
    image.push(&registry, "a", "latest").await;

    let answer = registry
        .get(format!("/v2/a/blobs/{}", image.digest))
        .send()
        .await;

    assert_eq!(answer.expect_status(200).body, image.manifest.as_bytes());
}

//! Manifests: end-3, end-7, end-9.

use serde_json::json;
use simple_registry::domain::model::{Algorithm, Hasher, MediaType};
use simple_registry::domain::namespaces::{MissingReferences, Namespace};

use crate::support::{Image, Setup, TestRegistry, digest_of, manifest};

/// end-3, end-7a: byte for byte, by tag and by digest.
#[tokio::test]
async fn a_manifest_comes_back_as_it_was_pushed() {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    image.push_blobs(&registry, "a/b").await;

    let call = registry.put("/v2/a/b/manifests/latest");
    let call = call.header(
        "Content-Type",
        format!("{}; charset=utf-8", MediaType::OCI_MANIFEST),
    );
    let answer = call.body(&image.manifest).send().await.expect_status(201);
    assert_eq!(answer.header("docker-content-digest"), Some(&*image.digest));
    let location = format!("/v2/a/b/manifests/{}", image.digest);
    assert_eq!(answer.header("location"), Some(&*location));

    for path in ["/v2/a/b/manifests/latest", &location] {
        let answer = registry.get(path).send().await.expect_status(200);
        assert_eq!(answer.body, image.manifest.as_bytes());
        assert_eq!(answer.header("content-type"), Some(MediaType::OCI_MANIFEST));
        assert_eq!(answer.header("docker-content-digest"), Some(&*image.digest));
        assert_eq!(
            answer.header("etag"),
            Some(&*format!("\"{}\"", image.digest))
        );

        let answer = registry.head(path).send().await.expect_status(200);
        let length = image.manifest.len().to_string();
        assert_eq!(answer.header("content-length"), Some(&*length));
        assert_eq!(answer.header("content-type"), Some(MediaType::OCI_MANIFEST));
        assert_eq!(answer.header("docker-content-digest"), Some(&*image.digest));
    }
}

/// lessons.md, security 20: whoever pushes a manifest chooses its type.
#[tokio::test]
async fn a_manifest_that_is_a_web_page_does_nothing_in_a_browser() {
    let registry = TestRegistry::start().await;
    let more = json!({ "mediaType": "text/html", "annotations": { "a": "<script>" } });
    let image = Image::with(1, &more);
    image.push_blobs(&registry, "a").await;
    let call = registry.put("/v2/a/manifests/page");
    let call = call.header("Content-Type", "text/html");
    let answer = call.body(&image.manifest).send().await;
    answer.expect_status(201);

    let answer = registry.get("/v2/a/manifests/page").send().await;

    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("sandbox"), "{policy}");
}

/// Docker's own types are stored as they are, and never converted.
#[tokio::test]
async fn a_docker_manifest_keeps_its_type() {
    let registry = TestRegistry::start().await;
    let more = json!({ "mediaType": MediaType::DOCKER_MANIFEST });
    let image = Image::with(1, &more);
    image.push(&registry, "a", "latest").await;

    let call = registry.get("/v2/a/manifests/latest");
    let answer = call.header("Accept", MediaType::OCI_MANIFEST).send().await;

    let answer = answer.expect_status(200);
    assert_eq!(
        answer.header("content-type"),
        Some(MediaType::DOCKER_MANIFEST)
    );
    assert_eq!(answer.body, image.manifest.as_bytes());
}

/// end-3 of a tag that was pushed together with a sha512 digest.
#[tokio::test]
async fn a_tag_answers_with_the_digest_that_it_was_pushed_under() {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    image.push_blobs(&registry, "a").await;
    let digest = Hasher::digest_of(Algorithm::Sha512, image.manifest.as_bytes()).to_string();

    let call = registry.put(format!("/v2/a/manifests/{digest}?tag=x"));
    let answer = call.body(&image.manifest).send().await.expect_status(201);
    assert_eq!(answer.header("docker-content-digest"), Some(&*digest));

    let answer = registry
        .get("/v2/a/manifests/x")
        .send()
        .await
        .expect_status(200);
    assert_eq!(answer.header("docker-content-digest"), Some(&*digest));
}

/// end-7b
#[tokio::test]
async fn one_push_can_set_many_tags() {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    image.push_blobs(&registry, "a").await;
    let tags: Vec<String> = (10..30).map(|at| format!("t{at}")).collect();
    let query: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();

    let path = format!("/v2/a/manifests/{}?{}", image.digest, query.join("&"));
    let answer = registry
        .put(path)
        .body(&image.manifest)
        .send()
        .await
        .expect_status(201);

    assert_eq!(answer.all("oci-tag"), tags);
    let answer = registry.get("/v2/a/tags/list").send().await;
    assert_eq!(answer.json()["tags"], json!(tags));
}

/// end-7b
#[tokio::test]
async fn too_many_tags_are_refused() {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    image.push_blobs(&registry, "a").await;
    let query: Vec<String> = (0..101).map(|at| format!("tag=t{at}")).collect();

    let path = format!("/v2/a/manifests/{}?{}", image.digest, query.join("&"));
    let answer = registry.put(path).body(&image.manifest).send().await;

    answer.expect_status(414);
    registry
        .get("/v2/a/manifests/t0")
        .send()
        .await
        .expect_status(404);
}

/// code-4: the digest in the URL is that of the body.
#[tokio::test]
async fn a_manifest_of_another_digest_is_refused() {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    image.push_blobs(&registry, "a").await;

    for digest in [&*digest_of(b"x"), "sha256:baddigeststring"] {
        let call = registry.put(format!("/v2/a/manifests/{digest}"));
        let answer = call.body(&image.manifest).send().await;
        answer.expect_error(400, "DIGEST_INVALID");
    }
}

/// code-6; lessons.md, security 2 (CVE-2021-41190)
#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    image.push_blobs(&registry, "a").await;
    let both = Image::with(1, &json!({ "manifests": [] })).manifest;
    let twice = image.manifest.replacen('{', "{\"schemaVersion\": 2,", 1);
    let bodies = [
        "",
        "{}",
        "[]",
        "nonsense",
        "{\"schemaVersion\": 1}",
        &both,
        &twice,
    ];
    for body in bodies {
        let answer = registry
            .put("/v2/a/manifests/latest")
            .body(body)
            .send()
            .await;
        answer.expect_error(400, "MANIFEST_INVALID");
    }
    let call = registry.put("/v2/a/manifests/latest").body(&image.manifest);
    let answer = call
        .header("Content-Type", MediaType::OCI_INDEX)
        .send()
        .await;
    answer.expect_error(400, "MANIFEST_INVALID");
}

/// lessons.md, security 1 (CVE-2017-11468); spec.md: 4 MiB must fit.
#[tokio::test]
async fn a_large_manifest_fits_and_a_huge_one_is_refused() {
    let registry = TestRegistry::start().await;
    let padded = |size: usize| Image::with(1, &json!({ "annotations": { "x": "y".repeat(size) } }));

    let large = padded(4 * 1024 * 1024);
    large.push(&registry, "a", "large").await;
    let answer = registry
        .get("/v2/a/manifests/large")
        .send()
        .await
        .expect_status(200);
    assert_eq!(answer.body, large.manifest.as_bytes());

    let huge = padded(9 * 1024 * 1024);
    let path = "/v2/a/manifests/huge";
    let answer = registry.put(path).body(&huge.manifest).send().await;
    answer.expect_error(413, "MANIFEST_INVALID");
    let answer = registry
        .put(path)
        .body(&huge.manifest)
        .chunked()
        .send()
        .await;
    answer.expect_error(413, "MANIFEST_INVALID");
}

/// code-5; semantics.md, "Missing references"
#[tokio::test]
async fn a_manifest_without_its_blobs_is_refused() {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    registry.push_blob("a", &image.config).await;
    registry.push_blob("b", &image.layer).await;

    let answer = registry
        .put("/v2/a/manifests/latest")
        .body(&image.manifest)
        .send()
        .await;

    let answer = answer.expect_error(404, "MANIFEST_BLOB_UNKNOWN");
    let missing = &answer.json()["errors"][0]["detail"]["digest"];
    assert_eq!(*missing, digest_of(&image.layer));
    registry
        .get("/v2/a/manifests/latest")
        .send()
        .await
        .expect_status(404);
    registry
        .get(format!("/v2/a/manifests/{}", image.digest))
        .send()
        .await
        .expect_status(404);
}

/// semantics.md, "Missing references": sparse indexes by default, all or
/// nothing where configured.
#[tokio::test]
async fn what_may_be_missing_can_be_configured() {
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [Image::new(7).descriptor()],
    });
    let index = index.to_string();
    let table = [
        (MissingReferences::Refuse, 404, 404),
        (MissingReferences::Indexes, 201, 404),
        (MissingReferences::Accept, 201, 201),
    ];
    for (missing_references, of_index, of_image) in table {
        let namespace = Namespace {
            missing_references,
            ..Setup::open()
        };
        let registry = TestRegistry::with(Setup::with_namespaces([("*", namespace)])).await;

        let answer = registry
            .put("/v2/a/manifests/index")
            .body(&index)
            .send()
            .await;
        answer.expect_status(of_index);
        let image = Image::new(8).manifest;
        let answer = registry
            .put("/v2/a/manifests/image")
            .body(&image)
            .send()
            .await;
        answer.expect_status(of_image);
    }
}

/// `BuildKit` caches are indexes whose children are blobs.
#[tokio::test]
async fn an_index_may_list_blobs() {
    let namespace = Namespace {
        missing_references: MissingReferences::Refuse,
        ..Setup::open()
    };
    let registry = TestRegistry::with(Setup::with_namespaces([("*", namespace)])).await;
    let digest = registry.push_blob("a", b"layer").await;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": digest,
            "size": 5,
        }],
    });

    let answer = registry
        .put("/v2/a/manifests/cache")
        .body(index.to_string())
        .send()
        .await;

    answer.expect_status(201);
}

/// spec.md, "Pushing manifests": non-distributable layers need not be here.
#[tokio::test]
async fn a_layer_that_may_not_be_passed_on_may_be_missing() {
    let registry = TestRegistry::start().await;
    registry.push_blob("a", b"{}").await;
    let pushed = manifest(b"{}", &[b"foreign"], &json!({}));
    let pushed = pushed.replace(
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
    );

    registry.push_manifest("a", "latest", &pushed).await;
}

/// code-7
#[tokio::test]
async fn a_manifest_that_was_not_pushed_is_unknown() {
    let registry = TestRegistry::start().await;
    Image::new(1).push(&registry, "a", "latest").await;

    for reference in ["absent", &*digest_of(b"absent")] {
        let path = format!("/v2/a/manifests/{reference}");
        registry
            .get(&path)
            .send()
            .await
            .expect_error(404, "MANIFEST_UNKNOWN");
        registry.head(&path).send().await.expect_status(404);
        registry
            .delete(&path)
            .send()
            .await
            .expect_error(404, "MANIFEST_UNKNOWN");
    }
}

#[tokio::test]
async fn a_tag_moves() {
    let registry = TestRegistry::start().await;
    let (first, second) = (Image::new(1), Image::new(2));
    first.push(&registry, "a", "latest").await;
    second.push(&registry, "a", "latest").await;

    let answer = registry.get("/v2/a/manifests/latest").send().await;
    assert_eq!(answer.body, second.manifest.as_bytes());
    let answer = registry
        .get(format!("/v2/a/manifests/{}", first.digest))
        .send()
        .await;
    assert_eq!(answer.expect_status(200).body, first.manifest.as_bytes());
}

/// end-9 by tag: the manifest stays.
#[tokio::test]
async fn a_deleted_tag_leaves_its_manifest() {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    image.push(&registry, "a", "one").await;
    image.push(&registry, "a", "two").await;

    registry
        .delete("/v2/a/manifests/one")
        .send()
        .await
        .expect_status(202);

    registry
        .get("/v2/a/manifests/one")
        .send()
        .await
        .expect_error(404, "MANIFEST_UNKNOWN");
    registry
        .get("/v2/a/manifests/two")
        .send()
        .await
        .expect_status(200);
    registry
        .get(format!("/v2/a/manifests/{}", image.digest))
        .send()
        .await
        .expect_status(200);
}

/// end-9 by digest: its tags go with it.
#[tokio::test]
async fn a_deleted_manifest_takes_its_tags_along() {
    let registry = TestRegistry::start().await;
    let (image, other) = (Image::new(1), Image::new(2));
    image.push(&registry, "a", "one").await;
    image.push(&registry, "a", "two").await;
    other.push(&registry, "a", "three").await;

    let path = format!("/v2/a/manifests/{}", image.digest);
    registry.delete(&path).send().await.expect_status(202);

    registry
        .get(&path)
        .send()
        .await
        .expect_error(404, "MANIFEST_UNKNOWN");
    registry
        .get("/v2/a/manifests/one")
        .send()
        .await
        .expect_status(404);
    let answer = registry.get("/v2/a/tags/list").send().await;
    assert_eq!(answer.json()["tags"], json!(["three"]));
}

/// end-10: what a manifest needs cannot be deleted under it.
#[tokio::test]
async fn a_blob_that_a_manifest_needs_stays() {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    image.push(&registry, "a", "latest").await;
    let layer = format!("/v2/a/blobs/{}", digest_of(&image.layer));

    registry
        .delete(&layer)
        .send()
        .await
        .expect_error(405, "UNSUPPORTED");
    registry.head(&layer).send().await.expect_status(200);

    let path = format!("/v2/a/manifests/{}", image.digest);
    registry.delete(path).send().await.expect_status(202);
    registry.delete(&layer).send().await.expect_status(202);
}

/// RFC 9110, section 13
#[tokio::test]
async fn a_manifest_that_the_client_has_is_not_sent_again() {
    let registry = TestRegistry::start().await;
    let image = Image::new(1);
    image.push(&registry, "a", "latest").await;
    let etag = format!("\"{}\"", image.digest);

    for method in ["GET", "HEAD"] {
        let call = registry.call(method, "/v2/a/manifests/latest");
        let answer = call.header("If-None-Match", &etag).send().await;
        assert_eq!(answer.expect_status(304).body, b"");
    }
    let call = registry.get("/v2/a/manifests/latest");
    let answer = call.header("If-None-Match", "\"other\"").send().await;
    answer.expect_status(200);
}

/// For clients that keep a list under a fallback tag.
#[tokio::test]
async fn a_push_can_depend_on_what_stands() {
    let registry = TestRegistry::start().await;
    let (first, second) = (Image::new(1), Image::new(2));
    first.push(&registry, "a", "latest").await;
    second.push_blobs(&registry, "a").await;
    let push = |condition: String| {
        let call = registry.put("/v2/a/manifests/latest");
        call.header("If-Match", condition)
            .body(&second.manifest)
            .send()
    };

    push(format!("\"{}\"", second.digest))
        .await
        .expect_status(412);
    push("W/\"x\"".to_owned()).await.expect_status(412);
    let answer = registry.get("/v2/a/manifests/latest").send().await;
    assert_eq!(answer.body, first.manifest.as_bytes());

    push(format!("\"{}\"", first.digest))
        .await
        .expect_status(201);
    push("*".to_owned()).await.expect_status(201);
    let call = registry.put("/v2/a/manifests/new").header("If-Match", "*");
    call.body(&second.manifest).send().await.expect_status(412);
}

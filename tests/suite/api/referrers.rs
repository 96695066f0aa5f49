//! Referrers: end-12.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simple_registry::domain::model::MediaType;

use crate::support::{Answer, Image, TestRegistry, digest_of, manifest};

const SBOM: &str = "application/spdx+json";

/// A manifest that points at `subject`.
fn artifact(subject: &Image, artifact_type: &str, number: usize) -> String {
    let more = json!({
        "subject": subject.descriptor(),
        "artifactType": artifact_type,
        "annotations": { "number": number.to_string() },
    });
    manifest(b"{}", &[], &more)
}

fn digests(answer: &Answer) -> BTreeSet<String> {
    let index = answer.json();
    let manifests = index["manifests"].as_array().unwrap().iter();
    manifests
        .map(|it| it["digest"].as_str().unwrap().to_owned())
        .collect()
}

fn assert_is_index(answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some(MediaType::OCI_INDEX));
    let index = answer.json();
    assert_eq!(index["schemaVersion"], 2);
    assert_eq!(index["mediaType"], MediaType::OCI_INDEX);
}

/// end-12a: never unknown.
#[tokio::test]
async fn what_nobody_points_at_has_an_empty_list() {
    let registry = TestRegistry::start().await;
    let path = format!("/v2/a/referrers/{}", digest_of(b"x"));

    let answer = registry.get(path).send().await.expect_status(200);

    assert_is_index(&answer);
    assert_eq!(answer.json()["manifests"], json!([]));
}

/// code-4
#[tokio::test]
async fn what_is_no_digest_is_refused() {
    let registry = TestRegistry::start().await;

    for subject in ["latest", "sha256:short"] {
        let answer = registry
            .get(format!("/v2/a/referrers/{subject}"))
            .send()
            .await;
        answer.expect_error(400, "DIGEST_INVALID");
    }
}

/// end-12a, end-7: the subject need not exist.
#[tokio::test]
async fn a_manifest_with_a_subject_is_listed() {
    let registry = TestRegistry::start().await;
    let subject = Image::new(1);
    registry.push_blob("a", b"{}").await;
    let sbom = artifact(&subject, SBOM, 1);

    let answer = registry
        .put("/v2/a/manifests/sbom")
        .body(&sbom)
        .send()
        .await;
    let answer = answer.expect_status(201);
    assert_eq!(answer.header("oci-subject"), Some(&*subject.digest));

    let path = format!("/v2/a/referrers/{}", subject.digest);
    let answer = registry.get(path).send().await.expect_status(200);
    assert_is_index(&answer);
    let expected: Value = json!([{
        "mediaType": MediaType::OCI_MANIFEST,
        "digest": digest_of(sbom.as_bytes()),
        "size": sbom.len(),
        "artifactType": SBOM,
        "annotations": { "number": "1" },
    }]);
    assert_eq!(answer.json()["manifests"], expected);
}

/// end-12b; lessons.md, correctness 48
#[tokio::test]
async fn a_list_can_be_filtered() {
    let registry = TestRegistry::start().await;
    let subject = Image::new(1);
    registry.push_blob("a", b"{}").await;
    let sbom = artifact(&subject, SBOM, 1);
    let signature = artifact(&subject, "application/vnd.example.signature", 2);
    registry.push_manifest("a", "one", &sbom).await;
    registry.push_manifest("a", "two", &signature).await;
    let path = format!("/v2/a/referrers/{}", subject.digest);

    let answer = registry.get(&path).send().await.expect_status(200);
    assert_eq!(digests(&answer).len(), 2);
    assert_eq!(answer.header("oci-filters-applied"), None);

    for escaped in ["application/spdx+json", "application%2Fspdx%2Bjson"] {
        let answer = registry
            .get(format!("{path}?artifactType={escaped}"))
            .send()
            .await;
        let answer = answer.expect_status(200);
        assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
        assert_eq!(digests(&answer), [digest_of(sbom.as_bytes())].into());
    }

    let answer = registry
        .get(format!("{path}?artifactType=application/none"))
        .send()
        .await;
    assert_eq!(digests(&answer.expect_status(200)).len(), 0);
    let answer = registry
        .get(format!("{path}?artifactType=nonsense"))
        .send()
        .await;
    answer.expect_status(400);
}

/// end-12a: `Link` where it does not fit one answer.
#[tokio::test]
async fn pages_lead_to_all_referrers() {
    let registry = TestRegistry::start().await;
    let subject = Image::new(1);
    registry.push_blob("a", b"{}").await;
    let mut pushed = BTreeSet::new();
    for number in 0..5 {
        let sbom = artifact(&subject, SBOM, number);
        let tag = format!("t{number}");
        pushed.insert(registry.push_manifest("a", &tag, &sbom).await);
    }

    let digest = &subject.digest;
    let mut next = Some(format!("/v2/a/referrers/{digest}?n=2&artifactType={SBOM}"));
    let mut found = BTreeSet::new();
    let mut pages = 0;
    while let Some(path) = next {
        let answer = registry.get(path).send().await.expect_status(200);
        assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"));
        found.extend(digests(&answer));
        pages += 1;
        next = answer.header("link").map(|link| {
            let link = link.strip_suffix(">; rel=\"next\"").unwrap();
            link.strip_prefix('<').unwrap().to_owned()
        });
    }

    assert_eq!(found, pushed);
    assert_eq!(pages, 3);
}

/// Clients stop reading a list at 4 MiB, as they do with any manifest.
#[tokio::test]
async fn no_page_is_larger_than_clients_read() {
    let registry = TestRegistry::start().await;
    let subject = Image::new(1);
    registry.push_blob("a", b"{}").await;
    for number in 0..3 {
        let more = json!({
            "subject": subject.descriptor(),
            "artifactType": SBOM,
            "annotations": { "x": number.to_string().repeat(2_000_000) },
        });
        let large = manifest(b"{}", &[], &more);
        registry
            .push_manifest("a", &format!("t{number}"), &large)
            .await;
    }

    let path = format!("/v2/a/referrers/{}", subject.digest);
    let answer = registry.get(path).send().await.expect_status(200);

    assert!(answer.body.len() < 4 * 1024 * 1024);
    assert!(answer.header("link").is_some());
}

#[tokio::test]
async fn a_deleted_referrer_is_listed_no_more() {
    let registry = TestRegistry::start().await;
    let subject = Image::new(1);
    registry.push_blob("a", b"{}").await;
    let sbom = artifact(&subject, SBOM, 1);
    let digest = registry.push_manifest("a", "sbom", &sbom).await;

    registry
        .delete(format!("/v2/a/manifests/{digest}"))
        .send()
        .await
        .expect_status(202);

    let answer = registry
        .get(format!("/v2/a/referrers/{}", subject.digest))
        .send()
        .await;
    assert_eq!(digests(&answer.expect_status(200)).len(), 0);
}

/// spec.md, "Enabling the Referrers API"
#[tokio::test]
async fn what_clients_listed_under_a_fallback_tag_is_taken_in() {
    let registry = TestRegistry::start().await;
    let subject = Image::new(1);
    let referrer = Image::new(2);
    referrer.push(&registry, "a", "referrer").await;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [referrer.descriptor()],
    });
    let tag = subject.digest.replace(':', "-");
    registry.push_manifest("a", &tag, &index.to_string()).await;

    let answer = registry
        .get(format!("/v2/a/referrers/{}", subject.digest))
        .send()
        .await;

    assert_eq!(
        digests(&answer.expect_status(200)),
        [referrer.digest].into()
    );
}

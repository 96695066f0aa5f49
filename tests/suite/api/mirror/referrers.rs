//! Referrers: the upstream's, and where it is down, those that were pulled.

use serde_json::{Value, json};
use simple_registry::domain::model::MediaType;

use super::{ALWAYS, has_image, mirror};
use crate::support::{Failure, FakeUpstream, Image, TestRegistry};

fn index(referrers: &[&Image], artifact_type: &str) -> String {
    let manifests: Vec<Value> = referrers
        .iter()
        .map(|it| {
            let mut descriptor = it.descriptor();
            descriptor["artifactType"] = json!(artifact_type);
            descriptor
        })
        .collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": manifests,
    });
    index.to_string()
}

async fn listed(registry: &TestRegistry, subject: &Image, query: &str) -> Vec<Value> {
    let path = format!("/v2/hub/app/referrers/{}{query}", subject.digest);
    let answer = registry.get(path).send().await.expect_status(200);
    let manifests = answer.json()["manifests"].as_array().unwrap().clone();
    manifests.iter().map(|it| it["digest"].clone()).collect()
}

/// A subject, and a signature of it.
fn signed(upstream: &FakeUpstream) -> (Image, Image) {
    let subject = Image::new(1);
    let more = json!({ "subject": subject.descriptor(), "artifactType": "a/signature" });
    let signature = Image::with(2, &more);
    has_image(upstream, "latest", &subject);
    has_image(upstream, "signature", &signature);
    (subject, signature)
}

#[tokio::test]
async fn the_upstreams_are_listed_and_filtered() {
    let hub = FakeUpstream::new("hub");
    let (subject, signature) = signed(&hub);
    let list = index(&[&signature, &Image::new(3)], "a/signature");
    let digest = subject.digest.clone();
    hub.state().referrers.insert(digest, list.into());
    let registry = mirror(&[&hub], ALWAYS).await;

    let mut expected = vec![json!(signature.digest), json!(Image::new(3).digest)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(listed(&registry, &subject, "").await, expected);
    assert_eq!(listed(&registry, &subject, "?n=1").await, expected[..1]);
    let none = listed(&registry, &subject, "?artifactType=a/other").await;
    assert_eq!(none, [""; 0]);
}

#[tokio::test]
async fn where_clients_list_them_in_a_tag_that_is_read() {
    let hub = FakeUpstream::new("hub");
    let (subject, signature) = signed(&hub);
    let registry = mirror(&[&hub], ALWAYS).await;
    assert_eq!(listed(&registry, &subject, "").await, [""; 0]);

    let other = Image::new(5);
    let tag = other.digest.replace(':', "-");
    hub.has_manifest(&tag, &index(&[&signature], "a/signature"));

    assert_eq!(
        listed(&registry, &other, "").await,
        [json!(signature.digest)]
    );
}

#[tokio::test]
async fn where_no_upstream_answers_what_was_pulled_is_listed() {
    let hub = FakeUpstream::new("hub");
    let (subject, signature) = signed(&hub);
    let registry = mirror(&[&hub], ALWAYS).await;
    let pulled = format!("/v2/hub/app/manifests/{}", signature.digest);
    registry.get(pulled).send().await.expect_status(200);

    hub.fails(Failure::Down);

    assert_eq!(
        listed(&registry, &subject, "").await,
        [json!(signature.digest)]
    );
    // "None" would be an answer that nobody gave.
    let path = format!("/v2/hub/app/referrers/{}", Image::new(7).digest);
    let unknown = registry.get(path).send().await;
    unknown.expect_error(503, "UNAVAILABLE");
}

#[tokio::test]
async fn what_is_no_list_is_refused() {
    let hub = FakeUpstream::new("hub");
    let (subject, _) = signed(&hub);
    let digest = subject.digest.clone();
    hub.state().referrers.insert(digest, "<html>".into());
    let registry = mirror(&[&hub], ALWAYS).await;

    let path = format!("/v2/hub/app/referrers/{}", subject.digest);
    let answer = registry.get(path).send().await;

    answer.expect_error(502, "UNAVAILABLE");
}

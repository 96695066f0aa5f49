//! The registry over a bucket, as a client sees it.

use super::{Target, target};
use crate::support::{Image, Setup, TestRegistry, digest_of, random};

/// The registry, and the server beneath it.
pub async fn start_with(keys: &str) -> (TestRegistry, Target) {
    let target = target(keys).await;
    let setup = Setup {
        storage: target.ports.clone(),
        ..Setup::default()
    };
    (TestRegistry::with(setup).await, target)
}

async fn start() -> (TestRegistry, Target) {
    start_with("").await
}

#[tokio::test]
async fn an_image_is_pushed_listed_pulled_and_deleted() {
    let (registry, _server) = start().await;
    let image = Image::new(1);
    image.push(&registry, "team/app", "v1").await;
    image.push(&registry, "team/app", "v1-rc").await;

    let pulled = registry.get("/v2/team/app/manifests/v1").send().await;
    assert_eq!(pulled.expect_status(200).body, image.manifest.as_bytes());
    let tags = registry.get("/v2/team/app/tags/list").send().await;
    let tags = tags.expect_status(200).json();
    assert_eq!(tags["tags"], serde_json::json!(["v1", "v1-rc"]));
    let catalog = registry.get("/v2/_catalog").send().await;
    let catalog = catalog.expect_status(200).json();
    assert_eq!(catalog["repositories"], serde_json::json!(["team/app"]));

    let digest = digest_of(image.manifest.as_bytes());
    let path = format!("/v2/team/app/manifests/{digest}");
    registry.delete(&path).send().await.expect_status(202);
    for path in [path.as_str(), "/v2/team/app/manifests/v1"] {
        registry.get(path).send().await.expect_status(404);
    }
}

#[tokio::test]
async fn a_blob_comes_in_pieces_reads_in_ranges_and_stays_deleted() {
    let (registry, _server) = start().await;
    let content = random(7, 700_000);
    let location = registry.start_upload("a").await;
    let (one, two) = content.split_at(400_000);
    let answer = registry.patch(&location).body(one).send().await;
    let answer = answer.expect_status(202);
    let location = answer.header("location").unwrap().to_owned();
    let answer = registry.patch(location).body(two).send().await;
    let location = answer
        .expect_status(202)
        .header("location")
        .unwrap()
        .to_owned();
    let digest = digest_of(&content);
    let join = if location.contains('?') { '&' } else { '?' };
    let end = registry.put(format!("{location}{join}digest={digest}"));
    end.send().await.expect_status(201);

    let path = format!("/v2/a/blobs/{digest}");
    let part = registry.get(&path).header("Range", "bytes=399990-400009");
    let part = part.send().await.expect_status(206);
    assert_eq!(part.body, &content[399_990..400_010]);

    registry.delete(&path).send().await.expect_status(202);
    // A HEAD renews the time of what is there, and brings nothing back.
    registry.head(&path).send().await.expect_status(404);
    registry.get(&path).send().await.expect_status(404);
}

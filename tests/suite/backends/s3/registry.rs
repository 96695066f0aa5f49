//! The registry over a bucket, as a client sees it.

use super::server::Server;
use super::{Stored, Target, open, target};
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

/// A server of the test's own, which writes down what it is asked.
async fn start_counted() -> (TestRegistry, Server) {
    let Stored { ports, server } = open().await;
    let setup = Setup {
        storage: ports,
        ..Setup::default()
    };
    (TestRegistry::with(setup).await, server)
}

/// HEAD, POST, PATCH and PUT, as Docker pushes a layer. docs/s3.md has the table.
#[tokio::test]
async fn a_small_layer_costs_at_most_14_requests() {
    let (registry, server) = start_counted().await;
    let content = random(7, 4000);
    let digest = digest_of(&content);
    server.asked();

    let head = registry.head(format!("/v2/team/app/blobs/{digest}"));
    head.send().await.expect_status(404);
    let location = registry.start_upload("team/app").await;
    let answer = registry.patch(&location).body(&content).send().await;
    let answer = answer.expect_status(202);
    let location = answer.header("location").unwrap();
    let end = registry.put(format!("{location}?digest={digest}"));
    end.send().await.expect_status(201);

    let asked = server.asked();
    assert!(asked.len() <= 14, "{} of {asked:#?}", asked.len());
    let pulled = registry.get(format!("/v2/team/app/blobs/{digest}"));
    assert_eq!(pulled.send().await.expect_status(200).body, content);
}

#[tokio::test]
async fn what_is_asked_often_costs_few_requests() {
    let (registry, server) = start_counted().await;
    let image = Image::new(1);
    image.push(&registry, "team/app", "v1").await;
    let digest = digest_of(image.manifest.as_bytes());
    let layer = digest_of(&image.layer);
    // That it was pulled is noted behind it, and then not for five minutes.
    server.asked();
    let pulled = registry.get("/v2/team/app/manifests/v1").send().await;
    pulled.expect_status(200);
    let mut asked = Vec::new();
    while !asked.iter().any(|it: &String| it.starts_with("PUT ")) {
        tokio::task::yield_now().await;
        asked.extend(server.asked());
    }
    assert!(asked.len() <= 6, "{asked:#?}");
    for (method, path, status, most) in [
        ("HEAD", format!("blobs/{layer}"), 200, 4),
        ("GET", format!("blobs/{layer}"), 200, 3),
        ("HEAD", format!("manifests/{digest}"), 200, 3),
        ("GET", format!("manifests/{digest}"), 200, 3),
        ("GET", "manifests/v1".to_owned(), 200, 4),
        ("GET", "manifests/absent".to_owned(), 404, 1),
        ("GET", "tags/list".to_owned(), 200, 1),
    ] {
        server.asked();

        let path = format!("/v2/team/app/{path}");
        let request = match method {
            "HEAD" => registry.head(&path),
            _ => registry.get(&path),
        };
        request.send().await.expect_status(status);

        let asked = server.asked();
        assert!(asked.len() <= most, "{method} {path}: {asked:#?}");
    }
}

//! Tags that never move, and rules that ask whether a tag is there.

use simple_registry::domain::namespaces::{ImmutableTags, Namespace};

use crate::support::{Answer, Image, Setup, TestRegistry};

fn patterns(texts: &[&str]) -> Vec<simple_registry::domain::model::TagPattern> {
    let texts = texts.iter().map(|text| (*text).to_owned());
    texts.map(|text| text.try_into().unwrap()).collect()
}

/// `v*` never moves, `v*-rc*` does.
async fn releases() -> TestRegistry {
    let entry = Namespace {
        immutable_tags: ImmutableTags {
            patterns: patterns(&["v*"]),
            exceptions: patterns(&["v*-rc*"]),
        },
        ..Setup::open()
    };
    TestRegistry::with(Setup::with_namespaces([("*", entry)])).await
}

/// Whoever may do everything else may make tags, and not move them.
async fn create_only() -> TestRegistry {
    let entry = Setup::ruled(true, &["request.tag_exists"]);
    TestRegistry::with(Setup::with_namespaces([("*", entry)])).await
}

async fn put(registry: &TestRegistry, reference: &str, image: &Image) -> Answer {
    let path = format!("/v2/a/manifests/{reference}");
    registry.put(path).body(&image.manifest).send().await
}

async fn delete(registry: &TestRegistry, reference: &str) -> Answer {
    let path = format!("/v2/a/manifests/{reference}");
    registry.delete(path).send().await
}

/// Where the tag stands, if anywhere.
async fn standing(registry: &TestRegistry, tag: &str) -> Option<String> {
    let answer = registry.head(format!("/v2/a/manifests/{tag}")).send().await;
    answer.header("docker-content-digest").map(str::to_owned)
}

async fn two_images(registry: &TestRegistry) -> (Image, Image) {
    let (first, second) = (Image::new(1), Image::new(2));
    first.push_blobs(registry, "a").await;
    second.push_blobs(registry, "a").await;
    (first, second)
}

#[tokio::test]
async fn an_immutable_tag_takes_its_first_manifest_again_and_no_other() {
    let registry = releases().await;
    let (first, second) = two_images(&registry).await;

    for _ in 0..2 {
        put(&registry, "v1", &first).await.expect_status(201);
    }
    let refused = put(&registry, "v1", &second).await;

    let message = refused.expect_error(403, "DENIED").json().to_string();
    assert!(message.contains("the tag v1 is immutable"), "{message}");
    assert!(message.contains("v*"), "{message}");
    assert_eq!(standing(&registry, "v1").await, Some(first.digest));
    assert_eq!(
        standing(&registry, &second.digest).await,
        None,
        "stored in vain"
    );
}

#[tokio::test]
async fn other_tags_and_exceptions_move_and_go() {
    let registry = releases().await;
    let (first, second) = two_images(&registry).await;

    for tag in ["latest", "v1-rc1"] {
        put(&registry, tag, &first).await.expect_status(201);
        put(&registry, tag, &second).await.expect_status(201);
        delete(&registry, tag).await.expect_status(202);
    }
}

/// lessons.md, security 10 (CVE-2026-31801): also by `?tag=` on a digest.
#[tokio::test]
async fn the_right_to_create_is_no_right_to_overwrite() {
    for registry in [releases().await, create_only().await] {
        let (first, second) = two_images(&registry).await;
        put(&registry, "v1", &first).await.expect_status(201);

        for reference in [
            "v1".to_owned(),
            "v2?tag=v1".to_owned(),
            format!("{}?tag=v1", second.digest),
            format!("{}?tag=v3&tag=v1", second.digest),
        ] {
            let refused = put(&registry, &reference, &second).await;

            refused.expect_error(403, "DENIED");
            assert_eq!(
                standing(&registry, "v1").await.as_ref(),
                Some(&first.digest)
            );
        }
        for tag in ["v2", "v3"] {
            assert_eq!(standing(&registry, tag).await, None, "half a push");
        }
        put(&registry, "v2", &second).await.expect_status(201);
    }
}

/// A delete followed by a push would be an overwrite in two steps.
#[tokio::test]
async fn what_never_moves_can_not_be_deleted_either() {
    for registry in [releases().await, create_only().await] {
        let (first, second) = two_images(&registry).await;
        put(&registry, "v1", &first).await.expect_status(201);
        put(&registry, "latest", &first).await.expect_status(201);
        put(&registry, &second.digest, &second)
            .await
            .expect_status(201);

        for reference in ["v1", &first.digest] {
            delete(&registry, reference)
                .await
                .expect_error(403, "DENIED");
        }

        for tag in ["v1", "latest"] {
            assert_eq!(standing(&registry, tag).await.as_ref(), Some(&first.digest));
        }
        delete(&registry, &second.digest).await.expect_status(202);
        delete(&registry, "absent").await.expect_status(404);
    }
}

#[tokio::test]
async fn the_right_to_overwrite_is_no_right_to_create() {
    let rule = "request.action != 'put-manifest' || request.tag_exists || request.digest != null";
    let entry = Setup::ruled(false, &[rule]);
    let registry = TestRegistry::with(Setup::with_namespaces([("*", entry)])).await;
    let (first, _) = two_images(&registry).await;

    put(&registry, "new", &first)
        .await
        .expect_error(403, "DENIED");
    assert_eq!(standing(&registry, &first.digest).await, None);
    put(&registry, &first.digest, &first)
        .await
        .expect_status(201);
    let with_tag = format!("{}?tag=new", first.digest);
    put(&registry, &with_tag, &first)
        .await
        .expect_error(403, "DENIED");
    assert_eq!(standing(&registry, "new").await, None);
}

/// Judged again under the tag's lock: without that, several would find no tag.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_pushes_to_one_immutable_tag_one_wins() {
    for registry in [releases().await, create_only().await] {
        let registry = &registry;
        for round in 0..8 {
            let images: Vec<Image> = (0..8).map(|n| Image::new(round * 8 + n)).collect();
            for image in &images {
                image.push_blobs(registry, "a").await;
            }
            let tag = format!("v{round}");
            let pushes = images.iter().map(|image| put(registry, &tag, image));

            let answers = futures_util::future::join_all(pushes).await;

            let won: Vec<&Image> = images
                .iter()
                .zip(&answers)
                .filter(|(_, answer)| answer.status == 201)
                .map(|(image, _)| image)
                .collect();
            assert_eq!(won.len(), 1);
            assert!(answers.iter().all(|it| matches!(it.status, 201 | 403)));
            assert_eq!(
                standing(registry, &tag).await.as_ref(),
                Some(&won[0].digest)
            );
        }
    }
}

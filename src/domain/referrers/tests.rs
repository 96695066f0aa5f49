use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::domain::error::RegistryError;
use crate::domain::model::{Algorithm, Hasher, MediaType};
use crate::domain::world::{World, outage, repository};
use crate::ports::{ManifestInfo, StoredManifest};

fn digest(n: u8) -> Digest {
    format!("sha256:{}", format!("{n:02x}").repeat(32))
        .parse()
        .unwrap()
}

fn descriptor(n: u8, artifact_type: &str) -> Descriptor {
    Descriptor {
        media_type: MediaType::known(MediaType::OCI_MANIFEST),
        digest: digest(n),
        size: 1,
        artifact_type: Some(artifact_type.to_owned()),
        annotations: None,
        urls: None,
    }
}

fn info() -> ManifestInfo {
    ManifestInfo {
        media_type: None,
        size: 1,
        pushed_at: None,
    }
}

/// A world with referrers 1, 2 and 3 in the index, and 3 and 4 in a fallback tag.
fn world() -> World {
    let mut world = World::new();
    world.referrers.expect_list().returning(|_, _| {
        Ok(vec![
            descriptor(1, "sig"),
            descriptor(2, "sbom"),
            descriptor(3, "sig"),
        ])
    });
    let subject = digest(0);
    world.tags.expect_get().returning(move |_, tag| {
        assert_eq!(*tag, Tag::fallback_for(&subject));
        Ok(Some(digest(9)))
    });
    world.manifests.expect_get().returning(|_, _| {
        let fallback = json!({
            "schemaVersion": 2,
            "manifests": [descriptor(4, "sig"), descriptor(3, "stale")],
        });
        let bytes = Bytes::from(fallback.to_string());
        Ok(Some(StoredManifest {
            info: info(),
            bytes,
        }))
    });
    world
}

fn referrers(world: World) -> Referrers {
    Referrers::new(&world.into_ports().storage)
}

fn numbers(page: &ReferrersPage) -> Vec<Digest> {
    page.items.iter().map(|item| item.digest.clone()).collect()
}

#[tokio::test]
async fn what_clients_wrote_into_a_fallback_tag_is_taken_in() {
    let mut world = world();
    world
        .manifests
        .expect_stat()
        .returning(|_, _| Ok(Some(info())));

    let page = referrers(world)
        .list(&repository(), &digest(0), None, &Page::all())
        .await
        .unwrap();

    assert_eq!(numbers(&page), [1, 2, 3, 4].map(digest));
    assert_eq!(
        page.items[2].artifact_type.as_deref(),
        Some("sig"),
        "the record wins"
    );
}

#[tokio::test]
async fn filtered_pages_put_together_are_all_of_the_type() {
    let mut world = world();
    world
        .manifests
        .expect_stat()
        .returning(|_, _| Ok(Some(info())));
    let referrers = referrers(world);

    let mut page = Page {
        after: None,
        limit: Some(2),
    };
    let first = referrers
        .list(&repository(), &digest(0), Some("sig"), &page)
        .await
        .unwrap();
    page.after = first.next.clone();
    let second = referrers
        .list(&repository(), &digest(0), Some("sig"), &page)
        .await
        .unwrap();

    assert_eq!(numbers(&first), [1, 3].map(digest));
    assert_eq!(numbers(&second), [4].map(digest));
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn a_referrer_that_another_registry_deleted_is_not_shown() {
    let mut world = world();
    world
        .manifests
        .expect_stat()
        .returning(|_, digest_| Ok((*digest_ != digest(2)).then(info)));

    let page = referrers(world)
        .list(&repository(), &digest(0), None, &Page::all())
        .await
        .unwrap();

    assert_eq!(numbers(&page), [1, 3, 4].map(digest));
}

#[tokio::test]
async fn an_outage_is_no_empty_list() {
    let mut world = World::new();
    world.tags.expect_get().returning(|_, _| Err(outage()));

    let subject = Hasher::digest_of(Algorithm::Sha256, b"");
    let result = referrers(world)
        .list(&repository(), &subject, None, &Page::all())
        .await;

    assert!(matches!(result, Err(RegistryError::Unavailable(_))));
}

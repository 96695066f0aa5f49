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
    world
        .referrers
        .expect_list()
        .returning(|_, _| Ok([1, 2, 3].map(digest).into()));
    world.referrers.expect_get().returning(|_, _, referrer| {
        let records = [(1, "sig"), (2, "sbom"), (3, "sig")].map(|(n, it)| descriptor(n, it));
        Ok(records.into_iter().find(|it| it.digest == *referrer))
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

/// A world with five referrers whose records are of `size` bytes, at most `read`
/// of which are read.
fn with_large_records(size: usize, read: usize) -> World {
    let mut world = World::new();
    world.tags.expect_get().returning(|_, _| Ok(None));
    world
        .referrers
        .expect_list()
        .returning(|_, _| Ok([1, 2, 3, 4, 5].map(digest).into()));
    world
        .referrers
        .expect_get()
        .times(..=read)
        .returning(move |_, _, referrer| {
            Ok(Some(Descriptor {
                digest: referrer.clone(),
                annotations: Some(BTreeMap::from([("k".to_owned(), "v".repeat(size))])),
                ..descriptor(1, "sig")
            }))
        });
    world
        .manifests
        .expect_stat()
        .returning(|_, _| Ok(Some(info())));
    world
}

/// Annotations are as large as their pusher likes: neither the answer nor the
/// memory may be sized by all of them.
#[tokio::test]
async fn a_large_page_goes_on_after_what_fits_and_reads_no_more() {
    for (size, fit) in [(MAX_BYTES / 4, 3), (MAX_BYTES + 1, 1)] {
        let page = referrers(with_large_records(size, fit + 1))
            .list(&repository(), &digest(0), None, &Page::all())
            .await
            .unwrap();

        assert_eq!(page.items.len(), fit);
        assert_eq!(page.next.as_ref(), page.items.last().map(|it| &it.digest));
    }
}

#[tokio::test]
async fn a_record_that_is_torn_or_just_deleted_is_passed_over() {
    let mut world = World::new();
    world.tags.expect_get().returning(|_, _| Ok(None));
    world
        .referrers
        .expect_list()
        .returning(|_, _| Ok(vec![digest(1)]));
    world.referrers.expect_get().returning(|_, _, _| Ok(None));

    let page = referrers(world)
        .list(&repository(), &digest(0), None, &Page::all())
        .await
        .unwrap();

    assert!(page.items.is_empty() && page.next.is_none());
}

use bytes::Bytes;

use super::*;
use crate::domain::model::{Algorithm, Hasher, Listing};
use crate::domain::world::{World, absent, outage, repository, there};
use crate::ports::{ManifestInfo, MockBlobLocator};

fn digest() -> Digest {
    Hasher::digest_of(Algorithm::Sha256, b"x")
}

fn blobs(world: World) -> Blobs {
    let ports = world.into_ports();
    Blobs::new(&ports.storage, &ports.locks, &ports.patience())
}

fn info() -> ManifestInfo {
    ManifestInfo {
        media_type: None,
        size: 1,
        pushed_at: None,
    }
}

fn image_of(digest: &Digest) -> Bytes {
    let config = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1}}"#);
    format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#).into()
}

#[tokio::test]
async fn asking_whether_a_blob_is_there_renews_its_claim_first() {
    let mut world = World::new();
    let journal = world.journal.clone();
    let (refreshed, link, data) = (journal.clone(), journal.clone(), journal.clone());
    world.links.expect_refresh().returning(move |_, _| {
        refreshed.note("refresh");
        Ok(true)
    });
    world.links.expect_look().returning(move |_, _| {
        link.note("look link");
        Ok(there(70))
    });
    world.blobs.expect_look().returning(move |_| {
        data.note("look data");
        Ok(there(5))
    });

    let size = blobs(world).stat(&repository(), &digest()).await.unwrap();

    assert_eq!(size, 5);
    assert_eq!(journal.entries(), ["refresh", "look link", "look data"]);
}

#[tokio::test]
async fn a_url_is_given_where_the_store_gives_one() {
    let mut world = World::new();
    let mut locator = MockBlobLocator::new();
    locator
        .expect_locate()
        .returning(|digest| Ok(format!("https://elsewhere/{digest}")));
    world.locator = Some(locator);

    let url = blobs(world).locate(&digest()).await.unwrap();

    assert_eq!(url, Some(format!("https://elsewhere/{}", digest())));
    let without = blobs(World::new()).locate(&digest()).await.unwrap();
    assert_eq!(without, None);
}

/// CVE-2024-39897: that the content exists for somebody else does not show.
#[tokio::test]
async fn a_blob_that_is_not_linked_here_is_unknown() {
    let mut world = World::new();
    world.links.expect_refresh().returning(|_, _| Ok(false));
    world.links.expect_exists().returning(|_, _| Ok(false));
    world.manifests.expect_stat().returning(|_, _| Ok(None));
    let blobs = blobs(world);

    let stat = blobs.stat(&repository(), &digest()).await;
    let open = blobs.open(&repository(), &digest()).await;

    assert!(matches!(stat, Err(RegistryError::BlobUnknown(_))));
    assert!(matches!(open, Err(RegistryError::BlobUnknown(_))));
}

#[tokio::test]
async fn a_link_to_content_that_is_gone_is_unknown() {
    let mut world = World::new();
    world.links.expect_refresh().returning(|_, _| Ok(true));
    world.links.expect_look().returning(|_, _| Ok(there(70)));
    world.blobs.expect_look().returning(|_| Ok(absent()));
    world.manifests.expect_stat().returning(|_, _| Ok(None));

    let stat = blobs(world).stat(&repository(), &digest()).await;

    assert!(matches!(stat, Err(RegistryError::BlobUnknown(_))));
}

#[tokio::test]
async fn a_blob_is_not_deleted_while_a_manifest_needs_it() {
    let mut world = World::new();
    let user = Hasher::digest_of(Algorithm::Sha256, b"manifest");
    let listed = user.clone();
    world.links.expect_exists().returning(|_, _| Ok(true));
    world
        .marks
        .expect_condemn()
        .returning(|_| Ok(Some("id".to_owned())));
    world.manifests.expect_list().returning(move |_, _| {
        Ok(Listing {
            items: vec![listed.clone()],
            more: false,
        })
    });
    world
        .manifests
        .expect_claim()
        .returning(|_, _| Ok(Some(image_of(&digest()))));
    world
        .manifests
        .expect_stat()
        .returning(|_, _| Ok(Some(info())));
    world.marks.expect_pardon().times(1).returning(|_| Ok(()));

    let result = blobs(world).delete(&repository(), &digest()).await;

    let Err(RegistryError::Unsupported(message)) = result else {
        panic!("{result:?}");
    };
    assert!(message.contains(&user.to_string()), "{message}");
}

/// A manifest that nobody understands may need anything.
#[tokio::test]
async fn a_blob_is_not_deleted_beside_a_manifest_that_cannot_be_read() {
    let mut world = World::new();
    world.links.expect_exists().returning(|_, _| Ok(true));
    world
        .marks
        .expect_condemn()
        .returning(|_| Ok(Some("id".to_owned())));
    world.manifests.expect_list().returning(|_, _| {
        Ok(Listing {
            items: vec![digest()],
            more: false,
        })
    });
    world
        .manifests
        .expect_claim()
        .returning(|_, _| Ok(Some(Bytes::from_static(b"not json"))));
    world
        .manifests
        .expect_stat()
        .returning(|_, _| Ok(Some(info())));
    world.marks.expect_pardon().returning(|_| Ok(()));

    let result = blobs(world).delete(&repository(), &digest()).await;

    assert!(matches!(result, Err(RegistryError::Unsupported(_))));
}

/// A push that is under way is waited for; one that was given up, or whose
/// process died, keeps nothing alive.
#[tokio::test]
async fn a_pending_manifest_counts_only_if_its_push_succeeds() {
    for settles in [true, false] {
        let mut world = World::new();
        let journal = world.journal.clone();
        world.links.expect_exists().returning(|_, _| Ok(true));
        world
            .marks
            .expect_condemn()
            .returning(|_| Ok(Some("id".to_owned())));
        world.manifests.expect_list().returning(|_, _| {
            let items = vec![Hasher::digest_of(Algorithm::Sha256, b"manifest")];
            Ok(Listing { items, more: false })
        });
        world
            .manifests
            .expect_claim()
            .returning(|_, _| Ok(Some(image_of(&digest()))));
        let seen = journal.clone();
        world.manifests.expect_stat().returning(move |_, _| {
            let ended = seen.entries().contains(&"lock revision".to_owned());
            Ok((ended && settles).then(info))
        });
        world.marks.expect_doom().returning(|_, _| Ok(true));
        world.marks.expect_pardon().returning(|_| Ok(()));
        world.links.expect_remove().returning(|_, _| Ok(()));
        world.durability.expect_persist().returning(|| Ok(()));

        let result = blobs(world).delete(&repository(), &digest()).await;

        assert_eq!(result.is_err(), settles, "{result:?}");
        assert_eq!(journal.entries(), ["lock revision", "lock link"]);
    }
}

/// lessons.md, correctness 3
#[tokio::test]
async fn a_scan_that_fails_deletes_nothing() {
    let mut world = World::new();
    world.links.expect_exists().returning(|_, _| Ok(true));
    world
        .marks
        .expect_condemn()
        .returning(|_| Ok(Some("id".to_owned())));
    world
        .manifests
        .expect_list()
        .returning(|_, _| Err(outage()));

    // Nobody expects a removal: it would panic.
    let result = blobs(world).delete(&repository(), &digest()).await;

    assert!(matches!(result, Err(RegistryError::Unavailable(_))));
}

#[tokio::test]
async fn a_delete_whose_mark_was_taken_away_starts_over() {
    let mut world = World::new();
    let journal = world.journal.clone();
    let (condemned, doomed) = (journal.clone(), journal.clone());
    let (pardoned, removed, persisted) = (journal.clone(), journal.clone(), journal.clone());
    world.links.expect_exists().returning(|_, _| Ok(true));
    world.links.expect_look().returning(|_, _| Ok(there(70)));
    world.marks.expect_condemn().returning(move |_| {
        condemned.note("condemn");
        Ok(Some("id".to_owned()))
    });
    world.manifests.expect_list().returning(|_, _| {
        Ok(Listing {
            items: Vec::new(),
            more: false,
        })
    });
    let mut verdicts = vec![true, false];
    world.marks.expect_doom().returning(move |_, _| {
        doomed.note("doom");
        Ok(verdicts.pop().unwrap())
    });
    world.marks.expect_pardon().returning(move |_| {
        pardoned.note("pardon");
        Ok(())
    });
    world.links.expect_remove().returning(move |_, _| {
        removed.note("remove");
        Ok(())
    });
    world.durability.expect_persist().returning(move || {
        persisted.note("persist");
        Ok(())
    });

    blobs(world).delete(&repository(), &digest()).await.unwrap();

    let attempt = ["condemn", "lock link", "doom"];
    let last = ["remove", "pardon", "persist"];
    let expected: Vec<&str> = [&attempt[..], &attempt, &last].concat();
    assert_eq!(journal.entries(), expected);
}

/// Whoever left it died at deleting the link: nobody else takes it away.
#[tokio::test]
async fn a_delete_that_meets_the_mark_of_a_dead_one_takes_it_away() {
    let mut world = World::new();
    world.links.expect_exists().returning(|_, _| Ok(true));
    world.links.expect_look().returning(|_, _| {
        let mark = Mark::Dying;
        Ok(crate::domain::model::Look { mark, ..there(70) })
    });
    world
        .marks
        .expect_condemn()
        .returning(|_| Ok(Some("id".to_owned())));
    world.manifests.expect_list().returning(|_, _| {
        Ok(Listing {
            items: Vec::new(),
            more: false,
        })
    });
    let mut verdicts = vec![true, false];
    world
        .marks
        .expect_doom()
        .returning(move |_, _| Ok(verdicts.pop().unwrap()));
    world.marks.expect_pardon().times(2).returning(|_| Ok(()));
    world
        .links
        .expect_remove()
        .times(1)
        .returning(|_, _| Ok(()));
    world.durability.expect_persist().returning(|| Ok(()));

    blobs(world).delete(&repository(), &digest()).await.unwrap();
}

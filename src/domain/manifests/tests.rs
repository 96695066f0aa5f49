use serde_json::json;

use super::*;
use crate::domain::model::{Algorithm, Caller, Identity, Tag, TagPattern, Thing};
use crate::domain::namespaces::{ImmutableTags, MissingReferences, Namespace, Namespaces};
use crate::domain::world::{World, absent, access, allow, condemned, outage, repository, there};
use crate::ports::{ManifestInfo, NewManifest};

fn digest(bytes: &[u8]) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, bytes)
}

fn descriptor(bytes: &[u8]) -> serde_json::Value {
    json!({"mediaType": "a/b", "digest": digest(bytes), "size": bytes.len()})
}

fn image() -> Bytes {
    let image = json!({
        "schemaVersion": 2,
        "config": descriptor(b"config"),
        "layers": [descriptor(b"layer")],
        "subject": descriptor(b"subject"),
    });
    image.to_string().into()
}

fn index() -> Bytes {
    let index = json!({"schemaVersion": 2, "manifests": [descriptor(b"child")]});
    index.to_string().into()
}

fn push(bytes: Bytes) -> ManifestPush {
    ManifestPush {
        content_type: None,
        bytes,
        tags: Vec::new(),
        if_match: None,
        caller: Caller::default(),
    }
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn by_tag() -> Reference {
    Reference::Tag(tag("latest"))
}

fn manifests(world: World, missing: MissingReferences) -> Manifests {
    let ports = world.into_ports();
    let (patience, access) = (ports.patience(), access(missing));
    Manifests::new(
        &ports.storage,
        &ports.locks,
        &ports.clock,
        &patience,
        access,
    )
}

fn info() -> ManifestInfo {
    ManifestInfo {
        media_type: MediaType::parse("a/b"),
        size: 3,
        pushed_at: None,
    }
}

/// A world in which a push succeeds, and writes down what it does.
fn willing() -> World {
    let mut world = World::new();
    let journal = world.journal.clone();
    macro_rules! note {
        ($($what:tt)+) => {{
            let journal = journal.clone();
            move |what: String| journal.note(format!("{} {what}", $($what)+).trim().to_owned())
        }};
    }
    let note_pending = note!("pending");
    world
        .manifests
        .expect_put_pending()
        .returning(move |_, new: &NewManifest| {
            assert_eq!(new.media_type.as_str(), MediaType::OCI_MANIFEST);
            note_pending(String::new());
            Ok(())
        });
    let note_data = note!("look data");
    world.blobs.expect_look().returning(move |_| {
        note_data(String::new());
        Ok(there(3))
    });
    let note_link = note!("look link");
    world.links.expect_look().returning(move |_, _| {
        note_link(String::new());
        Ok(there(3))
    });
    let note_own = note!("look revision");
    world.manifests.expect_look().returning(move |_, _| {
        note_own(String::new());
        Ok(absent())
    });
    let note_settle = note!("settle");
    world.manifests.expect_settle().returning(move |_, _| {
        note_settle(String::new());
        Ok(())
    });
    let note_referrer = note!("referrer");
    world
        .referrers
        .expect_add()
        .returning(move |_, subject, _| {
            assert_eq!(*subject, digest(b"subject"));
            note_referrer(String::new());
            Ok(())
        });
    let note_tag = note!("set");
    world.tags.expect_set().returning(move |_, tag, _| {
        note_tag(tag.to_string());
        Ok(())
    });
    world
}

fn persisting(mut world: World) -> World {
    let journal = world.journal.clone();
    world.durability.expect_persist().returning(move || {
        journal.note("persist");
        Ok(())
    });
    world
}

#[tokio::test]
async fn claim_look_settle_persist_and_the_tags_last() {
    let world = persisting(willing());
    let journal = world.journal.clone();
    let push = ManifestPush {
        tags: vec![tag("v1"), tag("latest")],
        ..push(image())
    };

    let pushed = manifests(world, MissingReferences::Refuse)
        .put(&repository(), &by_tag(), push)
        .await
        .unwrap();

    assert_eq!(pushed.digest, digest(&image()));
    assert_eq!(pushed.subject, Some(digest(b"subject")));
    assert_eq!(pushed.tags, [tag("latest"), tag("v1")]);
    assert_eq!(
        journal.entries(),
        [
            "lock revision",
            "pending",
            "look data", // its own
            "look revision",
            "look link", // the config
            "look data",
            "look link", // the layer
            "look data",
            "settle",
            "referrer",
            "persist",
            "lock tag",
            "set latest",
            "lock tag",
            "set v1",
        ]
    );
}

/// A 201 whose image a power cut may take is a broken promise (P1).
#[tokio::test]
async fn a_store_that_cannot_persist_moves_no_tag() {
    let mut world = willing();
    let journal = world.journal.clone();
    world
        .durability
        .expect_persist()
        .returning(|| Err(outage()));

    let result = manifests(world, MissingReferences::Refuse)
        .put(&repository(), &by_tag(), push(image()))
        .await;

    assert!(matches!(result, Err(RegistryError::Unavailable(_))));
    assert!(
        !journal
            .entries()
            .iter()
            .any(|entry| entry.starts_with("set "))
    );
}

fn missing_everything() -> World {
    let mut world = World::new();
    world
        .manifests
        .expect_put_pending()
        .returning(|_, _| Ok(()));
    world.blobs.expect_look().returning(|_| Ok(there(3)));
    world.manifests.expect_look().returning(|_, _| Ok(absent()));
    world.manifests.expect_stat().returning(|_, _| Ok(None));
    world.links.expect_look().returning(|_, _| Ok(absent()));
    world
}

#[tokio::test]
async fn what_is_missing_is_named_and_nothing_becomes_visible() {
    for (missing, bytes, named) in [
        (MissingReferences::Indexes, image(), digest(b"config")),
        (MissingReferences::Refuse, image(), digest(b"config")),
        (MissingReferences::Refuse, index(), digest(b"child")),
    ] {
        // Nobody expects `settle`: it would panic.
        let result = manifests(missing_everything(), missing)
            .put(&repository(), &by_tag(), push(bytes))
            .await;

        let Err(RegistryError::ManifestBlobUnknown(digest)) = result else {
            panic!("{missing:?}: {result:?}");
        };
        assert_eq!(digest, named);
    }
}

#[tokio::test]
async fn what_may_be_missing_is_accepted() {
    for (missing, bytes) in [
        (MissingReferences::Indexes, index()),
        (MissingReferences::Accept, index()),
        (MissingReferences::Accept, image()),
    ] {
        let mut world = persisting(missing_everything());
        world.manifests.expect_settle().returning(|_, _| Ok(()));
        world.referrers.expect_add().returning(|_, _, _| Ok(()));
        world.tags.expect_set().returning(|_, _, _| Ok(()));

        let result = manifests(world, missing)
            .put(&repository(), &by_tag(), push(bytes))
            .await;

        assert!(result.is_ok(), "{missing:?}: {result:?}");
    }
}

/// Clients may take a manifest for a blob: blob GETs serve manifests.
#[tokio::test]
async fn a_manifest_used_as_a_layer_is_linked_as_one() {
    let mut world = World::new();
    let journal = world.journal.clone();
    let linked = journal.clone();
    world
        .manifests
        .expect_put_pending()
        .returning(|_, _| Ok(()));
    world.blobs.expect_look().returning(|_| Ok(there(3)));
    world.manifests.expect_look().returning(|_, _| Ok(absent()));
    world
        .manifests
        .expect_stat()
        .returning(|_, _| Ok(Some(info())));
    let seen = journal.clone();
    world.links.expect_look().returning(move |_, _| {
        let added = seen.entries().iter().any(|entry| entry == "link");
        Ok(if added { there(3) } else { absent() })
    });
    world.links.expect_add().returning(move |_, _| {
        linked.note("link");
        Ok(())
    });
    world.manifests.expect_settle().returning(|_, _| Ok(()));
    world.referrers.expect_add().returning(|_, _, _| Ok(()));
    world.tags.expect_set().returning(|_, _, _| Ok(()));

    let result = manifests(persisting(world), MissingReferences::Refuse)
        .put(&repository(), &by_tag(), push(image()))
        .await;

    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test]
async fn content_taken_away_under_the_push_is_stored_again() {
    let mut world = persisting(World::new());
    world
        .manifests
        .expect_put_pending()
        .returning(|_, _| Ok(()));
    let mut answers = vec![there(3), absent()];
    let own = digest(&index());
    world.blobs.expect_look().returning(move |digest| {
        Ok(if *digest == own {
            answers.pop().unwrap()
        } else {
            absent()
        })
    });
    world
        .manifests
        .expect_put_content()
        .times(1)
        .returning(|_, _| Ok(()));
    let mut looks = vec![absent(), condemned(3)];
    world
        .manifests
        .expect_look()
        .returning(move |_, _| Ok(looks.pop().unwrap()));
    world.manifests.expect_stat().returning(|_, _| Ok(None));
    world.links.expect_look().returning(|_, _| Ok(absent()));
    world
        .marks
        .expect_pardon()
        .withf(|thing| matches!(thing, Thing::Revision(..)))
        .times(1)
        .returning(|_| Ok(()));
    world.manifests.expect_settle().returning(|_, _| Ok(()));
    world.tags.expect_set().returning(|_, _, _| Ok(()));

    let result = manifests(world, MissingReferences::Indexes)
        .put(&repository(), &by_tag(), push(index()))
        .await;

    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test]
async fn a_digest_in_the_url_must_be_the_bodys() {
    let reference = Reference::Digest(digest(b"another"));

    let result = manifests(World::new(), MissingReferences::Accept)
        .put(&repository(), &reference, push(image()))
        .await;

    assert!(matches!(result, Err(RegistryError::DigestInvalid(_))));
}

#[tokio::test]
async fn a_push_whose_precondition_fails_changes_nothing() {
    let mut world = World::new();
    world
        .tags
        .expect_get()
        .returning(|_, _| Ok(Some(digest(b"other"))));
    world
        .manifests
        .expect_stat()
        .returning(|_, _| Ok(Some(info())));
    let push = ManifestPush {
        if_match: Some(IfMatch::Digests(vec![digest(b"expected")])),
        ..push(image())
    };

    let result = manifests(world, MissingReferences::Accept)
        .put(&repository(), &by_tag(), push)
        .await;

    assert!(matches!(result, Err(RegistryError::PreconditionFailed)));
}

#[tokio::test]
async fn bytes_that_rotted_are_not_served() {
    let mut world = World::new();
    world.manifests.expect_get().returning(|_, _| {
        let bytes = Bytes::from_static(b"rot");
        Ok(Some(StoredManifest {
            info: info(),
            bytes,
        }))
    });

    let reference = Reference::Digest(digest(b"as pushed"));
    let result = manifests(world, MissingReferences::Accept)
        .get(&repository(), &reference)
        .await;

    assert!(matches!(result, Err(RegistryError::Unavailable(_))));
}

#[tokio::test]
async fn a_tag_whose_manifest_is_gone_is_unknown_and_delete_removes_it() {
    let mut world = World::new();
    world
        .tags
        .expect_get()
        .returning(|_, _| Ok(Some(digest(b"gone"))));
    world.manifests.expect_stat().returning(|_, _| Ok(None));
    world.tags.expect_remove().times(1).returning(|_, _| Ok(()));
    let manifests = manifests(world, MissingReferences::Accept);

    let stat = manifests.stat(&repository(), &by_tag()).await;
    let delete = manifests
        .delete(&repository(), &by_tag(), &Caller::default())
        .await;

    assert!(matches!(stat, Err(RegistryError::ManifestUnknown(_))));
    assert!(matches!(delete, Err(RegistryError::ManifestUnknown(_))));
}

/// It pointed at the old one when it was read, which was then deleted.
#[tokio::test]
async fn a_tag_that_moved_on_meanwhile_is_followed() {
    let mut world = World::new();
    let mut reads = 0;
    world.tags.expect_get().returning(move |_, _| {
        reads += 1;
        let old = reads % 2 == 1;
        Ok(Some(digest(if old { b"old" } else { b"new" })))
    });
    world.manifests.expect_stat().returning(|_, found| {
        let gone = *found == digest(b"old");
        Ok((!gone).then(info))
    });
    world.manifests.expect_get().returning(|_, found| {
        let gone = *found == digest(b"old");
        Ok((!gone).then(|| StoredManifest {
            info: info(),
            bytes: Bytes::from_static(b"new"),
        }))
    });
    let manifests = manifests(world, MissingReferences::Accept);

    let stat = manifests.stat(&repository(), &by_tag()).await;
    let get = manifests.get(&repository(), &by_tag()).await;

    assert_eq!(stat.unwrap().digest, digest(b"new"));
    assert_eq!(get.unwrap().0.digest, digest(b"new"));
}

/// The link of such a tag is empty or broken, and listed.
#[tokio::test]
async fn a_tag_that_points_nowhere_is_unknown_and_delete_removes_it() {
    let mut world = World::new();
    world.tags.expect_get().returning(|_, _| Ok(None));
    world.tags.expect_remove().times(1).returning(|_, _| Ok(()));

    let result = manifests(world, MissingReferences::Accept)
        .delete(&repository(), &by_tag(), &Caller::default())
        .await;

    assert!(matches!(result, Err(RegistryError::ManifestUnknown(_))));
}

/// lessons.md, correctness 11: what it would let go of is not known.
#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_not_deleted() {
    let mut world = World::new();
    world.manifests.expect_get().returning(|_, _| Err(outage()));
    let reference = Reference::Digest(digest(&image()));

    // Nobody expects a record, an untagging or a removal: they would panic.
    let result = manifests(world, MissingReferences::Accept)
        .delete(&repository(), &reference, &Caller::default())
        .await;

    assert!(matches!(result, Err(RegistryError::Unavailable(_))));
}

#[tokio::test]
async fn a_manifest_that_nobody_understands_can_be_deleted() {
    let mut world = persisting(World::new());
    world.manifests.expect_get().returning(|_, _| {
        Ok(Some(StoredManifest {
            info: info(),
            bytes: Bytes::from_static(b"nonsense"),
        }))
    });
    world
        .tags
        .expect_pointing_at()
        .returning(|_, _| Ok(Vec::new()));
    world.deletions.expect_add().returning(|_, _| Ok(()));
    world
        .manifests
        .expect_remove()
        .times(1)
        .returning(|_, _| Ok(()));
    let reference = Reference::Digest(digest(b"nonsense"));

    let result = manifests(world, MissingReferences::Accept)
        .delete(&repository(), &reference, &Caller::default())
        .await;

    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test]
async fn a_delete_goes_the_way_of_a_push_backwards() {
    let mut world = persisting(World::new());
    let journal = world.journal.clone();
    let (recorded, untagged) = (journal.clone(), journal.clone());
    let (unlisted, removed) = (journal.clone(), journal.clone());
    world.manifests.expect_get().returning(|_, _| {
        Ok(Some(StoredManifest {
            info: info(),
            bytes: image(),
        }))
    });
    world
        .tags
        .expect_pointing_at()
        .returning(|_, _| Ok(vec![tag("latest"), tag("moved")]));
    world.tags.expect_get().returning(|_, tag| {
        // `moved` went on to another manifest since it was found.
        let moved = tag.as_str() == "moved";
        Ok(Some(if moved {
            digest(b"other")
        } else {
            digest(&image())
        }))
    });
    world.deletions.expect_add().returning(move |_, deletion| {
        assert_eq!(deletion.references, [digest(b"config"), digest(b"layer")]);
        assert_eq!(deletion.by.as_deref(), Some("ann"));
        recorded.note("record");
        Ok(())
    });
    world.tags.expect_remove().returning(move |_, tag| {
        untagged.note(format!("untag {tag}"));
        Ok(())
    });
    world.referrers.expect_remove().returning(move |_, _, _| {
        unlisted.note("unlist");
        Ok(())
    });
    world.manifests.expect_remove().returning(move |_, _| {
        removed.note("remove");
        Ok(())
    });

    let caller = Caller {
        identity: Some(Arc::new(Identity {
            id: "ann".to_owned(),
            username: "Ann".to_owned(),
        })),
        ..Caller::default()
    };
    let reference = Reference::Digest(digest(&image()));
    manifests(world, MissingReferences::Accept)
        .delete(&repository(), &reference, &caller)
        .await
        .unwrap();

    assert_eq!(
        journal.entries(),
        [
            "lock revision",
            "record",
            "lock tag",
            "untag latest",
            "lock tag", // and looks again, and lets it be
            "unlist",
            "remove",
            "persist",
        ]
    );
}

/// The tag `latest` never moves.
fn immutable() -> Arc<Access> {
    let everything = Namespace {
        access_policy: allow(),
        missing_references: MissingReferences::Accept,
        immutable_tags: ImmutableTags {
            patterns: vec![TagPattern::try_from("l*".to_owned()).unwrap()],
            exceptions: Vec::new(),
        },
        ..Namespace::default()
    };
    let namespaces = Namespaces::new([("*".to_owned(), everything)]);
    Arc::new(Access::new(Arc::new(namespaces)))
}

fn with_immutable_tags(world: World) -> Manifests {
    let ports = world.into_ports();
    let (patience, access) = (ports.patience(), immutable());
    Manifests::new(
        &ports.storage,
        &ports.locks,
        &ports.clock,
        &patience,
        access,
    )
}

/// lessons.md, security 10 (CVE-2026-31801): another push sets the tag between
/// the first look and the lock.
#[tokio::test]
async fn a_tag_that_came_meanwhile_is_not_moved() {
    let mut world = persisting(willing());
    let mut looks = 0;
    world.tags.expect_get().times(2).returning(move |_, _| {
        looks += 1;
        Ok((looks == 2).then(|| digest(b"other")))
    });
    world
        .manifests
        .expect_stat()
        .returning(|_, _| Ok(Some(info())));
    let journal = world.journal.clone();

    let result = with_immutable_tags(world)
        .put(&repository(), &by_tag(), push(image()))
        .await;

    assert!(matches!(result, Err(RegistryError::TagImmutable { .. })));
    assert_eq!(journal.entries().last().unwrap(), "lock tag");
}

#[tokio::test]
async fn an_immutable_tag_is_refused_before_anything_is_written() {
    let mut world = World::new();
    world
        .tags
        .expect_get()
        .times(1)
        .returning(|_, _| Ok(Some(digest(b"other"))));
    world
        .manifests
        .expect_stat()
        .returning(|_, _| Ok(Some(info())));

    let result = with_immutable_tags(world)
        .put(&repository(), &by_tag(), push(image()))
        .await;

    assert!(matches!(result, Err(RegistryError::TagImmutable { .. })));
}

/// Else it could neither be used nor mended.
#[tokio::test]
async fn an_immutable_tag_whose_manifest_is_gone_can_be_removed() {
    let mut world = World::new();
    world
        .tags
        .expect_get()
        .returning(|_, _| Ok(Some(digest(b"gone"))));
    world.manifests.expect_stat().returning(|_, _| Ok(None));
    world.tags.expect_remove().times(1).returning(|_, _| Ok(()));

    let result = with_immutable_tags(world)
        .delete(&repository(), &by_tag(), &Caller::default())
        .await;

    assert!(matches!(result, Err(RegistryError::ManifestUnknown(_))));
}

use std::io;

use bytes::Bytes;
use futures_util::TryStreamExt;
use proptest::prelude::*;

use super::*;
use crate::domain::model::Hasher;
use crate::domain::world::{World, absent, outage, repository, there};
use crate::ports::{CacheError, IdleSession, MockMountHints, MockRepositoryIndex, StoreError};

fn session(bytes: &[u8]) -> UploadSession {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(bytes);
    UploadSession {
        id: "6ba7b810-9dad-11d1-80b4-00c04fd430c8".parse().unwrap(),
        started_at: Timestamp::from_millis(0),
        hasher,
        pieces: Vec::new(),
        unknown: serde_json::Map::new(),
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Hasher::digest_of(Algorithm::Sha256, bytes)
}

fn body(bytes: &'static [u8]) -> Body {
    Body::from_bytes(Bytes::from_static(bytes))
}

fn uploads(world: World) -> Uploads {
    let ports = world.into_ports();
    Uploads::new(&ports.storage, &ports.locks, &ports.clock)
}

/// A world with one session that holds `hello `, and appends what it is given.
fn with_session() -> World {
    let mut world = World::new();
    world
        .locks
        .expect_try_acquire()
        .returning(|_| Ok(Some(LockGuard::new(()))));
    world
        .uploads
        .expect_get()
        .returning(|_, _| Ok(Some(session(b"hello "))));
    world
        .uploads
        .expect_append()
        .returning(|_, before, stream| {
            let mut after = before.clone();
            let chunks = futures_util::FutureExt::now_or_never(stream.try_collect::<Vec<Bytes>>());
            for chunk in chunks.unwrap().map_err(AppendError::Body)? {
                after.hasher.update(&chunk);
            }
            Ok(after)
        });
    world
        .uploads
        .expect_digest()
        .returning(|_, session, _| Ok(session.hasher.digest()));
    world
}

#[tokio::test]
async fn a_chunk_that_continues_the_session_is_saved() {
    let mut world = with_session();
    world
        .uploads
        .expect_save()
        .withf(|_, session| session.offset() == 11)
        .times(1)
        .returning(|_, _| Ok(()));
    let range = Some(ChunkRange { first: 6, last: 10 });

    let session = uploads(world)
        .append(&repository(), &session(b"").id, range, body(b"world"))
        .await
        .unwrap();

    assert_eq!(session.offset(), 11);
}

#[tokio::test]
async fn a_chunk_that_does_not_continue_the_session_is_told_where_it_stands() {
    for (first, last) in [(0, 4), (5, 10), (7, 11), (6, 5)] {
        let range = Some(ChunkRange { first, last });

        // Nobody expects `save`: it would panic.
        let result = uploads(with_session())
            .append(&repository(), &session(b"").id, range, body(b"world"))
            .await;

        let Err(RegistryError::UploadInvalid(standing)) = result else {
            panic!("{first}-{last}: {result:?}");
        };
        assert_eq!(standing.offset(), 6);
    }
}

/// lessons.md, correctness 22 and 23
#[tokio::test]
async fn a_chunk_of_another_length_than_announced_changes_nothing() {
    let stream = |bytes: &'static [u8]| Body {
        length: None,
        ..body(bytes)
    };
    for (last, body) in [
        (10, body(b"worl")),
        (10, body(b"world!")),
        (10, stream(b"worl")),
        (10, stream(b"world!")),
        (10, stream(b"")),
        (u64::MAX, stream(b"world")),
    ] {
        let range = Some(ChunkRange { first: 6, last });

        let result = uploads(with_session())
            .append(&repository(), &session(b"").id, range, body)
            .await;

        assert!(
            matches!(result, Err(RegistryError::SizeInvalid(_))),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let broken = Body {
        stream: Box::pin(futures_util::stream::iter([
            Ok(Bytes::from_static(b"wor")),
            Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        ])),
        length: Some(5),
    };

    let result = uploads(with_session())
        .append(&repository(), &session(b"").id, None, broken)
        .await;

    assert!(matches!(result, Err(RegistryError::BodyBroken(_))));
}

#[tokio::test]
async fn who_comes_second_is_told_where_the_session_stands() {
    let mut world = World::new();
    world.locks.expect_try_acquire().returning(|_| Ok(None));
    world
        .uploads
        .expect_get()
        .returning(|_, _| Ok(Some(session(b"hello "))));

    let result = uploads(world)
        .append(&repository(), &session(b"").id, None, body(b"x"))
        .await;

    assert!(matches!(result, Err(RegistryError::UploadInvalid(s)) if s.offset() == 6));
}

#[tokio::test]
async fn the_link_comes_first_and_the_content_takes_its_name_last() {
    let mut world = with_session();
    let journal = world.journal.clone();
    let (added, link, data) = (journal.clone(), journal.clone(), journal.clone());
    let (committed, removed) = (journal.clone(), journal.clone());
    world.links.expect_add().returning(move |_, _| {
        added.note("link");
        Ok(())
    });
    world.links.expect_look().returning(move |_, _| {
        link.note("look link");
        Ok(there(70))
    });
    world.blobs.expect_look().returning(move |_| {
        data.note("look data");
        Ok(absent())
    });
    world.uploads.expect_commit().returning(move |_, _, _| {
        committed.note("commit");
        Ok(())
    });
    world.uploads.expect_remove().returning(move |_, _| {
        removed.note("remove session");
        Ok(())
    });

    uploads(world)
        .finish(
            &repository(),
            &session(b"").id,
            &digest(b"hello world"),
            None,
            body(b"world"),
        )
        .await
        .unwrap();

    let order = ["link", "look link", "look data", "commit", "remove session"];
    assert_eq!(journal.entries(), order);
}

#[tokio::test]
async fn content_of_another_digest_is_refused_and_the_session_stands() {
    // Nobody expects `save`, `commit`, `remove` or a link: they would panic.
    let result = uploads(with_session())
        .finish(
            &repository(),
            &session(b"").id,
            &digest(b"other"),
            None,
            body(b"world"),
        )
        .await;

    assert!(matches!(result, Err(RegistryError::DigestInvalid(_))));
}

#[tokio::test]
async fn a_finish_that_is_asked_again_succeeds_where_the_blob_is_linked() {
    for (linked, stored) in [(true, true), (true, false), (false, true)] {
        let mut world = World::new();
        world
            .locks
            .expect_try_acquire()
            .returning(|_| Ok(Some(LockGuard::new(()))));
        world.uploads.expect_get().returning(|_, _| Ok(None));
        world
            .links
            .expect_refresh()
            .returning(move |_, _| Ok(linked));
        world.links.expect_look().returning(|_, _| Ok(there(70)));
        world
            .blobs
            .expect_look()
            .returning(move |_| Ok(if stored { there(5) } else { absent() }));

        let result = uploads(world)
            .finish(
                &repository(),
                &session(b"").id,
                &digest(b"x"),
                None,
                body(b""),
            )
            .await;

        match result {
            Ok(()) => assert!(linked && stored),
            Err(RegistryError::UploadUnknown) => assert!(!(linked && stored)),
            Err(e) => panic!("{e:?}"),
        }
    }
}

/// The answer to the first one got lost, and the client asks again just when
/// the session has gone and its lock has not.
#[tokio::test]
async fn a_finish_beside_the_end_of_another_one_succeeds() {
    let mut world = World::new();
    world.locks.expect_try_acquire().returning(|_| Ok(None));
    world.uploads.expect_get().returning(|_, _| Ok(None));
    world.links.expect_refresh().returning(|_, _| Ok(true));
    world.links.expect_look().returning(|_, _| Ok(there(70)));
    world.blobs.expect_look().returning(|_| Ok(there(5)));

    let result = uploads(world)
        .finish(
            &repository(),
            &session(b"").id,
            &digest(b"x"),
            None,
            body(b""),
        )
        .await;

    assert!(result.is_ok(), "{result:?}");
}

/// Else it could expire while its body is on the way.
#[tokio::test]
async fn a_monolithic_push_holds_the_lock_of_its_session() {
    let mut world = World::new();
    world
        .uploads
        .expect_create()
        .returning(|_, _, _| Ok(session(b"")));
    world
        .locks
        .expect_try_acquire()
        .withf(|key| *key == LockKey::Session(session(b"").id))
        .times(1)
        .returning(|_| Ok(Some(LockGuard::new(()))));
    world
        .uploads
        .expect_append()
        .returning(|_, _, _| Err(AppendError::Store(outage())));
    world.uploads.expect_remove().returning(|_, _| Ok(()));

    let result = uploads(world)
        .push(&repository(), &digest(b"x"), body(b"x"))
        .await;

    assert!(matches!(result, Err(RegistryError::Unavailable(_))));
}

#[tokio::test]
async fn a_monolithic_push_that_is_refused_leaves_no_session() {
    let mut world = with_session();
    world
        .uploads
        .expect_create()
        .returning(|_, _, _| Ok(session(b"")));
    world
        .uploads
        .expect_remove()
        .times(1)
        .returning(|_, _| Ok(()));

    let result = uploads(world)
        .push(&repository(), &digest(b"other"), body(b"world"))
        .await;

    assert!(matches!(result, Err(RegistryError::DigestInvalid(_))));
}

#[tokio::test]
async fn only_sessions_that_are_still_old_under_their_lock_expire() {
    let mut world = World::new();
    let at = |millis, touched| IdleSession {
        repository: repository(),
        id: format!("6ba7b810-9dad-11d1-80b4-00c04fd4300{millis}")
            .parse()
            .unwrap(),
        touched: Timestamp::from_millis(touched),
    };
    let listed = vec![at(1, 999), at(2, 100), at(3, 100), at(4, 100)];
    world.uploads.expect_list().return_once(move || Ok(listed));
    world.locks.expect_try_acquire().returning(|key| {
        let busy = key.to_string().ends_with('2');
        Ok((!busy).then(|| LockGuard::new(())))
    });
    world.uploads.expect_touched().returning(|_, id| {
        let moved_on = id.as_str().ends_with('3');
        Ok(Some(Timestamp::from_millis(if moved_on {
            999
        } else {
            100
        })))
    });
    world
        .uploads
        .expect_remove()
        .withf(|_, id| id.as_str().ends_with('4'))
        .times(1)
        .returning(|_, _| Ok(()));
    world
        .uploads
        .expect_sweep()
        .withf(|before, remove| before.as_millis() == 500 && *remove)
        .returning(|_, _| Ok(2));

    let removed = uploads(world)
        .expire(Duration::from_millis(500))
        .await
        .unwrap();

    assert_eq!(removed, 3);
}

fn mountable(source_has_it: bool, content: bool) -> World {
    let mut world = World::new();
    world
        .links
        .expect_exists()
        .returning(move |name, _| Ok(source_has_it && name.as_str() == "source"));
    world.links.expect_add().returning(|_, _| Ok(()));
    world.links.expect_look().returning(|_, _| Ok(there(70)));
    world
        .blobs
        .expect_look()
        .returning(move |_| Ok(if content { there(5) } else { absent() }));
    world.repositories.expect_list().returning(|page| {
        assert!(
            page.limit.is_some(),
            "an anonymous mount looks at a bounded number"
        );
        let items = ["other", "source"].map(|name| name.parse().unwrap()).into();
        Ok(crate::domain::model::Listing { items, more: true })
    });
    world
}

#[tokio::test]
async fn a_blob_is_mounted_from_where_it_is_linked_and_stored() {
    let source = "source".parse().unwrap();
    for (linked, stored) in [(true, true), (true, false), (false, true)] {
        let mounted = uploads(mountable(linked, stored))
            .mount(
                &repository(),
                &digest(b"x"),
                MountSource::Repository(&source),
            )
            .await
            .unwrap();

        assert_eq!(mounted, linked && stored);
    }
}

/// CVE-2024-39897: knowing a digest is no right to its content.
#[tokio::test]
async fn an_anonymous_mount_needs_a_source_that_the_caller_may_read() {
    for allowed in [true, false] {
        let may_read = move |name: &RepositoryName| allowed || name.as_str() != "source";
        let source = MountSource::Anywhere {
            may_read: &may_read,
        };

        let mounted = uploads(mountable(true, true))
            .mount(&repository(), &digest(b"x"), source)
            .await
            .unwrap();

        assert_eq!(mounted, allowed);
    }
}

/// lessons.md, correctness 39 and security 6: the blob was deleted there since.
#[tokio::test]
async fn where_a_blob_was_seen_last_is_no_permission() {
    let uploads = uploads(mountable(false, true));
    let source = "source".parse().unwrap();
    uploads.mounts.remember(&source, &digest(b"x")).await;
    let source = MountSource::Anywhere {
        may_read: &|_| true,
    };

    let mounted = uploads
        .mount(&repository(), &digest(b"x"), source)
        .await
        .unwrap();

    assert!(!mounted);
}

/// What another server saw; one that knows nothing is no obstacle.
#[tokio::test]
async fn an_anonymous_mount_asks_what_other_servers_have_seen() {
    for known in [true, false] {
        let mut hints = MockMountHints::new();
        hints.expect_get().times(1).returning(move |_| {
            let hint = known.then(|| "source".parse().unwrap());
            hint.map(Some).ok_or_else(|| CacheError("down".into()))
        });
        let told = hints.expect_put().times(1);
        told.returning(|_, _| Err(CacheError("down".into())));
        let mut world = mountable(true, true);
        // Where the hint helps, nobody walks.
        world.repositories = MockRepositoryIndex::new();
        let walks = world.repositories.expect_list();
        walks.times(usize::from(!known)).returning(|_| {
            let items = vec!["source".parse().unwrap()];
            Ok(crate::domain::model::Listing { items, more: false })
        });
        let mut ports = world.into_ports();
        ports.storage.hints = Some(Arc::new(hints));
        let uploads = Uploads::new(&ports.storage, &ports.locks, &ports.clock);
        let source = MountSource::Anywhere {
            may_read: &|_| true,
        };

        let mounted = uploads
            .mount(&repository(), &digest(b"x"), source)
            .await
            .unwrap();

        assert!(mounted);
    }
}

/// The blob is there: its client need not push it again.
#[tokio::test]
async fn a_finish_whose_session_cannot_be_removed_has_succeeded() {
    let mut world = with_session();
    world.links.expect_add().returning(|_, _| Ok(()));
    world.links.expect_look().returning(|_, _| Ok(there(70)));
    world.blobs.expect_look().returning(|_| Ok(there(11)));
    let removal = world.uploads.expect_remove().times(1);
    removal.returning(|_, _| Err(outage()));
    let (id, whole) = (session(b"").id, digest(b"hello world"));

    uploads(world)
        .finish(&repository(), &id, &whole, None, body(b"world"))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_outage_is_never_an_unknown_upload() {
    let mut world = World::new();
    world
        .uploads
        .expect_get()
        .returning(|_, _| Err::<_, StoreError>(outage()));

    let result = uploads(world).status(&repository(), &session(b"").id).await;

    assert!(matches!(result, Err(RegistryError::Unavailable(_))));
}

proptest! {
    #[test]
    fn a_bounded_stream_gives_at_most_one_byte_too_many(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9),
        limit in 0_u64..40,
    ) {
        let whole = chunks.concat();
        let stream = futures_util::stream::iter(chunks.into_iter().map(|c| Ok(Bytes::from(c))));
        let bounded = bounded(Box::pin(stream), limit).try_collect::<Vec<Bytes>>();
        let got = futures_util::FutureExt::now_or_never(bounded).unwrap().unwrap().concat();

        let limit = usize::try_from(limit).unwrap();
        prop_assert_eq!(&got[..], &whole[..whole.len().min(limit + 1)]);
    }
}

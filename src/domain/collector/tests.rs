//! What a real store does not show: failures, time, and what is not called. The rest is in `tests/suite/contracts`.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;

use super::{Collector, CollectorSettings, NamespaceUsage};
use crate::domain::model::{
    Algorithm, Digest, Found, Hasher, Listing, Look, Mark, Thing, Timestamp,
};
use crate::domain::namespaces::{Namespace, Namespaces};
use crate::domain::world::{World, condemned, outage, repository, there};
use crate::ports::{
    Deletion, DeletionRecord, Everything, Findings, LockGuard, LockKey, ManifestInfo,
    StoredManifest,
};
use bytes::Bytes;

fn blob() -> Digest {
    Hasher::digest_of(Algorithm::Sha256, b"blob")
}

/// An image that needs nothing.
const MANIFEST: &[u8] = br#"{"schemaVersion":2,"manifests":[]}"#;

/// That of a manifest that named `reference`.
fn deletion(reference: Digest, at: i64) -> DeletionRecord {
    let deletion = Deletion {
        digest: Hasher::digest_of(Algorithm::Sha256, b"manifest"),
        media_type: None,
        tags: Vec::new(),
        manifest: true,
        references: vec![reference],
        subject: None,
        at: Timestamp::from_millis(at),
        by: None,
    };
    DeletionRecord {
        id: "record".to_owned(),
        deletion: Some(deletion),
    }
}

fn piece(marked: bool) -> Findings {
    let found = Found {
        digest: blob(),
        there: true,
        size: 4,
        marked,
    };
    Box::pin(stream::iter([Ok(vec![found])]))
}

fn nothing() -> Findings {
    Box::pin(stream::iter([]))
}

/// One repository, without manifests and links; the store's clock stands.
fn world() -> World {
    let mut world = World::new();
    let repositories = &mut world.repositories;
    repositories.expect_everything().returning(|| {
        Ok(Everything {
            repositories: vec![repository()],
            strange: Vec::new(),
        })
    });
    let now = Timestamp::from_millis(10_000);
    world.marks.expect_now().returning(move || Ok(now));
    world
        .marks
        .expect_since()
        .returning(|_, _| Ok(Some(Timestamp::from_millis(0))));
    let collector = &mut world.locks;
    collector
        .expect_try_acquire()
        .returning(|_| Ok(Some(LockGuard::new(()))));
    world.manifests.expect_list().returning(|_, _| {
        Ok(Listing {
            items: Vec::new(),
            more: false,
        })
    });
    world
        .deletions
        .expect_list()
        .returning(|_, _| Ok(Vec::new()));
    world
}

fn collector(world: World, rate_limit: Option<u32>) -> Collector {
    let ports = world.into_ports();
    let settings = CollectorSettings {
        grace_period: Duration::ZERO,
        rate_limit: rate_limit.and_then(NonZero::new),
    };
    Collector::new(&ports.storage, &ports.locks, &ports.clock, settings)
}

/// A world in which the blob has no link, and is condemned.
fn with_condemned_blob() -> World {
    let mut world = world();
    world.links.expect_list().returning(|_| nothing());
    world.blobs.expect_list().returning(|| piece(true));
    world.blobs.expect_look().returning(|_| Ok(condemned(4)));
    world
}

#[tokio::test]
async fn content_is_not_even_listed_where_a_listing_of_links_is_cut_short() {
    let mut world = world();
    world
        .links
        .expect_list()
        .returning(|_| Box::pin(stream::iter([Ok(Vec::new()), Err(outage())])));

    let pass = collector(world, None).pass(&|| true).await.unwrap();

    let doubts = pass.unwrap().doubts;
    assert!(doubts[0].starts_with("team/app: "), "{doubts:?}");
    assert!(doubts[1].starts_with("content: "), "{doubts:?}");
}

#[tokio::test]
async fn content_stays_where_a_directory_has_no_repository_s_name() {
    let mut world = world();
    world.repositories.checkpoint();
    world.repositories.expect_everything().returning(|| {
        Ok(Everything {
            repositories: Vec::new(),
            strange: vec!["Team".to_owned()],
        })
    });

    let pass = collector(world, None).pass(&|| true).await.unwrap();

    assert!(pass.unwrap().doubts[0].starts_with("Team: "));
}

#[tokio::test]
async fn a_mark_that_was_replaced_removes_nothing() {
    let mut world = with_condemned_blob();
    world.marks.expect_doom().returning(|_, _| Ok(false));
    let mut collector = collector(world, None);

    for _ in 0..2 {
        let pass = collector.pass(&|| true).await.unwrap().unwrap();
        assert_eq!((pass.removed, pass.doubts.len()), (0, 0));
    }
}

#[tokio::test]
async fn a_removal_without_an_answer_keeps_its_lock_and_its_mark() {
    let mut world = with_condemned_blob();
    let journal = world.journal.clone();
    world.marks.expect_doom().returning(|_, _| Ok(true));
    let noted = journal.clone();
    world.blobs.expect_remove().returning(move |_| {
        noted.note("remove");
        Err(outage())
    });
    let noted = journal.clone();
    world.clock.expect_sleep().returning(move |time| {
        noted.note(format!("wait {time:?}"));
    });
    let mut collector = collector(world, None);

    collector.pass(&|| true).await.unwrap();
    let pass = collector.pass(&|| true).await.unwrap().unwrap();

    assert_eq!(journal.entries(), ["lock data", "remove", "wait 60s"]);
    assert_eq!((pass.removed, pass.doubts.len()), (0, 1));
}

#[tokio::test]
async fn a_mark_of_another_id_waits_from_the_beginning() {
    let mut world = with_condemned_blob();
    let mut looks = 0;
    world.blobs.checkpoint();
    world.blobs.expect_list().returning(|| piece(true));
    world.blobs.expect_look().returning(move |_| {
        looks += 1;
        let mut look = there(4);
        look.mark = Mark::Condemned(format!("mark {looks}"));
        Ok(look)
    });
    let mut collector = collector(world, None);

    for _ in 0..4 {
        let pass = collector.pass(&|| true).await.unwrap().unwrap();
        assert_eq!(pass.removed, 0, "and the locks were never asked");
    }
}

#[tokio::test]
async fn no_more_is_looked_at_in_a_second_than_it_may() {
    let mut world = with_condemned_blob();
    let journal = world.journal.clone();
    let noted = journal.clone();
    world.clock.expect_sleep().returning(move |time| {
        noted.note(format!("wait {time:?}"));
    });

    collector(world, Some(4)).pass(&|| true).await.unwrap();

    assert_eq!(journal.entries(), ["wait 250ms"]);
}

#[tokio::test]
async fn what_was_deleted_within_the_grace_period_stays_whatever_mark_it_had() {
    for (deleted_at, dooms) in [(1000, 0), (999, 1)] {
        let mut world = with_condemned_blob();
        world
            .marks
            .expect_doom()
            .times(dooms)
            .returning(|_, _| Ok(false));
        world.deletions.checkpoint();
        world.deletions.expect_remove().returning(|_, _| Ok(()));
        world
            .referrers
            .expect_list()
            .returning(|_, _| Ok(Vec::new()));
        world
            .deletions
            .expect_list()
            .returning(move |_, _| Ok(vec![deletion(blob(), deleted_at)]));
        let mut collector = collector(world, None);

        for _ in 0..2 {
            let pass = collector.pass(&|| true).await.unwrap().unwrap();
            assert_eq!(pass.doubts, [""; 0]);
        }
    }
}

/// A manifest that an index named, which was deleted long ago.
#[tokio::test]
async fn a_manifest_is_not_marked_while_somebody_pushes_it() {
    for (pushed, marks) in [(true, 0), (false, 1)] {
        let mut world = world();
        let revision = || Hasher::digest_of(Algorithm::Sha256, MANIFEST);
        world.deletions.checkpoint();
        world
            .deletions
            .expect_list()
            .returning(move |_, _| Ok(vec![deletion(revision(), 999)]));
        world.deletions.expect_remove().returning(|_, _| Ok(()));
        world.manifests.checkpoint();
        world.manifests.expect_list().returning(move |_, _| {
            Ok(Listing {
                items: vec![revision()],
                more: false,
            })
        });
        world.manifests.expect_get().returning(move |_, _| {
            Ok(Some(StoredManifest {
                info: ManifestInfo {
                    media_type: None,
                    size: MANIFEST.len() as u64,
                    pushed_at: None,
                },
                bytes: Bytes::from_static(MANIFEST),
            }))
        });
        world
            .manifests
            .expect_claim()
            .returning(|_, _| Ok(Some(Bytes::from_static(MANIFEST))));
        world.manifests.expect_look().returning(|_, _| Ok(there(2)));
        world
            .referrers
            .expect_list()
            .returning(|_, _| Ok(Vec::new()));
        world.tags.expect_list().returning(|_, _| {
            Ok(Listing {
                items: Vec::new(),
                more: false,
            })
        });
        world.links.expect_list().returning(|_| nothing());
        world.blobs.expect_list().returning(nothing);
        world.locks.checkpoint();
        world.locks.expect_try_acquire().returning(move |key| {
            let is_held = pushed && matches!(key, LockKey::Revision(..));
            Ok((!is_held).then(|| LockGuard::new(())))
        });
        let condemned = world.marks.expect_condemn().times(marks);
        condemned.returning(|_| Ok(Some("mark".to_owned())));

        let pass = collector(world, None).pass(&|| true).await.unwrap();

        assert_eq!(pass.unwrap().doubts, [""; 0]);
    }
}

/// `MinIO` goes on listing the directory of a removed manifest, if two removals met there.
#[tokio::test]
async fn a_listed_name_below_which_nothing_is_claims_no_content_unless_somebody_pushes_it() {
    for (pushed, marked) in [(true, 0), (false, 1)] {
        let mut world = world();
        world.manifests.checkpoint();
        world.manifests.expect_list().returning(|_, _| {
            Ok(Listing {
                items: vec![blob()],
                more: false,
            })
        });
        world.manifests.expect_look().returning(|_, _| {
            Ok(Look {
                mark: Mark::None,
                thing: None,
            })
        });
        world.manifests.expect_claim().returning(|_, _| Ok(None));
        world.locks.checkpoint();
        world.locks.expect_try_acquire().returning(move |key| {
            let is_held = pushed && matches!(key, LockKey::Revision(..));
            Ok((!is_held).then(|| LockGuard::new(())))
        });
        world.links.expect_list().returning(|_| nothing());
        world.blobs.expect_list().returning(|| piece(false));
        world.blobs.expect_look().returning(|_| Ok(there(4)));
        world.marks.expect_condemn().returning(|thing| {
            let is_content = matches!(thing, Thing::Data(_));
            Ok(is_content.then(|| "mark".to_owned()))
        });

        let pass = collector(world, None).pass(&|| true).await.unwrap();

        let pass = pass.unwrap();
        assert_eq!((pass.marked, pass.doubts), (marked, Vec::new()));
    }
}

#[tokio::test]
async fn it_rests_twenty_times_as_long_as_the_processors_worked_but_comes_to_an_end() {
    for (each, rest) in [(10, "wait 200ms"), (1000, "wait 2s")] {
        let mut world = with_condemned_blob();
        let journal = world.journal.clone();
        world.clock.checkpoint();
        world
            .clock
            .expect_now()
            .returning(|| Timestamp::from_millis(1000));
        let mut asked = 0;
        world.clock.expect_cpu_time().returning(move || {
            asked += 1;
            Duration::from_millis(each * asked)
        });
        let noted = journal.clone();
        world.clock.expect_sleep().returning(move |time| {
            noted.note(format!("wait {time:?}"));
        });

        collector(world, None).pass(&|| true).await.unwrap();

        assert_eq!(journal.entries(), [rest]);
    }
}

/// Bytes of all content, and of each namespace.
fn stored(collector: &Collector) -> Option<String> {
    let usage = collector.usage()?;
    let mut all = vec![usage.content.to_string()];
    for (name, it) in &usage.namespaces {
        let NamespaceUsage {
            content,
            repositories,
        } = it;
        all.push(format!("{name} {content} in {repositories}"));
    }
    Some(all.join(", "))
}

fn namespaces(prefixes: &[&str]) -> Arc<Namespaces> {
    let entries = prefixes
        .iter()
        .map(|it| ((*it).to_owned(), Namespace::default()));
    Arc::new(Namespaces::new(entries))
}

#[tokio::test]
async fn what_is_stored_is_told_for_each_namespace_after_whole_passes_only() {
    let mut world = world();
    let mut pass = 0;
    world.links.expect_list().returning(move |_| {
        pass += 1;
        match pass {
            4 => Box::pin(stream::iter([Err(outage())])),
            _ => piece(false),
        }
    });
    world.links.expect_look().returning(|_, _| Ok(there(70)));
    world.marks.expect_condemn().returning(|_| Ok(None));
    let mut pass = 0;
    world.blobs.expect_list().returning(move || {
        pass += 1;
        match pass {
            3 => Box::pin(stream::iter([Err(outage())])),
            _ => piece(false),
        }
    });
    world.locks.checkpoint();
    let mut asked = 0;
    world.locks.expect_try_acquire().returning(move |_| {
        asked += 1;
        Ok((asked != 6).then(|| LockGuard::new(())))
    });
    let mut collector = collector(world, None);

    collector.pass(&|| true).await.unwrap();
    assert_eq!(stored(&collector).unwrap(), "4, (none) 4 in 0");

    collector.count_for(&namespaces(&["team", "other"]));
    assert_eq!(stored(&collector).unwrap(), "4, (none) 4 in 0", "not yet");
    collector.pass(&|| true).await.unwrap();
    let whole = "4, (none) 0 in 0, other 0 in 0, team 4 in 0";
    assert_eq!(stored(&collector).unwrap(), whole);

    for (why, goes_on, ends) in [
        ("the listing of content broke off", true, true),
        ("the listing of links did", true, true),
        ("it was to stop", false, false),
    ] {
        let pass = collector.pass(&|| goes_on).await.unwrap();
        assert_eq!(pass.is_some(), ends, "{why}");
        assert_eq!(stored(&collector).unwrap(), whole, "{why}");
    }

    collector.count_for(&namespaces(&["*", "team"]));
    assert_eq!(stored(&collector).unwrap(), "4, team 4 in 0");

    assert_eq!(collector.pass(&|| true).await.unwrap(), None);
    assert_eq!(stored(&collector), None, "another server knows better");
}

#[tokio::test]
async fn content_that_is_removed_is_not_counted() {
    let mut world = with_condemned_blob();
    world.marks.expect_doom().returning(|_, _| Ok(true));
    world.marks.expect_pardon().returning(|_| Ok(()));
    world.blobs.expect_remove().returning(|_| Ok(()));
    let mut collector = collector(world, None);

    for left in [4, 0] {
        collector.pass(&|| true).await.unwrap();
        assert_eq!(collector.usage().unwrap().content, left);
    }
}

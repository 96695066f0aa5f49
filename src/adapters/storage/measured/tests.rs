//! That all arrives, and is counted.

use std::io;

use futures_util::{StreamExt, stream};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::super::tree::MockTree;
use super::*;
use crate::domain::model::{Hasher, Mark};
use crate::ports::{MockBlobReader, MockUploadSessions};

fn shown(metrics: &StoreMetrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

/// How many operations were counted, of whatever kind.
fn operations(metrics: &StoreMetrics) -> u64 {
    let text = shown(metrics);
    let counts = text.lines().filter(|it| it.contains("_count{"));
    counts
        .map(|it| it.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

fn broken() -> StoreError {
    let source = Box::new(io::Error::other("broken"));
    StoreError::Unavailable {
        what: "it".to_owned(),
        source,
    }
}

/// The methods of the traits: a default that is not forwarded would be taken here, and not what the store does.
#[test]
fn no_method_is_left_to_its_default() {
    let here = include_str!("../measured.rs");
    let traits = [
        include_str!("../tree.rs"),
        include_str!("../../../ports/upload_sessions.rs"),
        include_str!("../../../ports/blob_store.rs"),
    ];
    let mut seen = 0;
    for (text, name) in traits
        .into_iter()
        .zip(["Tree", "UploadSessions", "BlobReader"])
    {
        let (_, body) = text.split_once(&format!("pub trait {name}: ")).unwrap();
        let (body, _) = body.split_once("\n}").unwrap();
        for method in body.split("fn ").skip(1) {
            let (method, _) = method.split_once('(').unwrap();
            let forwarded = [format!("=> {method}("), format!("fn {method}(")];
            assert!(
                forwarded.iter().any(|it| here.contains(it)),
                "{name}::{method}"
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 28 + 11 + 3);
}

#[tokio::test]
async fn each_call_of_a_tree_arrives_once_and_is_counted_once() {
    let metrics = StoreMetrics::default();
    let mut tree = MockTree::new();
    tree.expect_read().times(1).returning(|_| Ok(None));
    tree.expect_has().times(1).returning(|_| Ok(true));
    tree.expect_write().times(1).returning(|_, _| Ok(()));
    tree.expect_write_synced().times(1).returning(|_, _| Ok(()));
    tree.expect_write_private()
        .times(1)
        .returning(|_, _| Ok(()));
    tree.expect_stat().times(1).returning(|_| Ok(None));
    tree.expect_touch().times(1).returning(|_| Ok(true));
    tree.expect_renew().times(1).returning(|_, _| Ok(()));
    tree.expect_stamp().times(1).returning(|_| Ok(()));
    tree.expect_times().times(1).returning(|_| Ok(Vec::new()));
    tree.expect_read_times()
        .times(1)
        .returning(|_, _| Ok(Vec::new()));
    tree.expect_look().times(1).returning(|_, _| {
        Ok(Look {
            mark: Mark::None,
            thing: None,
        })
    });
    tree.expect_condemn().times(1).returning(|_, _| Ok(None));
    tree.expect_doom().times(1).returning(|_, _| Ok(true));
    tree.expect_pardon().times(1).returning(|_| Ok(()));
    tree.expect_remove().times(1).returning(|_| Ok(()));
    tree.expect_remove_all().times(1).returning(|_| Ok(()));
    tree.expect_children()
        .times(1)
        .returning(|_, _, page| Ok(Listing::cut([], page)));
    tree.expect_walk().times(1).returning(|_, _| Ok(Vec::new()));
    tree.expect_marked()
        .times(1)
        .returning(|_, _, _, page| Ok(Listing::cut([], page)));
    tree.expect_has_any().times(1).returning(|_| Ok(true));
    tree.expect_relocate().times(1).returning(|_, _| Ok(()));
    tree.expect_prune().times(1).returning(|_| Ok(()));
    tree.expect_persist().times(1).returning(|| Ok(()));
    tree.expect_sweep().times(1).returning(|_, _| Ok(0));
    tree.expect_places()
        .times(1)
        .returning(|_, _| stream::iter([Ok(Vec::new())]).boxed());
    tree.expect_below()
        .times(1)
        .returning(|_| stream::iter([Ok(Vec::new())]).boxed());
    tree.expect_open().times(1).returning(|_| Ok(None));
    let measured: Measured<dyn Tree> = Measured::new(Arc::new(tree), &metrics);
    let (bytes, page) = (Bytes::new(), Page::all());

    measured.read("a").await.unwrap();
    measured.has("a").await.unwrap();
    measured.write("a", bytes.clone()).await.unwrap();
    measured.write_synced("a", bytes.clone()).await.unwrap();
    measured.write_private("a", bytes.clone()).await.unwrap();
    measured.stat("a").await.unwrap();
    measured.touch("a").await.unwrap();
    measured.renew("a", bytes).await.unwrap();
    measured.stamp("a").await.unwrap();
    measured.times("a").await.unwrap();
    measured.read_times("a", "b").await.unwrap();
    measured.look("a", "b").await.unwrap();
    measured.condemn("a", "b").await.unwrap();
    measured.doom("a", "b").await.unwrap();
    measured.pardon("a").await.unwrap();
    measured.remove("a").await.unwrap();
    measured.remove_all("a").await.unwrap();
    measured.children("a", "b", &page).await.unwrap();
    measured.walk("a", &["b"]).await.unwrap();
    measured.marked("a", &["b"], |_| true, &page).await.unwrap();
    measured.has_any("a").await.unwrap();
    measured.relocate("a", "b").await.unwrap();
    measured.prune("a").await.unwrap();
    measured.persist().await.unwrap();
    measured
        .sweep(Timestamp::from_millis(0), true)
        .await
        .unwrap();
    assert_eq!(measured.places("a", "b").count().await, 1);
    assert_eq!(measured.below("a").count().await, 1);
    assert!(measured.open("a").await.unwrap().is_none());

    assert_eq!(operations(&metrics), 28, "{}", shown(&metrics));
}

#[tokio::test]
async fn each_call_of_upload_sessions_arrives_once_and_is_counted_once() {
    let metrics = StoreMetrics::default();
    let session =
        super::super::session::begin(Algorithm::Sha256, Timestamp::from_millis(0)).unwrap();
    let mut sessions = MockUploadSessions::new();
    let answer = session.clone();
    sessions
        .expect_create()
        .times(1)
        .returning(move |_, _, _| Ok(answer.clone()));
    let answer = session.clone();
    sessions
        .expect_append()
        .times(1)
        .returning(move |_, _, _| Ok(answer.clone()));
    sessions.expect_get().times(1).returning(|_, _| Ok(None));
    sessions.expect_save().times(1).returning(|_, _| Ok(()));
    sessions.expect_open().times(1).returning(|_, _| Ok(None));
    sessions
        .expect_digest()
        .times(1)
        .returning(|_, session, _| Ok(session.hasher.digest()));
    sessions
        .expect_commit()
        .times(1)
        .returning(|_, _, _| Ok(()));
    sessions.expect_remove().times(1).returning(|_, _| Ok(()));
    sessions.expect_list().times(1).returning(|| Ok(Vec::new()));
    sessions
        .expect_touched()
        .times(1)
        .returning(|_, _| Ok(None));
    sessions.expect_sweep().times(1).returning(|_, _| Ok(0));
    let measured: Measured<dyn UploadSessions> = Measured::new(Arc::new(sessions), &metrics);
    let (repository, now) = ("a".parse().unwrap(), Timestamp::from_millis(0));
    let digest = Hasher::digest_of(Algorithm::Sha256, b"");

    measured
        .create(&repository, Algorithm::Sha256, now)
        .await
        .unwrap();
    measured.get(&repository, &session.id).await.unwrap();
    measured
        .append(&repository, &session, stream::empty().boxed())
        .await
        .unwrap();
    measured.save(&repository, &session).await.unwrap();
    measured.open(&repository, &session).await.unwrap();
    measured
        .commit(&repository, &session, &digest)
        .await
        .unwrap();
    measured.remove(&repository, &session.id).await.unwrap();
    measured.list().await.unwrap();
    measured.touched(&repository, &session.id).await.unwrap();
    measured.sweep(now, true).await.unwrap();
    assert_eq!(operations(&metrics), 10);
    measured
        .digest(&repository, &session, Algorithm::Sha256)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_fails_is_counted_by_what_it_was_but_for_what_clients_do() {
    let metrics = StoreMetrics::default();
    let mut tree = MockTree::new();
    tree.expect_read().returning(|_| Err(broken()));
    tree.expect_places()
        .returning(|_, _| stream::iter([Ok(Vec::new()), Err(broken())]).boxed());
    tree.expect_open().returning(|_| {
        let mut reader = MockBlobReader::new();
        reader.expect_size().return_const(7_u64);
        reader.expect_read().returning(|_| {
            let pieces = [Ok(Bytes::new()), Err(io::Error::other("broken"))];
            Ok(stream::iter(pieces).boxed())
        });
        reader.expect_segments().returning(|_| {
            let segments = [Err(io::Error::other("broken"))];
            Some(stream::iter(segments).boxed())
        });
        Ok(Some(Box::new(reader) as Box<dyn BlobReader>))
    });
    let mut sessions = MockUploadSessions::new();
    let mut failures = [
        AppendError::Store(broken()),
        AppendError::Body(io::Error::other("left")),
    ]
    .into_iter();
    sessions
        .expect_append()
        .returning(move |_, _, _| Err(failures.next().unwrap()));
    let tree: Measured<dyn Tree> = Measured::new(Arc::new(tree), &metrics);
    let sessions: Measured<dyn UploadSessions> = Measured::new(Arc::new(sessions), &metrics);

    assert!(tree.read("a").await.is_err());
    assert_eq!(tree.places("a", "b").count().await, 2);
    let reader = tree.open("a").await.unwrap().unwrap();
    assert_eq!(reader.size(), 7);
    assert_eq!(reader.read(0..7).await.unwrap().count().await, 2);
    assert_eq!(reader.segments(0..7).unwrap().count().await, 1);
    let session =
        super::super::session::begin(Algorithm::Sha256, Timestamp::from_millis(0)).unwrap();
    let repository = "a".parse().unwrap();
    for _ in 0..2 {
        let appended = sessions.append(&repository, &session, stream::empty().boxed());
        assert!(appended.await.is_err());
    }

    let text = shown(&metrics);
    for line in [
        r#"store_errors_total{operation="read"} 1"#,
        r#"store_errors_total{operation="list"} 1"#,
        r#"store_errors_total{operation="content_open"} 0"#,
        r#"store_errors_total{operation="content_read"} 2"#,
        r#"store_errors_total{operation="content_write"} 1"#,
        r#"store_operation_duration_seconds_count{operation="content_read"} 2"#,
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_is_seen() {
    let metrics = StoreMetrics::default();

    let hangs = async {
        let call = metrics.call("read", "a");
        call.of(std::future::pending::<Result<(), StoreError>>())
            .await
    };
    let waited = tokio::time::timeout(std::time::Duration::from_millis(10), hangs);

    assert!(waited.await.is_err());
    assert_eq!(operations(&metrics), 1);
}

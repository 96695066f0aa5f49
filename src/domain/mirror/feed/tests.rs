use std::sync::Mutex;

use super::*;
use crate::domain::model::{Algorithm, Hasher};
use crate::domain::world::repository;
use crate::ports::{MockClock, MockUpstream};

const CONTENT: &[u8] = b"0123456789";

/// How an upstream answers to being asked for the blob once.
#[derive(Clone, Copy)]
enum Way {
    /// With everything.
    Whole,
    /// With so many bytes, and then an error.
    Breaks(usize),
    /// With so many bytes, as if that were the end.
    Ends(usize),
    /// With another size.
    Grown,
    /// With "no such thing".
    Absent,
}

type Asked = Arc<Mutex<Vec<String>>>;

fn upstream(name: &'static str, asked: &Asked, ways: &[Way]) -> MockUpstream {
    let mut ways = ways.to_vec();
    ways.reverse();
    let mut upstream = MockUpstream::new();
    upstream.expect_name().return_const(name.to_owned());
    let asked = Arc::clone(asked);
    upstream.expect_open_blob().returning(move |_, _, offset| {
        asked.lock().unwrap().push(format!("{name}@{offset}"));
        let rest = &CONTENT[usize::try_from(offset).unwrap()..];
        let chunk = |n: usize| Ok(Bytes::from_static(&rest[..n.min(rest.len())]));
        let (chunks, size) = match ways.pop().unwrap() {
            Way::Whole => (vec![chunk(rest.len())], CONTENT.len()),
            Way::Breaks(n) => {
                let broken = Err(io::ErrorKind::ConnectionReset.into());
                (vec![chunk(n), broken], CONTENT.len())
            }
            Way::Ends(n) => (vec![chunk(n)], CONTENT.len()),
            Way::Grown => (vec![chunk(rest.len())], CONTENT.len() + 1),
            Way::Absent => return Ok(None),
        };
        Ok(Some(UpstreamBlob {
            size: size as u64,
            stream: Box::pin(futures_util::stream::iter(chunks)),
        }))
    });
    upstream
}

async fn feed(upstreams: Vec<MockUpstream>) -> Option<Feed> {
    let source = Arc::new(Source {
        upstreams: upstreams
            .into_iter()
            .map(|it| Arc::new(it) as Arc<dyn crate::ports::Upstream>)
            .collect(),
        revalidate_interval: Duration::ZERO,
        cache_max_size: None,
        answers_for: Vec::new(),
    });
    let mut clock = MockClock::new();
    clock.expect_sleep().returning(|_| ());
    let clock: Arc<dyn Clock> = Arc::new(clock);
    let digest = Hasher::digest_of(Algorithm::Sha256, CONTENT);
    let opened = Feed::open(&source, &clock, &repository(), &digest, 0).await;
    opened.unwrap()
}

async fn all(feed: &mut Feed) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(bytes) = feed.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_broke_off() {
    let asked = Asked::default();
    let ways = [Way::Breaks(3), Way::Ends(2), Way::Whole];
    let mut feed = feed(vec![upstream("a", &asked, &ways)]).await.unwrap();

    assert_eq!(all(&mut feed).await.unwrap(), CONTENT);
    assert_eq!(*asked.lock().unwrap(), ["a@0", "a@3", "a@5"]);
}

#[tokio::test]
async fn it_goes_on_at_another_upstream_where_the_same_one_does_not() {
    let asked = Asked::default();
    let a = [Way::Breaks(3), Way::Absent];
    let mut feed = feed(vec![
        upstream("a", &asked, &a),
        upstream("b", &asked, &[Way::Whole]),
    ])
    .await
    .unwrap();

    assert_eq!(all(&mut feed).await.unwrap(), CONTENT);
    assert_eq!(*asked.lock().unwrap(), ["a@0", "a@3", "b@3"]);
}

#[tokio::test]
async fn another_size_is_another_blob() {
    let asked = Asked::default();
    let a = [Way::Breaks(3), Way::Grown];
    let mut feed = feed(vec![
        upstream("a", &asked, &a),
        upstream("b", &asked, &[Way::Whole]),
    ])
    .await
    .unwrap();

    assert_eq!(all(&mut feed).await.unwrap(), CONTENT);
}

#[tokio::test]
async fn a_transfer_that_does_not_come_forward_fails() {
    let asked = Asked::default();
    let mut ways = vec![Way::Breaks(0); 6];
    ways.insert(0, Way::Breaks(4));
    let mut feed = feed(vec![upstream("a", &asked, &ways)]).await.unwrap();

    assert!(all(&mut feed).await.is_err());
    assert_eq!(asked.lock().unwrap().len(), 1 + TRIES as usize);
}

#[tokio::test]
async fn no_more_is_taken_than_was_announced() {
    let asked = Asked::default();
    let mut upstream = MockUpstream::new();
    let count = Arc::clone(&asked);
    upstream.expect_open_blob().returning(move |_, _, _| {
        count.lock().unwrap().push(String::new());
        let whole = Ok(Bytes::from_static(CONTENT));
        Ok(Some(UpstreamBlob {
            size: 4,
            stream: Box::pin(futures_util::stream::iter([whole])),
        }))
    });
    let mut feed = feed(vec![upstream]).await.unwrap();

    assert_eq!(all(&mut feed).await.unwrap(), b"0123");
}

#[tokio::test]
async fn what_nobody_has_is_none() {
    let asked = Asked::default();
    let absent = [Way::Absent];
    let upstreams = vec![
        upstream("a", &asked, &absent),
        upstream("b", &asked, &absent),
    ];

    assert!(feed(upstreams).await.is_none());
}

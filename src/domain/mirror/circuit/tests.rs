use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use super::*;
use crate::domain::world::repository;
use crate::ports::{MockClock, MockUpstream};

/// An upstream that gives one answer, a clock that can be set, and a count of
/// how often the upstream was asked.
struct Line {
    circuit: Circuit,
    now: Arc<AtomicI64>,
    asked: Arc<AtomicUsize>,
}

fn line(answer: impl Fn() -> Result<Option<u64>, UpstreamError> + Send + Sync + 'static) -> Line {
    let now = Arc::new(AtomicI64::new(1_000_000));
    let asked = Arc::new(AtomicUsize::new(0));
    let mut clock = MockClock::new();
    let time = Arc::clone(&now);
    clock
        .expect_now()
        .returning(move || Timestamp::from_millis(time.load(Ordering::SeqCst)));
    let mut upstream = MockUpstream::new();
    upstream.expect_name().return_const("hub".to_owned());
    let count = Arc::clone(&asked);
    upstream.expect_stat_blob().returning(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        answer()
    });
    Line {
        circuit: Circuit::new(Arc::new(upstream), Arc::new(clock)),
        now,
        asked,
    }
}

impl Line {
    async fn ask(&self) -> Result<Option<u64>, UpstreamError> {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = digest.parse().unwrap();
        self.circuit.stat_blob(&repository(), &digest).await
    }

    fn passes(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.now.fetch_add(millis, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn down() -> UpstreamError {
    UpstreamError::Unavailable {
        upstream: "hub".to_owned(),
        what: "a blob".to_owned(),
        source: "connection refused".into(),
    }
}

#[tokio::test]
async fn three_failures_in_a_row_break_it_for_a_while() {
    let line = line(|| Err(down()));

    for _ in 0..5 {
        assert!(matches!(
            line.ask().await,
            Err(UpstreamError::Unavailable { .. })
        ));
    }

    assert_eq!(line.asked(), 3);
    line.passes(FIRST_PAUSE);
    for _ in 0..5 {
        line.ask().await.unwrap_err();
    }
    assert_eq!(line.asked(), 4, "one asks again, and the others wait");
    line.passes(FIRST_PAUSE);
    line.ask().await.unwrap_err();
    assert_eq!(line.asked(), 4, "each pause is longer than the one before");
    line.passes(FIRST_PAUSE);
    line.ask().await.unwrap_err();
    assert_eq!(line.asked(), 5);
}

#[tokio::test]
async fn an_answer_mends_it() {
    let answers = AtomicUsize::new(0);
    let line = line(move || match answers.fetch_add(1, Ordering::SeqCst) {
        3 => Ok(None),
        6.. => Ok(Some(1)),
        _ => Err(down()),
    });
    for _ in 0..3 {
        line.ask().await.unwrap_err();
    }
    line.passes(FIRST_PAUSE);

    assert_eq!(line.ask().await.unwrap(), None);

    // Counted from the beginning again.
    line.ask().await.unwrap_err();
    line.ask().await.unwrap_err();
    assert_eq!(line.ask().await.unwrap(), Some(1));
}

#[tokio::test]
async fn an_upstream_that_wants_to_be_asked_less_is() {
    let line = line(|| {
        Err(UpstreamError::TooManyRequests {
            upstream: "hub".to_owned(),
            retry_after: Some(Duration::from_secs(7)),
        })
    });
    line.ask().await.unwrap_err();
    line.passes(Duration::from_secs(2));

    let refused = line.ask().await;

    let five = Duration::from_secs(5);
    assert!(
        matches!(refused, Err(UpstreamError::TooManyRequests { retry_after: Some(left), .. }) if left == five)
    );
    assert_eq!(line.asked(), 1);
    line.passes(five);
    line.ask().await.unwrap_err();
    assert_eq!(line.asked(), 2);
}

#[tokio::test]
async fn wrong_answers_do_not_break_it() {
    let line = line(|| {
        Err(UpstreamError::Denied {
            upstream: "hub".to_owned(),
            what: "a blob".to_owned(),
        })
    });

    for _ in 0..10 {
        line.ask().await.unwrap_err();
    }

    assert_eq!(line.asked(), 10);
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_pause_longer() {
    let line = line(|| Err(down()));
    for _ in 0..3 {
        line.ask().await.unwrap_err();
    }
    line.now.store(0, Ordering::SeqCst);

    line.ask().await.unwrap_err();

    assert_eq!(line.asked(), 4);
}

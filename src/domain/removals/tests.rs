use futures_util::FutureExt;

use super::*;
use crate::domain::world::{Later, outage};
use crate::ports::MockClock;

/// A lock, and whether it is free again.
fn lock() -> (LockGuard, impl Fn() -> bool) {
    let held = Arc::new(());
    let free = Arc::downgrade(&held);
    (LockGuard::new(held), move || free.upgrade().is_none())
}

/// A clock that was asked for a pause this often.
fn clock(pauses: usize) -> Arc<dyn Clock> {
    let mut clock = MockClock::new();
    let it_lingers = |pause: &Duration| *pause == LINGER;
    clock
        .expect_sleep()
        .withf(it_lingers)
        .times(pauses)
        .returning(|_| ());
    Arc::new(clock)
}

#[tokio::test]
async fn the_lock_of_a_removal_that_got_no_answer_is_kept_while_its_client_has_one() {
    let later = Arc::new(Later::default());
    let tasks: Arc<dyn Tasks> = later.clone();
    let patience = Patience::of_a_task(&clock(1), &tasks);
    let (lock, is_free) = lock();

    let attempt = patience.attempt();
    let work = attempt.remove(async { Err(outage()) });
    let removed = attempt.under(lock, work).now_or_never();

    assert!(matches!(removed, Some(Err(StoreError::Unavailable { .. }))));
    assert!(!is_free());
    later.run().await;
    assert!(is_free());
}

#[tokio::test]
async fn the_lock_is_free_after_what_was_answered_and_what_only_read() {
    for fails in [false, true] {
        let later = Arc::new(Later::default());
        let tasks: Arc<dyn Tasks> = later.clone();
        let patience = Patience::of_a_task(&clock(0), &tasks);
        let (lock, is_free) = lock();

        let attempt = patience.attempt();
        let work = async {
            attempt.remove(async { Ok(()) }).await?;
            if fails { Err(outage()) } else { Ok(()) }
        };
        let done = attempt.under(lock, work).await;

        assert_eq!(done.is_err(), fails);
        assert!(is_free());
        assert_eq!(later.len(), 0);
    }
}

#[tokio::test]
async fn work_that_nobody_waits_for_waits_itself() {
    let patience = Patience::of_the_work(&clock(1));
    let (lock, is_free) = lock();

    let attempt = patience.attempt();
    let work = async {
        let removed = attempt.remove(async { Err(outage()) }).await;
        assert!(!is_free());
        removed
    };

    assert!(attempt.under(lock, work).await.is_err());
    assert!(is_free());
}

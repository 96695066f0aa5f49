//! Locks by name: `one` and `other` are two processes' view of the same locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use simple_registry::domain::model::{Algorithm, Hasher};
use simple_registry::ports::{LockError, LockKey, LockManager};

type Locks = Arc<dyn LockManager>;

fn key(n: u8) -> LockKey {
    LockKey::Data(Hasher::digest_of(Algorithm::Sha256, &[n]))
}

pub async fn a_held_lock_excludes_everybody_else(one: &Locks, other: &Locks) {
    let _held = one.acquire(&key(1)).await.unwrap();

    assert!(one.try_acquire(&key(1)).await.unwrap().is_none());
    assert!(other.try_acquire(&key(1)).await.unwrap().is_none());
}

pub async fn a_dropped_guard_releases(one: &Locks, other: &Locks) {
    drop(one.acquire(&key(1)).await.unwrap());
    let again = other.acquire(&key(1)).await;
    drop(again.unwrap());

    assert!(one.acquire(&key(1)).await.is_ok());
}

/// Not only soon after, as dropping does: the next request is on its way.
pub async fn a_lock_is_free_when_the_work_under_it_is_answered(one: &Locks, other: &Locks) {
    for _ in 0..20 {
        for (first, second) in [(one, other), (other, one)] {
            let held = first.acquire(&key(1)).await.unwrap();
            held.during(async { Ok::<_, LockError>(()) }).await.unwrap();

            let next = second.try_acquire(&key(1)).await.unwrap();

            let next = next.expect("free");
            next.during(async { Ok::<_, LockError>(()) }).await.unwrap();
        }
    }
}

pub async fn other_names_are_free(one: &Locks, other: &Locks) {
    let _held = one.acquire(&key(1)).await.unwrap();

    assert!(one.try_acquire(&key(2)).await.unwrap().is_some());
    assert!(other.try_acquire(&key(3)).await.unwrap().is_some());
}

pub async fn a_waiter_gets_the_lock_when_it_is_released(one: &Locks, other: &Locks) {
    let held = one.acquire(&key(1)).await.unwrap();
    let (here, there) = (Arc::clone(one), Arc::clone(other));
    let waiters = [
        tokio::spawn(async move { here.acquire(&key(1)).await.map(drop) }),
        tokio::spawn(async move { there.acquire(&key(1)).await.map(drop) }),
    ];
    tokio::time::sleep(Duration::from_millis(30)).await;

    drop(held);

    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
}

pub async fn nobody_waits_longer_than_patience(one: &Locks, other: &Locks) {
    let _held = one.acquire(&key(1)).await.unwrap();

    for locks in [one, other] {
        let result = locks.acquire(&key(1)).await;
        assert!(matches!(result, Err(LockError::Contended(_))), "{result:?}");
    }
}

pub async fn a_waiter_that_gave_up_leaves_nothing_behind(one: &Locks, other: &Locks) {
    let held = one.acquire(&key(1)).await.unwrap();
    for locks in [one, other] {
        let key = key(1);
        let waiting = locks.acquire(&key);
        let gave_up = tokio::time::timeout(Duration::from_millis(20), waiting).await;
        assert!(gave_up.is_err());
    }

    drop(held);

    assert!(other.acquire(&key(1)).await.is_ok());
}

pub async fn many_holders_never_overlap(one: &Locks, other: &Locks) {
    let inside = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for n in 0..8 {
        let locks = Arc::clone(if n % 2 == 0 { one } else { other });
        let (inside, done) = (Arc::clone(&inside), Arc::clone(&done));
        tasks.push(tokio::spawn(async move {
            for _ in 0..20 {
                // Contended is a fair answer under this load; overlap is not.
                let Ok(_held) = locks.acquire(&key(1)).await else {
                    continue;
                };
                assert_eq!(
                    inside.fetch_add(1, Ordering::SeqCst),
                    0,
                    "two hold one lock"
                );
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(done.load(Ordering::SeqCst) > 20, "somebody gets it");
}

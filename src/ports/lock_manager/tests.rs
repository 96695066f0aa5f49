use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::*;

struct Held {
    key: LockKey,
    stands: Arc<AtomicBool>,
    ended: Arc<Notify>,
}

impl Lease for Held {
    fn key(&self) -> &LockKey {
        &self.key
    }

    fn stands(&self) -> bool {
        self.stands.load(Ordering::SeqCst)
    }

    fn lost(&self) -> BoxFuture<'static, ()> {
        let ended = Arc::clone(&self.ended);
        async move { ended.notified().await }.boxed()
    }
}

fn held() -> (LockGuard, Arc<AtomicBool>, Arc<Notify>) {
    let (stands, ended) = (Arc::new(AtomicBool::new(true)), Arc::new(Notify::new()));
    let key = LockKey::Tag("a".parse().unwrap(), "v1".parse().unwrap());
    let lease = Held {
        key,
        stands: Arc::clone(&stands),
        ended: Arc::clone(&ended),
    };
    (LockGuard::leased(lease), stands, ended)
}

#[tokio::test]
async fn work_under_a_lock_that_is_held_is_done() {
    let (guard, _, _) = held();

    let done = guard.during(async { Ok::<_, LockError>(7) }).await;

    assert_eq!(done.unwrap(), 7);
}

#[tokio::test]
async fn work_stops_when_the_lock_is_lost() {
    let (guard, _, ended) = held();
    ended.notify_one();

    let stopped = guard.during(std::future::pending::<Result<(), LockError>>());

    let error = stopped.await.unwrap_err();
    assert!(matches!(&error, LockError::Lost(key) if key == "tag a:v1"));
}

/// A process that was held up learns of the time before anything else.
#[tokio::test]
async fn work_that_wakes_after_the_lock_has_ended_takes_no_further_step() {
    let (guard, stands, _) = held();
    let step = Arc::new(AtomicBool::new(false));
    let work = async {
        stands.store(false, Ordering::SeqCst); // the pause
        tokio::task::yield_now().await;
        step.store(true, Ordering::SeqCst);
        Ok::<_, LockError>(())
    };

    let error = guard.during(work).await.unwrap_err();

    assert!(matches!(error, LockError::Lost(_)), "{error}");
    assert!(!step.load(Ordering::SeqCst));
}

#[test]
fn what_is_kept_goes_after_the_lock() {
    struct Last(Arc<AtomicBool>);
    struct First(Arc<AtomicBool>);
    impl Drop for First {
        fn drop(&mut self) {
            assert!(!self.0.load(Ordering::SeqCst), "the lock goes first");
        }
    }
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let gone = Arc::new(AtomicBool::new(false));

    drop(LockGuard::new(First(Arc::clone(&gone))).keeping(Last(Arc::clone(&gone))));

    assert!(gone.load(Ordering::SeqCst));
}

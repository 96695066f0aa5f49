use super::*;
use crate::adapters::locks::MemoryLocks;

const PATIENCE: Duration = Duration::from_secs(30);

fn key() -> LockKey {
    LockKey::Tag("a".parse().unwrap(), "v1".parse().unwrap())
}

fn memory() -> Arc<dyn LockManager> {
    Arc::new(MemoryLocks::new(PATIENCE))
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_for_locks_that_do_not_come() {
    let (locks, _successor, _) = SucceedingLocks::new(PATIENCE);

    for error in [
        locks.acquire(&key()).await.unwrap_err(),
        locks.try_acquire(&key()).await.unwrap_err(),
    ] {
        assert!(matches!(error, LockError::Contended(_)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_given_the_locks_when_they_come() {
    let (locks, successor, _) = SucceedingLocks::new(PATIENCE);
    let come = async {
        tokio::time::sleep(PATIENCE / 2).await;
        successor.bring(memory());
    };

    let key = key();
    let (guard, ()) = tokio::join!(locks.acquire(&key), come);

    assert!(guard.is_ok());
    assert!(locks.try_acquire(&key).await.unwrap().is_none(), "held");
}

#[tokio::test]
async fn locks_have_ended_when_nobody_uses_them_nor_those_before_them() {
    let (locks, successor, ended) = SucceedingLocks::new(PATIENCE);
    assert!(successor.is_awaited());

    drop(locks);
    assert!(!successor.is_awaited());
    assert!(!ended.is_cancelled(), "those before are still used");
    successor.bring(memory());

    assert!(ended.is_cancelled());
}

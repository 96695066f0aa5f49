use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::adapters::locks::MemoryLocks;

fn key() -> LockKey {
    LockKey::Tag("a".parse().unwrap(), "v1".parse().unwrap())
}

#[tokio::test]
async fn who_does_not_own_the_store_gets_no_lock() {
    let owns = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&owns);
    let inner = MemoryLocks::new(Duration::from_millis(100));
    let locks = OwnedLocks::new(inner, move || asked.load(Ordering::SeqCst));
    assert!(locks.acquire(&key()).await.is_ok());

    owns.store(false, Ordering::SeqCst);

    for error in [
        locks.acquire(&key()).await.unwrap_err(),
        locks.try_acquire(&key()).await.unwrap_err(),
    ] {
        assert!(matches!(error, LockError::Unavailable { .. }), "{error}");
    }
    owns.store(true, Ordering::SeqCst);
    assert!(locks.acquire(&key()).await.is_ok(), "nothing is left held");
}

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;

use super::*;
use crate::ports::{LockGuard, MockLockManager};

/// A store of keys that counts how often it is read, and can be down.
#[derive(Default)]
struct Store {
    keys: std::sync::Mutex<Vec<TokenKey>>,
    reads: AtomicUsize,
    is_down: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl TokenKeys for Store {
    async fn list(&self) -> Result<Vec<TokenKey>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable {
                what: "a test".to_owned(),
                source: "down".into(),
            });
        }
        Ok(self.keys.lock().unwrap().clone())
    }

    async fn set(&self, keys: &[TokenKey]) -> Result<(), StoreError> {
        *self.keys.lock().unwrap() = keys.to_vec();
        Ok(())
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000).after(Duration::from_secs(seconds))
}

const DAY: u64 = 86_400;

async fn server(store: &Arc<Store>, now: Timestamp) -> Keys {
    let mut locks = MockLockManager::new();
    locks.expect_acquire().returning(|_| Ok(LockGuard::new(())));
    let store = Arc::clone(store) as Arc<dyn TokenKeys>;
    let keys = Keys::stored(store, Arc::new(locks));
    keys.refresh(now).await.unwrap();
    keys
}

/// A reload to another store must not wait for what that one can't do yet.
#[tokio::test]
async fn keys_are_made_when_they_are_needed_and_a_store_that_is_down_says_so() {
    let store = Arc::new(Store::default());
    store.is_down.store(true, Ordering::SeqCst);
    let mut locks = MockLockManager::new();
    locks.expect_acquire().returning(|_| Ok(LockGuard::new(())));
    let keys = Keys::stored(Arc::clone(&store) as Arc<dyn TokenKeys>, Arc::new(locks));

    assert!(keys.refresh(at(0)).await.is_err());
    assert!(keys.sign(b"text", at(0)).is_none());
    store.is_down.store(false, Ordering::SeqCst);
    keys.refresh(at(0)).await.unwrap();

    assert!(keys.sign(b"text", at(0)).is_some());
}

#[tokio::test]
async fn a_new_store_gets_one_key_that_signs_at_once() {
    let store = Arc::new(Store::default());

    let one = server(&store, at(0)).await;
    let other = server(&store, at(5)).await;

    assert_eq!(store.keys.lock().unwrap().len(), 1);
    assert!(other.signed(b"text", one.sign(b"text", at(5)).unwrap().as_ref()));
    assert!(!other.signed(b"other text", one.sign(b"text", at(5)).unwrap().as_ref()));
}

/// Nobody is logged out: at every moment, what any server signs is known to every other that looks again as `Login` does.
#[tokio::test]
async fn a_key_is_replaced_and_what_it_signed_lives_on() {
    let store = Arc::new(Store::default());
    let (one, other) = (server(&store, at(0)).await, server(&store, at(0)).await);
    let first = one.sign(b"text", at(0)).unwrap();
    let mut at_change = None;
    for minute in (30 * DAY / 60 - 5)..(30 * DAY / 60 + 30) {
        let now = at(minute * 60);
        // One gives tokens; the other only meets them.
        one.refresh(now).await.unwrap();
        let signed = one.sign(b"text", now).unwrap();
        if !other.signed(b"text", signed.as_ref()) {
            other.refresh(now).await.unwrap();
        }
        assert!(other.signed(b"text", signed.as_ref()), "{minute}");
        if at_change.is_none() && signed.as_ref() != first.as_ref() {
            at_change = Some(minute - 30 * DAY / 60);
        }
    }
    assert_eq!(at_change, Some(10), "published before it signs");
    assert!(one.signed(b"text", first.as_ref()), "verifies still");
    assert_eq!(store.keys.lock().unwrap().len(), 2);

    // A month later, nothing of it lives any more.
    one.refresh(at(61 * DAY)).await.unwrap();
    assert!(!one.signed(b"text", first.as_ref()));
    assert_eq!(store.keys.lock().unwrap().len(), 2);
}

/// lessons.md, correctness 47: nonsense makes nobody read the store again and again.
#[tokio::test]
async fn the_store_is_read_once_a_minute_at_most() {
    let store = Arc::new(Store::default());
    let keys = server(&store, at(0)).await;
    let before = store.reads.load(Ordering::SeqCst);

    for second in 0..600 {
        keys.refresh(at(second)).await.unwrap();
    }

    assert_eq!(store.reads.load(Ordering::SeqCst) - before, 9);
}

#[tokio::test]
async fn a_store_that_is_down_stops_no_token() {
    let store = Arc::new(Store::default());
    let keys = server(&store, at(0)).await;
    let signed = keys.sign(b"text", at(0)).unwrap();
    store.is_down.store(true, Ordering::SeqCst);

    keys.refresh(at(31 * DAY)).await.unwrap();

    assert!(keys.signed(b"text", signed.as_ref()));
    assert!(keys.signed(b"text", keys.sign(b"text", at(31 * DAY)).unwrap().as_ref()));
}

#[tokio::test]
async fn a_clock_that_was_set_back_stops_no_token() {
    let store = Arc::new(Store::default());
    let keys = server(&store, at(1000)).await;

    assert!(keys.signed(b"text", keys.sign(b"text", at(0)).unwrap().as_ref()));
}

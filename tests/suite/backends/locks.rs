//! Locks exclude, in memory and between openings of one file.

use std::sync::Arc;
use std::time::Duration;

use simple_registry::adapters::locks::{FileLocks, MemoryLocks};
use simple_registry::ports::LockManager;

use crate::contracts::locks;

const PATIENCE: Duration = Duration::from_millis(300);

/// Two lock managers that must exclude each other.
struct Pair {
    one: Arc<dyn LockManager>,
    other: Arc<dyn LockManager>,
    _dir: Option<tempfile::TempDir>,
}

fn memory() -> Pair {
    let one: Arc<dyn LockManager> = Arc::new(MemoryLocks::new(PATIENCE));
    Pair {
        other: Arc::clone(&one),
        one,
        _dir: None,
    }
}

/// Two openings of one file, as two processes have them.
#[cfg(not(feature = "portable"))]
fn files() -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/locks");
    Pair {
        one: Arc::new(FileLocks::open(&path, PATIENCE).unwrap()),
        other: Arc::new(FileLocks::open(&path, PATIENCE).unwrap()),
        _dir: Some(dir),
    }
}

/// The portable twin's locks belong to the process: one opening, as it has.
#[cfg(feature = "portable")]
fn files() -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/locks");
    let one: Arc<dyn LockManager> = Arc::new(FileLocks::open(&path, PATIENCE).unwrap());
    Pair {
        other: Arc::clone(&one),
        one,
        _dir: Some(dir),
    }
}

macro_rules! lock_contracts {
    ($family:ident: $($contract:ident),+ $(,)?) => {
        mod $family {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $contract() {
                let pair = super::$family();
                super::locks::$contract(&pair.one, &pair.other).await;
            })+
        }
    };
}

lock_contracts! { memory:
    a_held_lock_excludes_everybody_else,
    a_dropped_guard_releases,
    a_lock_is_free_when_the_work_under_it_is_answered,
    other_names_are_free,
    a_waiter_gets_the_lock_when_it_is_released,
    nobody_waits_longer_than_patience,
    a_waiter_that_gave_up_leaves_nothing_behind,
    many_holders_never_overlap,
}

lock_contracts! { files:
    a_held_lock_excludes_everybody_else,
    a_dropped_guard_releases,
    a_lock_is_free_when_the_work_under_it_is_answered,
    other_names_are_free,
    a_waiter_gets_the_lock_when_it_is_released,
    nobody_waits_longer_than_patience,
    a_waiter_that_gave_up_leaves_nothing_behind,
    many_holders_never_overlap,
}

//! Redis keeps the contracts of locks and caches; and what happens when it does not answer, forgets, or is full.
//!
//! `SIMPLE_REGISTRY_TEST_REDIS` names a server for the contracts; without it each test starts one.

mod sentinel;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use server::RedisServer;
use simple_registry::adapters::locks::QueuedLocks;
use simple_registry::adapters::redis::{Redis, RedisCache, RedisLocks};
use simple_registry::domain::model::Secret;
use simple_registry::ports::{LockError, LockKey, LockManager, TokenCache};

use crate::contracts;

const TTL: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_millis(300);
const KEY: &str = "lock_store.redis.url";

fn key() -> LockKey {
    LockKey::Tag("team/app".parse().unwrap(), "v1".parse().unwrap())
}

fn redis(url: &str, prefix: &str) -> Redis {
    Redis::new(&Secret::new(url.to_owned()), Some(prefix), KEY).unwrap()
}

fn locks_with(url: &str, prefix: &str, patience: Duration) -> Arc<dyn LockManager> {
    let locks = RedisLocks::new(redis(url, prefix), TTL, patience);
    Arc::new(QueuedLocks::new(locks, patience))
}

fn locks(server: &RedisServer) -> Arc<dyn LockManager> {
    locks_with(&server.url(), "", TTL * 4)
}

/// Makes a Redis that nobody has asked for a lock yet one that gives it at once.
fn settle(url: &str, prefix: &str) {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    let server: redis::InfoDict = redis::cmd("INFO")
        .arg("server")
        .query(&mut connection)
        .unwrap();
    let run: String = server.get("run_id").unwrap();
    redis::cmd("SET")
        .arg(format!("{prefix}locks:run"))
        .arg(run)
        .exec(&mut connection)
        .unwrap();
}

fn settled() -> (RedisServer, Arc<dyn LockManager>, Arc<dyn LockManager>) {
    let server = RedisServer::start();
    settle(&server.url(), "");
    let (one, other) = (locks(&server), locks(&server));
    (server, one, other)
}

/// The server that was named, or one of the test's own.
struct Shared {
    url: String,
    prefix: String,
    _server: Option<RedisServer>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is how the test is told where"
)]
fn shared() -> Shared {
    let prefix = format!("test {}:", uuid::Uuid::new_v4());
    if let Ok(url) = std::env::var("SIMPLE_REGISTRY_TEST_REDIS") {
        return Shared {
            url,
            prefix,
            _server: None,
        };
    }
    let server = RedisServer::start();
    Shared {
        url: server.url(),
        prefix,
        _server: Some(server),
    }
}

macro_rules! lock_contracts {
    ($($contract:ident),+ $(,)?) => {
        mod contract {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $contract() {
                let shared = super::shared();
                super::settle(&shared.url, &shared.prefix);
                let one = super::locks_with(&shared.url, &shared.prefix, super::PATIENCE);
                let other = super::locks_with(&shared.url, &shared.prefix, super::PATIENCE);
                super::contracts::locks::$contract(&one, &other).await;
            })+
        }
    };
}

lock_contracts! {
    a_held_lock_excludes_everybody_else,
    a_dropped_guard_releases,
    a_lock_is_free_when_the_work_under_it_is_answered,
    other_names_are_free,
    a_waiter_gets_the_lock_when_it_is_released,
    nobody_waits_longer_than_patience,
    a_waiter_that_gave_up_leaves_nothing_behind,
    many_holders_never_overlap,
}

mod tokens {
    use super::{RedisCache, TokenCache, contracts, redis, shared};

    macro_rules! token_contracts {
        ($($contract:ident),+ $(,)?) => {
            $(#[tokio::test]
            async fn $contract() {
                let shared = shared();
                let cache = RedisCache::new(redis(&shared.url, &shared.prefix));
                contracts::tokens::$contract(&cache as &dyn TokenCache).await;
            })+
        };
    }

    token_contracts! {
        a_token_is_kept_under_its_name,
        a_token_is_forgotten_in_time,
        a_later_token_replaces_an_earlier_one,
        a_token_that_is_good_for_no_time_is_not_kept,
    }
}

#[tokio::test]
async fn a_held_lock_outlives_its_ttl() {
    let (_server, one, other) = settled();
    let held = one.acquire(&key()).await.unwrap();

    let work = async {
        tokio::time::sleep(TTL * 3).await;
        Ok::<_, LockError>(other.try_acquire(&key()).await?.is_none())
    };

    assert!(held.during(work).await.unwrap(), "nobody else gets it");
}

#[test]
fn the_lock_of_a_dead_holder_is_free_after_its_ttl() {
    let server = RedisServer::start();
    let dying = tokio::runtime::Runtime::new().unwrap();
    let guard = dying.block_on(async { locks(&server).acquire(&key()).await });
    let guard = guard.unwrap();
    dying.shutdown_background(); // nothing renews it, nothing gives it back
    drop(guard);

    let living = tokio::runtime::Runtime::new().unwrap();
    let began = Instant::now();
    let there = living.block_on(async { locks(&server).acquire(&key()).await });

    assert!(there.is_ok());
    assert!(
        began.elapsed() > TTL / 3,
        "not before: {:?}",
        began.elapsed()
    );
}

/// lessons.md, 13: a holder that lost its lock leaves its successor's alone.
#[tokio::test]
async fn a_lost_lock_stops_the_work_and_is_not_taken_back() {
    let (server, one, _) = settled();
    let held = one.acquire(&key()).await.unwrap();
    server.command(&["SET", "lock:tag team/app:v1", "somebody else"]);
    let began = Instant::now();

    let stopped = held.during(std::future::pending::<Result<(), LockError>>());

    let error = stopped.await.unwrap_err();
    assert!(matches!(error, LockError::Lost(_)), "{error}");
    assert!(began.elapsed() < TTL, "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let holder = server.command(&["GET", "lock:tag team/app:v1"]);
    assert_eq!(holder, redis::Value::BulkString(b"somebody else".to_vec()));
}

#[tokio::test]
async fn a_redis_that_is_down_stops_the_work_before_the_lock_is_anybody_elses() {
    let (mut server, one, _) = settled();
    let held = one.acquire(&key()).await.unwrap();
    server.stop();
    let began = Instant::now();

    let stopped = held.during(std::future::pending::<Result<(), LockError>>());

    assert!(matches!(stopped.await.unwrap_err(), LockError::Lost(_)));
    assert!(began.elapsed() < TTL * 3 / 4, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_redis_that_is_down_is_named_and_not_waited_for() {
    let (mut server, one, _) = settled();
    server.stop();
    let began = Instant::now();

    let error = one.acquire(&key()).await.unwrap_err();

    assert!(began.elapsed() < Duration::from_secs(4));
    let said = said(&error);
    assert!(
        said.contains("lock_store.redis.url: the server at 127.0.0.1:"),
        "{said}"
    );
    assert!(said.contains("is not reached"), "{said}");
    server.start_again();
    one.acquire(&key()).await.unwrap();
}

/// A Redis without its memory must not give away what somebody holds.
#[tokio::test]
async fn a_restarted_redis_gives_nobody_a_lock_that_is_held() {
    let (mut server, one, other) = settled();
    let held = one.acquire(&key()).await.unwrap();
    let overlaps = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&overlaps);
    let work = async {
        server.stop();
        server.start_again();
        let began = Instant::now();
        while began.elapsed() < TTL * 2 {
            let taken = other.try_acquire(&key()).await;
            seen.fetch_or(matches!(taken, Ok(Some(_))), Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok::<_, LockError>(())
    };

    held.during(work).await.expect("the holder goes on");

    assert!(!overlaps.load(Ordering::SeqCst));
    other.acquire(&key()).await.expect("and then it is free");
}

#[tokio::test]
async fn a_full_redis_is_named() {
    let (server, one, _) = settled();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);

    let said = said(&one.acquire(&key()).await.unwrap_err());

    assert!(
        said.contains("is full: give it more memory (maxmemory)"),
        "{said}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let server = RedisServer::with(&["--requirepass", "right"]);
    let url = format!("redis://:wrong-and-secret@127.0.0.1:{}", server.port);
    let locks = locks_with(&url, "", TTL);

    let said = said(&locks.acquire(&key()).await.unwrap_err());

    assert!(
        said.contains("refuses the URL's user name or password"),
        "{said}"
    );
    assert!(!said.contains("wrong-and-secret"), "{said}");
}

#[tokio::test]
async fn a_replica_is_named() {
    let (server, one, _) = settled();
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);

    let said = said(&one.acquire(&key()).await.unwrap_err());

    assert!(said.contains("is a replica: name its primary"), "{said}");
}

#[tokio::test]
async fn a_redis_that_may_evict_locks_is_warned_of() {
    let server = RedisServer::with(&["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"]);

    let warning = redis(&server.url(), "").check().await.unwrap();

    assert!(warning.unwrap().contains("locks need noeviction"));
    let server = RedisServer::start();
    assert_eq!(redis(&server.url(), "").check().await.unwrap(), None);
}

#[test]
fn what_is_no_url_of_redis_is_refused_and_not_shown() {
    let url = Secret::new("http://name:secret@host".to_owned());
    let Err(failure) = Redis::new(&url, None, KEY) else {
        panic!("taken");
    };

    assert!(!failure.to_string().contains("secret"), "{failure}");
    assert!(failure.to_string().starts_with(KEY), "{failure}");
}

/// The error with its causes, as the log has it.
fn said(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

//! Keys of tokens.

use std::sync::Arc;
use std::time::Duration;

use simple_registry::adapters::clock::SystemClock;
use simple_registry::adapters::locks::MemoryLocks;
use simple_registry::adapters::tokens::{Keys, SignedTokens};
use simple_registry::domain::model::{Scope, Secret, Timestamp};
use simple_registry::ports::{Claims, Clock, LockManager, StoragePorts, TokenKey, Tokens};

fn key(secret: &str, millis: i64) -> TokenKey {
    TokenKey {
        secret: Secret::new(secret.to_owned()),
        signs_from: Timestamp::from_millis(millis),
    }
}

pub async fn keys_are_none_and_then_what_was_set_last(ports: &StoragePorts) {
    let keys = &ports.token_keys;
    assert_eq!(keys.list().await.unwrap(), []);

    let two = [key("one", 1_700_000_000_123), key("two", 1_700_000_000_124)];
    keys.set(&two).await.unwrap();
    assert_eq!(keys.list().await.unwrap(), two);

    keys.set(&two[1..]).await.unwrap();
    assert_eq!(keys.list().await.unwrap(), two[1..]);
}

pub async fn servers_that_start_at_once_share_one_key(ports: &StoragePorts) {
    let locks: Arc<dyn LockManager> = Arc::new(MemoryLocks::new(Duration::from_secs(10)));
    share_one_key((0..8).map(|_| (ports.clone(), Arc::clone(&locks)))).await;
}

/// Servers that start at once, each with its own way to the store and its locks, believe each other's tokens.
pub async fn share_one_key(ways: impl Iterator<Item = (StoragePorts, Arc<dyn LockManager>)>) {
    let ways: Vec<_> = ways.collect();
    let ports = ways[0].0.clone();
    let servers = ways.into_iter().map(|(ports, locks)| {
        tokio::spawn(async move {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let keys = Keys::stored(ports.token_keys, locks);
            let tokens = SignedTokens::new("test".to_owned(), Duration::from_mins(5), keys, clock);
            tokens.refresh().await.unwrap();
            tokens
        })
    });
    let mut started = Vec::new();
    for server in servers.collect::<Vec<_>>() {
        started.push(server.await.unwrap());
    }
    let claims = Claims {
        bearer: None,
        scope: Arc::new(Scope::default()),
    };

    assert_eq!(ports.token_keys.list().await.unwrap().len(), 1);
    for one in &started {
        let token = one.issue(&claims).await.unwrap().token;
        for other in &started {
            assert_eq!(other.read(token.expose().as_bytes()), Some(claims.clone()));
        }
    }
}

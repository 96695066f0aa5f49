use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};

use super::*;
use crate::domain::model::ClientKey;

/// A hash of `password` that costs next to nothing, but for `passes`.
fn cheap(password: &str, passes: u32) -> Secret {
    let params = Params::new(8, passes, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password(password.as_bytes()).unwrap();
    Secret::new(hash.to_string())
}

/// `alice` (`secret`) and `bob` (`hunter2`), whose hash costs more.
fn identities() -> Identities {
    Identities::new(&configured()).unwrap().unwrap()
}

fn configured() -> BTreeMap<String, IdentityConfig> {
    let identity = |username: &str, password| IdentityConfig {
        username: username.to_owned(),
        password,
    };
    BTreeMap::from([
        ("1".to_owned(), identity("alice", cheap("secret", 1))),
        ("2".to_owned(), identity("bob", cheap("hunter2", 2))),
    ])
}

fn credentials(username: &str, password: &str) -> Credentials {
    Credentials {
        username: username.to_owned(),
        password: Secret::new(password.to_owned()),
        client: ClientKey(1),
    }
}

/// The id of who logs in.
async fn login(identities: &Identities, username: &str, password: &str) -> Option<String> {
    let credentials = credentials(username, password);
    let identity = identities.authenticate(&credentials).await.unwrap();
    identity.map(|identity| identity.id.clone())
}

#[tokio::test]
async fn an_identity_is_known_by_its_own_password_only() {
    let identities = identities();

    for (username, password, id) in [
        ("alice", "secret", Some("1")),
        ("bob", "hunter2", Some("2")),
        ("alice", "hunter2", None),
        ("alice", "", None),
        ("Alice", "secret", None),
        ("", "secret", None),
        // The decoy is bob's hash, and no way in.
        ("mallory", "hunter2", None),
    ] {
        let found = login(&identities, username, password).await;
        assert_eq!(found.as_deref(), id, "{username} {password}");
    }
}

/// lessons.md, correctness 40: counted, not timed. An unknown name is hashed against the hash that costs most.
#[tokio::test]
async fn an_unknown_user_costs_what_a_known_one_costs() {
    let identities = identities();

    login(&identities, "alice", "wrong").await;
    assert_eq!(identities.hashed(), 1);
    login(&identities, "mallory", "wrong").await;
    assert_eq!(identities.hashed(), 2);

    let costs = identities.0.by_username.values();
    let dearest = costs.map(|known| known.password.cost()).max();
    assert_eq!(Some(identities.0.decoy.cost()), dearest);
}

#[tokio::test(start_paused = true)]
async fn a_verified_password_is_not_hashed_again_for_a_while() {
    let identities = identities();
    for _ in 0..10 {
        assert!(login(&identities, "alice", "secret").await.is_some());
        tokio::time::advance(Duration::from_secs(299)).await;
    }
    assert_eq!(identities.hashed(), 1);

    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(login(&identities, "alice", "secret").await.is_some());
    assert_eq!(identities.hashed(), 2);
}

/// lessons.md, security 29: what is remembered is one password of one identity.
#[tokio::test]
async fn what_is_remembered_opens_nothing_else() {
    let identities = identities();
    login(&identities, "alice", "secret").await;

    assert_eq!(login(&identities, "alice", "Secret").await, None);
    assert_eq!(login(&identities, "alice", "").await, None);
    assert_eq!(login(&identities, "bob", "secret").await, None);
    assert_eq!(identities.hashed(), 4);
    assert!(login(&identities, "alice", "secret").await.is_some());
    assert_eq!(identities.hashed(), 4);
}

/// lessons.md, security 30
#[tokio::test(start_paused = true)]
async fn who_guesses_waits_and_who_is_known_does_not() {
    let identities = identities();
    login(&identities, "alice", "secret").await;
    for name in ["alice", "mallory"] {
        for _ in 0..5 {
            assert_eq!(login(&identities, name, "wrong").await, None);
        }
        let refused = identities.authenticate(&credentials(name, "wrong")).await;
        assert!(
            matches!(refused, Err(AuthenticationError::TooManyFailures { .. })),
            "{name}"
        );
    }
    assert_eq!(identities.hashed(), 11);
    assert!(login(&identities, "alice", "secret").await.is_some());
    assert_eq!(identities.hashed(), 11);

    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(login(&identities, "mallory", "wrong").await, None);
}

/// Guesses that are sent at once are no more than those that are sent one by one, but for what runs already.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_are_counted_as_well() {
    let identities = identities();

    let guesses = (0..50).map(|_| {
        let identities = identities.clone();
        tokio::spawn(async move {
            identities
                .authenticate(&credentials("alice", "wrong"))
                .await
        })
    });
    for guess in guesses.collect::<Vec<_>>() {
        assert!(!matches!(guess.await.unwrap(), Ok(Some(_))));
    }

    let most = 5 + AT_A_TIME as u64 - 1;
    assert!(identities.hashed() <= most, "{}", identities.hashed());
}

#[test]
fn without_identities_there_is_nobody_to_know() {
    assert!(Identities::new(&BTreeMap::new()).unwrap().is_none());
}

#[tokio::test]
async fn other_identities_forget_what_was_right_and_not_what_was_wrong() {
    let old = identities();
    for _ in 0..5 {
        assert_eq!(login(&old, "alice", "wrong").await, None);
    }
    assert!(login(&old, "bob", "hunter2").await.is_some());

    let new = old.replaced_by(&configured()).unwrap().unwrap();

    let refused = new.authenticate(&credentials("alice", "wrong")).await;
    assert!(matches!(
        refused,
        Err(AuthenticationError::TooManyFailures { .. })
    ));
    assert_eq!(new.hashed(), 0);
    assert!(login(&new, "bob", "hunter2").await.is_some());
    assert_eq!(new.hashed(), 1, "verified anew");
}

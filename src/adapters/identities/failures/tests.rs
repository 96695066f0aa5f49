use super::*;
use crate::domain::model::{ClientKey, Secret};

fn credentials(client: u128, username: &str) -> Credentials {
    Credentials {
        username: username.to_owned(),
        password: Secret::new(String::new()),
        client: ClientKey(client),
    }
}

fn wait(failures: &Failures, credentials: &Credentials) -> Option<Duration> {
    match failures.check(credentials) {
        Ok(()) => None,
        Err(AuthenticationError::TooManyFailures { retry_after }) => Some(retry_after),
        Err(other) => panic!("{other}"),
    }
}

/// lessons.md, security 30
#[tokio::test(start_paused = true)]
async fn five_failures_in_a_minute_are_enough_until_it_is_over() {
    let failures = Failures::default();
    let guesser = credentials(1, "alice");
    for _ in 0..5 {
        assert_eq!(wait(&failures, &guesser), None);
        failures.count(&guesser);
        tokio::time::advance(Duration::from_secs(10)).await;
    }

    assert_eq!(wait(&failures, &guesser), Some(Duration::from_secs(10)));
    assert_eq!(wait(&failures, &credentials(2, "alice")), None);
    assert_eq!(wait(&failures, &credentials(1, "bob")), None);

    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(wait(&failures, &guesser), None);
    failures.count(&guesser);
    assert_eq!(wait(&failures, &guesser), None);
}

#[tokio::test(start_paused = true)]
async fn those_who_are_kept_count_of_are_bounded() {
    let failures = Failures::default();
    let last = credentials(0, "alice");
    for client in 1..=MOST as u128 {
        failures.count(&credentials(client, "alice"));
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..5 {
        failures.count(&last);
    }

    assert_eq!(failures.windows().len(), MOST);
    assert!(wait(&failures, &last).is_some(), "the newest is kept");

    tokio::time::advance(WINDOW).await;
    failures.count(&credentials(1, "bob"));
    assert_eq!(failures.windows().len(), 1, "what is over goes");
}

//! A cache of tokens.

use std::time::Duration;

use simple_registry::domain::model::Secret;
use simple_registry::ports::TokenCache;

const LONG: Duration = Duration::from_mins(1);

fn token(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

pub async fn a_token_is_kept_under_its_name(cache: &dyn TokenCache) {
    cache.put("a", &token("one"), LONG).await.unwrap();

    assert_eq!(cache.get("a").await.unwrap(), Some(token("one")));
    assert_eq!(cache.get("b").await.unwrap(), None);
}

pub async fn a_token_is_forgotten_in_time(cache: &dyn TokenCache) {
    let short = Duration::from_millis(30);
    cache.put("a", &token("one"), short).await.unwrap();

    tokio::time::sleep(short * 2).await;

    assert_eq!(cache.get("a").await.unwrap(), None);
}

pub async fn a_later_token_replaces_an_earlier_one(cache: &dyn TokenCache) {
    cache.put("a", &token("one"), LONG).await.unwrap();
    cache.put("a", &token("two"), LONG).await.unwrap();

    assert_eq!(cache.get("a").await.unwrap(), Some(token("two")));
}

pub async fn a_token_that_is_good_for_no_time_is_not_kept(cache: &dyn TokenCache) {
    cache.put("a", &token("one"), Duration::ZERO).await.unwrap();

    assert_eq!(cache.get("a").await.unwrap(), None);
}

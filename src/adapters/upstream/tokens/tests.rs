use super::*;
use crate::ports::MockTokenCache;

const LONG: Duration = Duration::from_mins(1);

fn token(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn no_more_is_kept_than_fits() {
    let cache = MemoryTokens::default();
    for number in 0..MOST * 3 {
        cache
            .put(&number.to_string(), &token("x"), LONG)
            .await
            .unwrap();
        assert!(cache.lock().len() <= MOST);
    }
    let last = (MOST * 3 - 1).to_string();
    assert_eq!(cache.get(&last).await.unwrap(), Some(token("x")));
}

#[tokio::test]
async fn what_has_ended_goes_first() {
    let cache = MemoryTokens::default();
    cache.put("good", &token("x"), LONG).await.unwrap();
    for number in 1..MOST {
        cache
            .put(&number.to_string(), &token("x"), Duration::ZERO)
            .await
            .unwrap();
    }

    cache.put("one more", &token("x"), LONG).await.unwrap();

    assert_eq!(cache.get("good").await.unwrap(), Some(token("x")));
    assert_eq!(cache.lock().len(), 2);
}

#[tokio::test]
async fn what_others_were_given_is_seen() {
    let mut shared = MockTokenCache::new();
    shared
        .expect_get()
        .times(1)
        .returning(|_| Ok(Some(token("theirs"))));
    shared.expect_put().times(1).returning(|_, _, _| Ok(()));
    let cache = MemoryTokens::before(Arc::new(shared));

    assert_eq!(cache.get("a").await.unwrap(), Some(token("theirs")));
    cache.put("a", &token("ours"), LONG).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), Some(token("ours")));
}

#[tokio::test]
async fn what_we_were_given_is_kept_while_the_shared_cache_is_down() {
    let down = || CacheError("down".into());
    let mut shared = MockTokenCache::new();
    shared.expect_get().returning(move |_| Err(down()));
    shared.expect_put().returning(move |_, _, _| Err(down()));
    let cache = MemoryTokens::before(Arc::new(shared));

    assert!(cache.get("a").await.is_err());
    assert!(cache.put("a", &token("ours"), LONG).await.is_err());
    assert_eq!(cache.get("a").await.unwrap(), Some(token("ours")));
}

use std::time::Duration;

use super::*;

fn names(keyed: &Keyed) -> usize {
    keyed.lock().len()
}

#[tokio::test]
async fn names_that_nobody_holds_take_no_memory() {
    let keyed = Keyed::default();
    let held = keyed.acquire("a".to_owned()).await;
    assert!(keyed.try_acquire("a".to_owned()).is_none());
    let waiting = keyed.acquire("a".to_owned());
    let gave_up = tokio::time::timeout(Duration::from_millis(5), waiting).await;
    assert!(gave_up.is_err());
    assert_eq!(names(&keyed), 1);

    drop(held);

    assert_eq!(names(&keyed), 0);
}

#[tokio::test]
async fn a_name_stays_while_somebody_waits_for_it() {
    let keyed = Keyed::default();
    let held = keyed.acquire("a".to_owned()).await;
    let waiter = tokio::spawn({
        let keyed = keyed.clone();
        async move { keyed.acquire("a".to_owned()).await }
    });
    tokio::time::sleep(Duration::from_millis(5)).await;

    drop(held);
    let guard = waiter.await.unwrap();

    assert!(keyed.try_acquire("a".to_owned()).is_none());
    drop(guard);
    assert_eq!(names(&keyed), 0);
}

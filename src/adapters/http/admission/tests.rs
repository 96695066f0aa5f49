use super::*;

const PATIENCE: Duration = Duration::from_mins(1);

fn is_full(result: &Result<Place, RegistryError>) -> bool {
    matches!(result, Err(RegistryError::TooManyRequests))
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_place_in_time_is_turned_away() {
    let door = Admission::new(1);
    let _inside = door.enter(PATIENCE).await.unwrap();

    assert!(is_full(&door.enter(PATIENCE).await));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_becomes_free_goes_to_who_waits() {
    let door = Admission::new(1);
    let inside = door.enter(PATIENCE).await.unwrap();
    let leave = async {
        tokio::time::sleep(Duration::from_secs(59)).await;
        drop(inside);
    };

    let ((), entered) = tokio::join!(leave, door.enter(PATIENCE));

    assert!(entered.is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_so_many_may_wait() {
    let door = Admission::new(1);
    let _inside = door.enter(PATIENCE).await.unwrap();
    let waiting: Vec<_> = (0..WAITING_PER_PLACE)
        .map(|_| door.enter(PATIENCE))
        .collect();
    let turned_away = async {
        tokio::task::yield_now().await;
        let start = tokio::time::Instant::now();
        assert!(is_full(&door.enter(PATIENCE).await));
        start.elapsed()
    };

    let (_, waited) = tokio::join!(futures_util::future::join_all(waiting), turned_away);

    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test]
async fn no_number_of_places_is_a_mistake() {
    assert!(Admission::new(0).enter(PATIENCE).await.is_ok());
    assert!(Admission::new(usize::MAX).enter(PATIENCE).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_given_up_goes_when_it_becomes_free() {
    let door = Admission::new(3);
    let (one, two) = (door.enter(PATIENCE).await, door.enter(PATIENCE).await);

    door.resize(1);
    assert!(is_full(&door.enter(PATIENCE).await), "two are inside");
    drop(one);
    assert!(is_full(&door.enter(PATIENCE).await), "one is inside");
    drop(two);

    let inside = door.enter(PATIENCE).await;
    assert!(inside.is_ok());
    assert!(is_full(&door.enter(PATIENCE).await));
}

#[tokio::test(start_paused = true)]
async fn new_places_go_to_those_who_wait() {
    let door = Admission::new(2);
    let _inside = (door.enter(PATIENCE).await, door.enter(PATIENCE).await);
    door.resize(1);

    let more = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        door.resize(4);
    };
    let (one, two, ()) = tokio::join!(door.enter(PATIENCE), door.enter(PATIENCE), more);

    assert!(one.is_ok() && two.is_ok());
    assert!(is_full(&door.enter(PATIENCE).await), "four are inside");
}

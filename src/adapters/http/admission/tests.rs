use super::*;

const PATIENCE: Duration = Duration::from_mins(1);

fn is_full(result: &Result<Place, RegistryError>) -> bool {
    matches!(result, Err(RegistryError::TooManyRequests))
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_place_in_time_is_turned_away() {
    let door = Admission::new(1, PATIENCE);
    let _inside = door.enter().await.unwrap();

    assert!(is_full(&door.enter().await));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_becomes_free_goes_to_who_waits() {
    let door = Admission::new(1, PATIENCE);
    let inside = door.enter().await.unwrap();
    let leave = async {
        tokio::time::sleep(Duration::from_secs(59)).await;
        drop(inside);
    };

    let ((), entered) = tokio::join!(leave, door.enter());

    assert!(entered.is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_so_many_may_wait() {
    let door = Admission::new(1, PATIENCE);
    let _inside = door.enter().await.unwrap();
    let waiting: Vec<_> = (0..WAITING_PER_PLACE).map(|_| door.enter()).collect();
    let turned_away = async {
        tokio::task::yield_now().await;
        let start = tokio::time::Instant::now();
        assert!(is_full(&door.enter().await));
        start.elapsed()
    };

    let (_, waited) = tokio::join!(futures_util::future::join_all(waiting), turned_away);

    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test]
async fn no_number_of_places_is_a_mistake() {
    assert!(Admission::new(0, PATIENCE).enter().await.is_ok());
    assert!(Admission::new(usize::MAX, PATIENCE).enter().await.is_ok());
}

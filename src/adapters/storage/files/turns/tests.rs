use futures_util::FutureExt;

use super::*;

static TWO: LazyLock<Turns> = LazyLock::new(|| Turns(Semaphore::new(2)));

#[test]
fn a_large_batch_waits_for_its_turn_and_a_small_one_does_not() {
    let large = [
        Bytes::from(vec![0; LARGE / 2]),
        Bytes::from(vec![0; LARGE / 2]),
    ];
    let take = |batch| TWO.take(batch).now_or_never();

    let first = take(&large).unwrap();
    let _second = take(&large).unwrap();
    assert!(take(&large).is_none());
    assert!(take(&large[..1]).is_some());

    drop(first);
    assert!(take(&large).is_some());
}

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn it_is_remembered_for_as_long_as_is_asked() {
    let recent = Recent::default();
    recent.note("a", at(1000));

    let within = |now| recent.within(&"a", at(now), Duration::from_millis(10));

    assert!(within(1000) && within(1009));
    assert!(!within(1010));
    assert!(
        !within(999),
        "a clock that is set back makes nothing recent"
    );
    assert!(!recent.within(&"b", at(1000), Duration::MAX));
}

#[test]
fn what_is_oldest_is_forgotten_first_and_memory_is_bounded() {
    let recent = Recent::default();
    let most = i64::try_from(MOST).unwrap();
    for number in 0..=most {
        recent.note(number, at(number));
    }

    assert!(recent.0.lock().unwrap().len() <= MOST);
    assert!(recent.within(&most, at(most), Duration::from_secs(1)));
    assert!(!recent.within(&0, at(most), Duration::MAX));
}

#[test]
fn a_burst_within_one_moment_is_bounded_too() {
    let recent = Recent::default();
    for number in 0..=MOST {
        recent.note(number, at(0));
    }

    assert!(recent.0.lock().unwrap().len() <= MOST);
    assert!(recent.within(&MOST, at(0), Duration::from_secs(1)));
}

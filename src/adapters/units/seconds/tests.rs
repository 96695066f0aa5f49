use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{BadSeconds, MOST, Seconds};

fn seconds(text: &str) -> Result<u64, BadSeconds> {
    text.parse::<Seconds>()
        .map(|seconds| seconds.duration().as_secs())
}

#[test]
fn a_duration_is_read_in_its_unit() {
    for (text, expected) in [
        ("0", 0),
        ("10", 10),
        ("10s", 10),
        ("5m", 300),
        ("1h", 3_600),
        ("24h", 86_400),
        ("1d", 86_400),
        ("36500d", MOST),
    ] {
        assert_eq!(seconds(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in [
        "",
        "s",
        "-5s",
        "+5s",
        "1.5h",
        "1h30m",
        "500ms",
        "5 m",
        "5M",
        "5min",
        "36501d",
        "99999999999999999999s",
        "18446744073709551615d",
    ] {
        assert_eq!(seconds(text), Err(BadSeconds), "{text:?}");
    }
}

#[test]
fn the_longest_duration_can_be_added_to_the_clock() {
    assert!(
        Instant::now()
            .checked_add(Seconds::new(u64::MAX).duration())
            .is_some()
    );
    assert_eq!(Seconds::new(u64::MAX).duration(), Duration::from_secs(MOST));
}

proptest! {
    #[test]
    fn a_printed_duration_reads_back_as_itself(number in 0..=MOST) {
        prop_assert_eq!(seconds(&Seconds::new(number).to_string()), Ok(number));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = seconds(&text);
    }

    #[test]
    fn nothing_that_looks_like_a_duration_makes_the_parser_panic(text in "[0-9]{0,25}[smhd]?") {
        let _ = seconds(&text);
    }
}

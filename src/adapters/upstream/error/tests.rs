use super::*;

#[test]
fn the_wait_is_seconds_or_a_date_by_the_clock_of_whoever_says_so() {
    const NOW: &str = "Tue, 24 Nov 2026 14:00:00 GMT";
    for (after, date, expected) in [
        ("120", None, Some(120)),
        ("0", None, Some(0)),
        ("Tue, 24 Nov 2026 14:01:30 GMT", Some(NOW), Some(90)),
        ("Tue, 24 Nov 2026 13:00:00 GMT", Some(NOW), None),
        ("Tue, 24 Nov 2026 14:01:30 GMT", None, None),
        ("soon", Some(NOW), None),
        ("-1", None, None),
        ("99999999999999999999999", None, None),
    ] {
        let mut headers = HeaderMap::from_iter([(RETRY_AFTER, after.parse().unwrap())]);
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        let expected = expected.map(Duration::from_secs);
        assert_eq!(retry_after(&headers), expected, "{after}");
    }
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

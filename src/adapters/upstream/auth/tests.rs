use super::*;

/// lessons.md, correctness 37
#[test]
fn a_token_without_a_lifetime_is_kept_for_less_than_a_minute() {
    for (expires_in, kept) in [
        (None, 50),
        (Some(300.0), 290),
        (Some(11.5), 1),
        (Some(10.0), 0),
        (Some(1.0), 0),
        (Some(0.0), 0),
        (Some(-5.0), 0),
        (Some(1e300), 3590),
        (Some(f64::NAN), 0),
        (Some(f64::INFINITY), 3590),
    ] {
        assert_eq!(keep(expires_in).as_secs(), kept, "{expires_in:?}");
    }
}

use proptest::prelude::*;

use super::*;

#[test]
fn a_moment_is_written_as_rfc_3339() {
    let moment = Moment(Timestamp::from_millis(1_700_000_000_123));

    assert_eq!(moment.to_string(), "2023-11-14T22:13:20.123Z");
    let json = serde_json::to_string(&moment).unwrap();
    assert_eq!(serde_json::from_str::<Moment>(&json).unwrap(), moment);
}

proptest! {
    #[test]
    fn every_moment_can_be_written(millis in any::<i64>()) {
        let _ = Moment(Timestamp::from_millis(millis)).to_string();
    }

    #[test]
    fn a_moment_of_the_calendar_reads_back(millis in -60_000_000_000_000_i64..250_000_000_000_000) {
        let moment = Moment(Timestamp::from_millis(millis));
        let json = serde_json::to_string(&moment).unwrap();
        prop_assert_eq!(serde_json::from_str::<Moment>(&json).unwrap(), moment);
    }
}

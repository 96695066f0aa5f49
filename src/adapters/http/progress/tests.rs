use super::*;

const ALLOWANCE: Duration = Duration::from_mins(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_wait_without_any_bytes_is_overdue_after_the_allowance() {
    let start = Instant::now();
    let mut meter = Meter::new(ALLOWANCE);

    assert_eq!(meter.wait(start), start + ALLOWANCE);
    assert!(!meter.overdue(start + seconds(59)));
    assert!(meter.overdue(start + seconds(60)));
}

#[test]
fn a_trickle_is_overdue_although_it_never_stops() {
    let start = Instant::now();
    let mut meter = Meter::new(ALLOWANCE);
    for second in 0..60 {
        meter.wait(start + seconds(second));
        meter.moved(1, start + seconds(second + 1));
    }

    assert!(meter.overdue(start + seconds(60)));
}

#[test]
fn a_slow_transfer_that_moves_is_never_overdue() {
    let start = Instant::now();
    let mut meter = Meter::new(ALLOWANCE);
    for second in 0..100_000 {
        meter.wait(start + seconds(second));
        meter.moved(LEAST / 50, start + seconds(second + 1));

        assert!(!meter.overdue(start + seconds(second + 1)));
    }
}

#[test]
fn time_that_we_take_ourselves_does_not_count() {
    let start = Instant::now();
    let mut meter = Meter::new(ALLOWANCE);
    meter.wait(start);
    meter.moved(1, start + seconds(1));

    assert!(!meter.overdue(start + seconds(3600)));
    assert_eq!(
        meter.wait(start + seconds(3600)),
        start + seconds(3600 + 59)
    );
}

#[tokio::test(start_paused = true)]
async fn a_pulse_stops_when_nothing_beats_for_long_enough() {
    let pulse = Pulse::new();
    let start = Instant::now();
    let beats = async {
        for _ in 0..3 {
            tokio::time::sleep(seconds(50)).await;
            pulse.beat();
        }
        std::future::pending::<()>().await;
    };

    tokio::select! {
        () = beats => {}
        () = pulse.stopped(ALLOWANCE) => {}
    }

    assert_eq!(start.elapsed(), seconds(210));
}

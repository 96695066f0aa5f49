use super::*;

const PARTS: Parts = Parts {
    size: 5 << 20,
    copy_threshold: 5_000_000_000,
    copy_chunk: 100_000_000,
    copy_jobs: 4,
};

#[test]
fn a_copy_below_the_threshold_is_one_step() {
    assert_eq!(PARTS.step(4_999_999_999), 4_999_999_999);
    assert_eq!(PARTS.step(5_000_000_000), 100_000_000);
}

/// lessons.md, correctness 20
#[test]
fn a_copy_has_no_more_parts_than_s3_takes() {
    let most = 5 << 40;

    assert!(most / PARTS.step(most) <= MOST_PARTS);
}

#[test]
fn no_two_writes_share_a_piece() {
    assert_ne!(name(1), name(1));
    assert!(name(1) < name(2));
}

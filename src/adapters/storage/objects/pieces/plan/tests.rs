use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

const PARTS: Parts = Parts {
    size: 5 << 20,
    copy_threshold: 5_000_000_000,
    copy_chunk: 100_000_000,
    copy_jobs: 4,
};

fn pieces(sizes: &[u64]) -> Vec<Piece> {
    let piece = |size: &u64| Piece {
        name: String::new(),
        size: *size,
    };
    sizes.iter().map(piece).collect()
}

fn size(source: &Source) -> u64 {
    let size = |range: &Range| range.bytes.end - range.bytes.start;
    match source {
        Source::Copy(range) => size(range),
        Source::Seam(ranges) => ranges.iter().map(size).sum(),
    }
}

/// Which bytes come here to be sent again.
fn seams(sources: &[Source]) -> u64 {
    let seams = sources.iter().filter(|it| matches!(it, Source::Seam(_)));
    seams.map(size).sum()
}

#[test]
fn a_piece_below_the_threshold_is_copied_at_once() {
    assert_eq!(PARTS.plan(&pieces(&[4_999_999_999])).len(), 1);
    assert_eq!(PARTS.plan(&pieces(&[5_000_000_000])).len(), 50);
}

#[test]
fn a_short_rest_goes_with_what_is_before_it() {
    let small = Parts {
        copy_threshold: 10 * MIB,
        copy_chunk: 5 * MIB,
        ..PARTS
    };

    let one = small.plan(&pieces(&[12 * MIB]));
    assert_eq!(
        one.iter().map(size).collect::<Vec<_>>(),
        [5 * MIB, 5 * MIB, 2 * MIB]
    );
    let two = small.plan(&pieces(&[12 * MIB, 6 * MIB]));
    assert_eq!(
        two.iter().map(size).collect::<Vec<_>>(),
        [5 * MIB, 7 * MIB, 6 * MIB]
    );
    assert_eq!(seams(&one) + seams(&two), 0);
}

#[test]
fn only_what_is_too_small_comes_here() {
    let sizes = [12 * MIB, 3 * MIB, 1000, 0, 6 * MIB + 1, 1];

    let sources = PARTS.plan(&pieces(&sizes));

    assert_eq!(sources.len(), 3);
    assert_eq!(seams(&sources), 9 * MIB + 1002, "{sources:?}");
}

/// lessons.md, correctness 20
#[test]
fn a_copy_has_no_more_parts_than_s3_takes() {
    for sizes in [vec![5 << 40], vec![6 * MIB; 20_000], vec![400 << 30; 10]] {
        let sources = PARTS.plan(&pieces(&sizes));

        assert!(sources.len() <= 10_000, "{}", sources.len());
        assert!(sources.iter().all(|it| size(it) <= 5 << 30));
    }
}

proptest! {
    #[test]
    fn parts_hold_every_byte_once_in_order_within_the_limits(
        sizes in proptest::collection::vec(0..40 * MIB, 0..20),
        copy_threshold in 1..60 * MIB,
        copy_chunk in 5 * MIB..30 * MIB,
    ) {
        let parts = Parts { copy_threshold, copy_chunk, ..PARTS };

        let sources = parts.plan(&pieces(&sizes));

        let (mut piece, mut at) = (0, 0);
        for source in &sources {
            let ranges = match source {
                Source::Copy(range) => std::slice::from_ref(range),
                Source::Seam(ranges) => &ranges[..],
            };
            for range in ranges {
                while at == sizes[piece] {
                    (piece, at) = (piece + 1, 0);
                }
                prop_assert_eq!((range.piece, range.bytes.start), (piece, at));
                prop_assert!(range.bytes.end > at && range.bytes.end <= sizes[piece]);
                at = range.bytes.end;
            }
        }
        let total: u64 = sizes.iter().sum();
        prop_assert_eq!(sources.iter().map(size).sum::<u64>(), total);
        let all_but_last = sources.split_last().map_or(&[][..], |(_, before)| before);
        prop_assert!(all_but_last.iter().all(|it| size(it) >= 5 * MIB));
    }
}

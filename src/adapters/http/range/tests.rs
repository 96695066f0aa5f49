use hyper::header::HeaderValue;
use proptest::prelude::*;

use super::*;

fn wanted_of(range: &str, size: u64) -> Wanted {
    let mut headers = HeaderMap::new();
    headers.insert(RANGE, HeaderValue::from_bytes(range.as_bytes()).unwrap());
    wanted(&headers, size)
}

fn chunk_of(range: &str) -> Result<Option<ChunkRange>, ()> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_bytes(range.as_bytes()).unwrap();
    headers.insert(CONTENT_RANGE, value);
    chunk(&headers).map_err(|_| ())
}

fn part(part: Range<u64>) -> Wanted {
    Wanted::Parts(vec![part])
}

fn parts(first: Range<u64>, second: Range<u64>) -> Wanted {
    Wanted::Parts(vec![first, second])
}

#[test]
fn without_a_range_everything_is_wanted() {
    assert_eq!(wanted(&HeaderMap::new(), 10), Wanted::Whole);
}

/// spec.md, "Pulling blobs"; RFC 9110, section 14.
#[test]
fn ranges_are_read_against_the_size() {
    let table = [
        ("bytes=500-1499", part(500..1500)),
        ("bytes=500-", part(500..2048)),
        ("bytes=-500", part(1548..2048)),
        ("bytes=-5000", part(0..2048)),
        ("bytes=2000-5000", part(2000..2048)),
        ("bytes=0-0", part(0..1)),
        ("BYTES=0-0", part(0..1)),
        ("bytes=0-1, 5-6", parts(0..2, 5..7)),
        ("bytes=0-1,9000-", part(0..2)),
        ("bytes=0-18446744073709551615", part(0..2048)),
        ("bytes=0-99999999999999999999999999", part(0..2048)),
        ("bytes=500-0", Wanted::Nothing),
        ("bytes=5000-10000", Wanted::Nothing),
        ("bytes=2048-", Wanted::Nothing),
        ("bytes=-0", Wanted::Nothing),
        ("bytes=0-2047,0-2047", Wanted::Whole),
        ("items=0-1", Wanted::Whole),
        ("bytes=", Wanted::Whole),
        ("bytes=a-b", Wanted::Whole),
        ("bytes=1-2-3", Wanted::Whole),
        ("bytes=-", Wanted::Whole),
        ("bytes", Wanted::Whole),
    ];
    for (range, expected) in table {
        assert_eq!(wanted_of(range, 2048), expected, "{range}");
    }
}

#[test]
fn nothing_of_an_empty_blob_can_be_missing() {
    assert_eq!(wanted_of("bytes=0-", 0), Wanted::Whole);
}

#[test]
fn too_many_ranges_get_everything() {
    let ranges = |count: u64| {
        let specs: Vec<String> = (0..count).map(|at| format!("{0}-{0}", at * 10)).collect();
        wanted_of(&format!("bytes={}", specs.join(",")), 10_000)
    };

    assert!(matches!(ranges(32), Wanted::Parts(parts) if parts.len() == 32));
    assert_eq!(ranges(33), Wanted::Whole);
}

/// spec.md, "Pushing a blob in chunks".
#[test]
fn chunks_say_where_they_lie_in_the_specs_own_way() {
    let table = [
        ("0-0", Ok(Some(ChunkRange { first: 0, last: 0 }))),
        ("5-9", Ok(Some(ChunkRange { first: 5, last: 9 }))),
        ("9-5", Err(())),
        ("-5", Err(())),
        ("5-", Err(())),
        ("0--1", Err(())),
        ("", Err(())),
        ("bytes 0-5/6", Err(())),
        ("0-99999999999999999999", Err(())),
    ];
    for (range, expected) in table {
        assert_eq!(chunk_of(range), expected, "{range}");
    }
    assert!(matches!(chunk(&HeaderMap::new()), Ok(None)));
}

proptest! {
    #[test]
    fn whatever_is_wanted_lies_within_the_content(
        range in "bytes=([0-9]{0,20}-[0-9]{0,20},?){0,5}",
        size: u64,
    ) {
        if let Wanted::Parts(parts) = wanted_of(&range, size) {
            prop_assert!(!parts.is_empty());
            for part in parts {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }

    #[test]
    fn no_range_panics(range in "[ -~]*", size: u64) {
        let _ = wanted_of(&range, size);
        let _ = chunk_of(&range);
    }

    #[test]
    fn a_chunk_that_is_written_is_read(first: u64, length in 0_u64..1_000_000) {
        let last = first.saturating_add(length);
        let read = chunk_of(&format!("{first}-{last}"));

        prop_assert_eq!(read, Ok(Some(ChunkRange { first, last })));
    }
}

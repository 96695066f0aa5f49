use proptest::prelude::*;

use super::{BadByteSize, ByteSize};

fn bytes(text: &str) -> Result<u64, BadByteSize> {
    text.parse::<ByteSize>().map(ByteSize::bytes)
}

#[test]
fn a_size_is_read_in_decimal_and_binary_units() {
    for (text, expected) in [
        ("0", 0),
        ("1024", 1024),
        ("17B", 17),
        ("5MB", 5_000_000),
        ("5mb", 5_000_000),
        ("50MiB", 52_428_800),
        ("50 MiB", 52_428_800),
        ("1.5GiB", 1_610_612_736),
        ("4.35GB", 4_350_000_000),
        ("0.5KiB", 512),
        ("2TB", 2_000_000_000_000),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(bytes(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_size_is_refused() {
    for text in [
        "",
        " ",
        "MB",
        "-5MB",
        "+5",
        "5 apples",
        "5M",
        "1.5",
        "1.5B",
        ".5GB",
        "5.GB",
        "1.2.3GB",
        "5MB ",
        "1e6",
        "0x10",
        "18446744073709551616",
        "99999999TiB",
        "1.0000000000000000000GB",
        "５MB",
    ] {
        assert_eq!(bytes(text), Err(BadByteSize), "{text:?}");
    }
}

#[test]
fn a_size_prints_in_its_largest_exact_unit() {
    for (size, expected) in [
        (0, "0B"),
        (1, "1B"),
        (1_000, "1KB"),
        (1_024, "1KiB"),
        (5_000_000, "5MB"),
        (262_144, "256KiB"),
    ] {
        assert_eq!(ByteSize::from_bytes(size).to_string(), expected);
    }
}

proptest! {
    #[test]
    fn a_printed_size_reads_back_as_itself(size: u64) {
        prop_assert_eq!(bytes(&ByteSize::from_bytes(size).to_string()), Ok(size));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = bytes(&text);
    }

    #[test]
    fn nothing_that_looks_like_a_size_makes_the_parser_panic(text in "[0-9]{0,25}\\.?[0-9]{0,25} ?[kKmMgGtT]?i?[bB]?") {
        let _ = bytes(&text);
    }
}

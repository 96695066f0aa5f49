use proptest::prelude::*;

use super::*;

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_digest_reads_back_as_it_was_written() {
    for text in [EMPTY.to_owned(), format!("sha512:{}", "0f".repeat(64))] {
        let digest: Digest = text.parse().unwrap();

        assert_eq!(digest.to_string(), text);
    }
}

#[test]
fn what_is_not_exact_lower_case_hex_of_a_known_algorithm_is_refused() {
    let hex = &EMPTY["sha256:".len()..];
    for (text, reason) in [
        (String::new(), InvalidDigest::Shape),
        (hex.to_owned(), InvalidDigest::Shape),
        ("sha256:".to_owned(), InvalidDigest::Shape),
        (format!(":{hex}"), InvalidDigest::Shape),
        (format!("md5:{hex}"), InvalidDigest::Algorithm),
        (format!("SHA256:{hex}"), InvalidDigest::Algorithm),
        (
            format!("sha256:{}", hex.to_uppercase()),
            InvalidDigest::Value,
        ),
        (format!("sha256:{}", &hex[1..]), InvalidDigest::Value),
        (format!("sha256:{hex}0"), InvalidDigest::Value),
        (format!("sha512:{hex}"), InvalidDigest::Value),
        ("sha256:baddigeststring".to_owned(), InvalidDigest::Value),
        (format!("sha256:../../{}", &hex[6..]), InvalidDigest::Value),
        (format!("sha256:{}/.", &hex[2..]), InvalidDigest::Value),
    ] {
        assert_eq!(text.parse::<Digest>(), Err(reason), "{text}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_never_changes_the_text(text in ".{0,200}") {
        if let Ok(digest) = text.parse::<Digest>() {
            prop_assert_eq!(digest.to_string(), text);
        }
    }

    #[test]
    fn every_well_formed_digest_parses(hex in "[0-9a-f]{64}", wide in "[0-9a-f]{128}") {
        let sha256 = format!("sha256:{hex}").parse::<Digest>();
        let sha512 = format!("sha512:{wide}").parse::<Digest>();
        prop_assert!(sha256.is_ok() && sha512.is_ok());
    }
}

use proptest::prelude::*;

use super::*;

#[test]
fn only_a_lower_case_uuid_is_an_upload_id() {
    let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    assert!(id.parse::<UploadId>().is_ok());

    for bad in [
        "",
        "..",
        "6ba7b8109dad11d180b400c04fd430c8",
        &id.to_uppercase(),
        "../../../../../../../etc/passwd/aaaaaaa",
    ] {
        assert_eq!(bad.parse::<UploadId>(), Err(InvalidUploadId), "{bad}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in ".{0,40}") {
        let _ = text.parse::<UploadId>();
    }
}

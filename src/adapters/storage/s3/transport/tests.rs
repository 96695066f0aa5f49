use super::*;

/// lessons.md, correctness 4
#[test]
fn a_listing_cut_short_without_a_marker_is_an_error() {
    for (page, complete) in [
        ("<IsTruncated>false</IsTruncated>", true),
        (
            "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>",
            true,
        ),
        ("<IsTruncated>true</IsTruncated>", false),
        (
            "<IsTruncated>true</IsTruncated><NextContinuationToken></NextContinuationToken>",
            false,
        ),
        (
            "<IsTruncated>true</IsTruncated><NextContinuationToken/>",
            false,
        ),
        ("<Contents><Key>a</Key></Contents>", false),
    ] {
        let checked = goes_on_or_ends(page);
        assert_eq!(checked.is_ok(), complete, "{page}");
        assert!(!checked.is_err_and(|e| e.is_temporary()), "{page}");
    }
}

#[test]
fn listings_are_told_from_other_requests() {
    assert!(is_listing(&Uri::from_static(
        "http://s3/b?list-type=2&prefix=p"
    )));
    assert!(!is_listing(&Uri::from_static("http://s3/b/list-type=2")));
    assert!(!is_listing(&Uri::from_static("http://s3/b?uploads")));
}

#[test]
fn a_bundle_without_a_certificate_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    assert!(Transport::new(true, Some(&path)).is_err());

    std::fs::write(&path, "no certificate").unwrap();
    assert!(Transport::new(true, Some(&path)).is_err());
}

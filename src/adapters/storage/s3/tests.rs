use super::*;

fn config() -> S3Config {
    toml::from_str(
        "access_key_id = 'AK'\nsecret_key = 'hush'\nendpoint = 'http://s3'\nbucket = 'b'\nregion = 'r'",
    )
    .unwrap()
}

fn answer(kind: ErrorKind, code: &str) -> opendal::Error {
    let answer = format!("S3Error {{ code: \"{code}\", message: \"told\" }}");
    opendal::Error::new(kind, answer).with_context("service", "s3")
}

#[test]
fn a_failure_names_the_key_that_is_to_be_mended() {
    let denied = ErrorKind::PermissionDenied;
    let unexpected = ErrorKind::Unexpected;
    let of_s3 = |error: opendal::Error| error.with_context("service", "s3");
    for (error, key) in [
        (
            answer(ErrorKind::ConfigInvalid, "NoSuchBucket"),
            "storage.s3.bucket",
        ),
        (
            answer(denied, "SignatureDoesNotMatch"),
            "storage.s3.secret_key",
        ),
        (
            answer(denied, "InvalidAccessKeyId"),
            "storage.s3.access_key_id",
        ),
        (answer(denied, "AccessDenied"), "storage.s3.access_key_id"),
        (
            of_s3(opendal::Error::new(denied, "")),
            "storage.s3.access_key_id",
        ),
        (
            answer(denied, "RequestTimeTooSkewed"),
            "storage.s3.endpoint",
        ),
        (answer(unexpected, "PermanentRedirect"), "storage.s3.region"),
        (
            of_s3(opendal::Error::new(unexpected, "no answer").set_temporary()),
            "storage.s3.endpoint",
        ),
        (answer(unexpected, "NotImplemented"), "storage.s3.endpoint"),
        (answer(unexpected, "SlowDown"), "storage.s3.endpoint"),
        (answer(unexpected, "MalformedXML"), "storage.s3"),
        (answer(unexpected, "InvalidBucketName"), "storage.s3.bucket"),
        (answer(denied, "InvalidTokenId"), "storage.s3.access_key_id"),
        (
            of_s3(opendal::Error::new(
                ErrorKind::ConfigInvalid,
                "the bucket is misconfigured",
            )),
            "storage.s3",
        ),
    ] {
        let explained = explain(&error, &config());

        assert_eq!(explained.key, key, "{error}");
        let line = explained.to_string();
        assert!(!line.contains('\n') && !line.contains("hush"), "{line}");
    }
}

#[test]
fn what_is_not_of_s3_is_not_explained() {
    let error = opendal::Error::new(ErrorKind::PermissionDenied, "x");

    assert_eq!(Problem::of(&error), None);
}

#[test]
fn no_part_is_below_the_floor_and_a_larger_chunk_counts() {
    let config = config();

    assert_eq!(parts(&config, 4096).size, 5 << 20);
    assert_eq!(parts(&config, 16 << 20).size, 16 << 20);
}

/// What is in flight when the last lock of a lease is given has ended before
/// the lease is dead.
#[test]
fn a_call_ends_while_the_lease_is_ours() {
    let pace = Pace::default();

    assert!(pace.valid + SMALL_CALL < pace.dead);
    assert!(pace.renewal * 3 < pace.valid);
}

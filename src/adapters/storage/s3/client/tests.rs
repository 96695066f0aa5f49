use super::*;
use reqsign_aws_v4::StaticCredentialProvider;

fn client(keys: &str) -> Client {
    let config: S3Config = toml::from_str(&format!(
        "access_key_id = 'AK'\nsecret_key = 'SK'\nregion = 'r'\n{keys}"
    ))
    .unwrap();
    let transport = Transport::new(false, None).unwrap();
    Client::new(
        &config,
        transport,
        StaticCredentialProvider::new("AK", "SK"),
    )
}

#[test]
fn the_bucket_is_in_the_path_or_in_the_host() {
    for (keys, url) in [
        (
            "endpoint = 'http://s3:9000'\nbucket = 'b'",
            "http://s3:9000/b",
        ),
        (
            "endpoint = 'https://s3.amazonaws.com'\nbucket = 'b'",
            "https://s3.r.amazonaws.com/b",
        ),
        (
            "endpoint = 'https://s3.r.amazonaws.com'\nbucket = 'b'\nvirtual_host_style = true",
            "https://b.s3.r.amazonaws.com",
        ),
        (
            "endpoint = 'https://b.s3.r.amazonaws.com'\nbucket = 'b'\nvirtual_host_style = true",
            "https://b.s3.r.amazonaws.com",
        ),
    ] {
        assert_eq!(client(keys).url, url);
    }
}

#[test]
fn keys_begin_with_the_prefix_however_it_is_written() {
    for (prefix, key) in [("", "p"), ("/", "p"), ("a", "a/p"), ("/a//b/", "a/b/p")] {
        let client = client(&format!(
            "endpoint = 'http://s3'\nbucket = 'b'\nkey_prefix = '{prefix}'"
        ));

        assert_eq!(client.key("p"), key);
        assert_eq!(client.path(key), Some("p"));
        assert_eq!(client.source("p q"), format!("/b/{key}%20q"));
    }
}

#[test]
fn a_200_with_an_error_in_it_is_a_failure() {
    let body = "\n \n<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>again</Message></Error>";

    let error = failure(StatusCode::OK, body).unwrap();

    assert!(error.is_temporary());
    assert!(
        error.to_string().contains("code: \"InternalError\""),
        "{error}"
    );
    assert!(failure(StatusCode::OK, "<Result/>").is_none());
}

#[test]
fn what_may_pass_is_told_from_what_does_not() {
    for (status, code, kind, passes) in [
        (503, "SlowDown", ErrorKind::Unexpected, true),
        (400, "RequestTimeout", ErrorKind::Unexpected, true),
        (502, "", ErrorKind::Unexpected, true),
        (404, "NoSuchUpload", ErrorKind::NotFound, false),
        (404, "NoSuchBucket", ErrorKind::Unexpected, false),
        (403, "AccessDenied", ErrorKind::PermissionDenied, false),
        (501, "", ErrorKind::Unsupported, false),
        (400, "EntityTooSmall", ErrorKind::Unexpected, false),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let error = failure(status, &format!("<Error><Code>{code}</Code></Error>")).unwrap();

        assert_eq!(
            (error.kind(), error.is_temporary()),
            (kind, passes),
            "{code}"
        );
    }
}

#[test]
fn pauses_differ() {
    let pauses: Vec<f64> = (0..20).map(|_| jitter()).collect();

    assert!(pauses.iter().all(|it| (0.5..=1.5).contains(it)));
    assert!(pauses.iter().any(|it| (it - pauses[0]).abs() > 1e-6));
}

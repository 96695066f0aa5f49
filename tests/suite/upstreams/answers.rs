//! Answers: the good ones, and what is made of the others.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use simple_registry::domain::model::{MediaType, Reference};
use simple_registry::ports::UpstreamError;

use super::{digest, image, in_full, latest, open, read};
use crate::support::{Asked, Image, Reply, Script, digest_of, random};

fn url(of: &Script) -> String {
    format!("http://{}", of.address)
}

async fn answering(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Script {
    Script::start(answer).await
}

#[tokio::test]
async fn every_kind_of_manifest_is_asked_for() {
    let origin = answering(|_| Reply::status("404 Not Found")).await;
    let upstream = open(&url(&origin), "");

    upstream.get_manifest(&image(), &latest()).await.unwrap();
    upstream
        .resolve_manifest(&image(), &latest())
        .await
        .unwrap();

    for asked in origin.asked() {
        assert_eq!(asked.path, "/v2/image/manifests/latest");
        let accepted = asked.header("accept").unwrap();
        for kind in [
            MediaType::OCI_INDEX,
            MediaType::OCI_MANIFEST,
            MediaType::DOCKER_LIST,
            MediaType::DOCKER_MANIFEST,
        ] {
            assert!(accepted.contains(kind), "{accepted}");
        }
        assert!(
            asked
                .header("user-agent")
                .unwrap()
                .starts_with("simple-registry/")
        );
    }
}

#[tokio::test]
async fn a_manifest_comes_as_it_is_with_the_digest_of_its_bytes() {
    let wanted = Image::new(1);
    let (text, named) = (wanted.manifest.clone(), wanted.digest.clone());
    for with_digest in [true, false] {
        let (text, named) = (text.clone(), named.clone());
        let origin = answering(move |_| {
            let mut headers = vec![(
                "Content-Type",
                "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
            )];
            if with_digest {
                headers.push(("Docker-Content-Digest", &named));
            }
            Reply::ok(&headers, &text)
        });
        let origin = origin.await;
        let upstream = open(&url(&origin), "");

        for reference in [latest(), wanted.digest.parse().unwrap()] {
            let found = upstream
                .get_manifest(&image(), &reference)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(found.bytes, wanted.manifest.as_bytes());
            assert_eq!(found.digest.to_string(), wanted.digest);
            assert_eq!(found.media_type.as_str(), MediaType::OCI_MANIFEST);
            let resolved = upstream
                .resolve_manifest(&image(), &reference)
                .await
                .unwrap();
            assert_eq!(resolved.unwrap().to_string(), wanted.digest);
        }
        // Only where the upstream does not say is the manifest fetched for its digest.
        let heads = origin
            .asked()
            .iter()
            .filter(|it| it.method == "HEAD")
            .count();
        let gets = origin.asked().len() - heads;
        assert_eq!((heads, gets), if with_digest { (2, 2) } else { (2, 3) });
    }
}

#[tokio::test]
async fn a_type_that_says_nothing_is_taken_from_the_manifest() {
    for kind in ["application/json", "text/plain", "application/octet-stream"] {
        let origin =
            answering(move |_| Reply::ok(&[("Content-Type", kind)], r#"{"manifests":[]}"#));
        let origin = origin.await;
        let found = open(&url(&origin), "")
            .get_manifest(&image(), &latest())
            .await;
        let found = found.unwrap().unwrap();
        assert_eq!(found.media_type.as_str(), MediaType::OCI_INDEX);
    }
}

/// What is asked for, the headers and the body of the answer, and why it is refused.
type Case<'c> = (&'c Reference, Vec<(&'c str, &'c str)>, &'c str, &'c str);

/// lessons.md, correctness 38, security 2 and 27
#[tokio::test]
async fn a_manifest_that_can_not_be_what_was_asked_for_is_refused() {
    const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let wanted = Image::new(2);
    let asked_for: Reference = wanted.digest.parse().unwrap();
    let latest = latest();
    let cases: Vec<Case<'_>> = vec![
        (&asked_for, vec![], "{}", "the answer has another digest"),
        (
            &latest,
            vec![("Docker-Content-Digest", OTHER)],
            "{}",
            "the answer has another digest",
        ),
        (
            &asked_for,
            vec![("Docker-Content-Digest", OTHER)],
            &wanted.manifest,
            "the answer has another digest",
        ),
        (
            &latest,
            vec![("Docker-Content-Digest", "sha256:short")],
            "{}",
            "its Docker-Content-Digest is no digest",
        ),
        (
            &latest,
            vec![("Docker-Content-Digest", "")],
            "{}",
            "its Docker-Content-Digest is no digest",
        ),
        (
            &latest,
            vec![("Content-Type", "text/html")],
            "<html>log in</html>",
            "the answer is no manifest, but text/html",
        ),
        (
            &latest,
            vec![("Content-Type", "text/html")],
            "{}",
            "the answer is no manifest, but text/html",
        ),
        (
            &latest,
            vec![],
            "log in",
            "the answer is no manifest, but of no type",
        ),
        (&latest, vec![], "[]", "the answer is no manifest"),
        (&latest, vec![], "", "the answer is no manifest"),
    ];
    for (reference, headers, body, why) in cases {
        let (sent, text) = (
            headers
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect::<Vec<_>>(),
            body.to_owned(),
        );
        let origin = answering(move |_| {
            let headers: Vec<_> = sent.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            Reply::ok(&headers, &text)
        });
        let origin = origin.await;

        let error = open(&url(&origin), "")
            .get_manifest(&image(), reference)
            .await
            .unwrap_err();

        assert!(matches!(error, UpstreamError::Invalid { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(why), "{text}");
        assert!(text.contains(&origin.address.to_string()), "{text}");
        assert_eq!(origin.asked().len(), 1, "nothing is asked again");
    }
}

#[tokio::test]
async fn a_digest_that_resolves_to_another_one_is_refused() {
    let origin = answering(|_| Reply::ok(&[("Docker-Content-Digest", &digest_of(b"other"))], "{}"));
    let origin = origin.await;
    let wanted: Reference = digest_of(b"this").parse().unwrap();

    let error = open(&url(&origin), "")
        .resolve_manifest(&image(), &wanted)
        .await
        .unwrap_err();

    assert!(
        error.to_string().contains("the answer has another digest"),
        "{error}"
    );
}

/// lessons.md, security 1
#[tokio::test]
async fn a_manifest_of_10_gb_is_not_read() {
    let origin = answering(|_| {
        Reply::Stalling(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n{".to_vec())
    });
    let origin = origin.await;
    let begun = Instant::now();
    let error = open(&url(&origin), "")
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it is longer than 8388608 bytes"),
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_millis(500));

    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n";
    let origin = answering(|_| Reply::Endless(head.to_vec())).await;
    let error = open(&url(&origin), "")
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it is longer than 8388608 bytes"),
        "{error}"
    );
    tokio::time::sleep(Duration::from_millis(300)).await;
    let sent = origin.sent();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(origin.sent(), sent, "the connection is closed");
    assert!(sent < 32 << 20, "{sent}");
}

/// lessons.md, correctness 26
#[tokio::test]
async fn only_a_404_is_absence() {
    let digest = digest(&digest_of(b"x"));
    for (status, kind) in [
        ("404 Not Found", "none"),
        ("400 Bad Request", "invalid"),
        ("401 Unauthorized", "denied"),
        ("403 Forbidden", "denied"),
        ("405 Method Not Allowed", "invalid"),
        ("408 Request Timeout", "unavailable"),
        ("410 Gone", "invalid"),
        ("429 Too Many Requests", "busy"),
        ("500 Internal Server Error", "unavailable"),
        ("502 Bad Gateway", "unavailable"),
        ("503 Service Unavailable", "unavailable"),
        ("304 Not Modified", "invalid"),
    ] {
        let origin = answering(move |_| Reply::status(status)).await;
        let upstream = open(&url(&origin), "");
        let judge = |error: UpstreamError| match error {
            UpstreamError::Unavailable { .. } => "unavailable",
            UpstreamError::TooManyRequests { .. } => "busy",
            UpstreamError::Denied { .. } => "denied",
            UpstreamError::Invalid { .. } => "invalid",
        };
        let found = [
            upstream
                .get_manifest(&image(), &latest())
                .await
                .map(|it| it.is_some())
                .map_err(judge),
            upstream
                .resolve_manifest(&image(), &latest())
                .await
                .map(|it| it.is_some())
                .map_err(judge),
            upstream
                .stat_blob(&image(), &digest)
                .await
                .map(|it| it.is_some())
                .map_err(judge),
            upstream
                .open_blob(&image(), &digest, 5)
                .await
                .map(|it| it.is_some())
                .map_err(judge),
            upstream
                .get_referrers(&image(), &digest)
                .await
                .map(|it| it.is_some())
                .map_err(judge),
        ];
        let expected = if kind == "none" { Ok(false) } else { Err(kind) };
        assert_eq!(found, [expected; 5], "{status}");
    }
}

#[tokio::test]
async fn a_429_is_not_asked_again_and_its_wait_is_passed_on() {
    let origin =
        answering(|_| Reply::new("429 Too Many Requests", &[("Retry-After", "17")], "")).await;

    let error = open(&url(&origin), "")
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();

    let UpstreamError::TooManyRequests {
        upstream,
        retry_after,
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(upstream, origin.address.to_string());
    assert_eq!(retry_after, Some(Duration::from_secs(17)));
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn a_short_failure_is_not_noticed_and_a_long_one_is_asked_about_three_times() {
    for (failures, fails) in [(2, false), (3, true)] {
        for how in ["500", "503", "reset"] {
            let count = AtomicUsize::new(0);
            let origin = answering(move |_| match count.fetch_add(1, Ordering::SeqCst) {
                number if number >= failures => Reply::ok(&[], "{}"),
                _ if how == "reset" => Reply::Cut(Vec::new()),
                _ => Reply::status(if how == "500" { "500 Oh" } else { "503 No" }),
            });
            let origin = origin.await;

            let found = open(&url(&origin), "")
                .get_manifest(&image(), &latest())
                .await;

            assert_eq!(found.is_err(), fails, "{how} {failures}: {found:?}");
            assert_eq!(origin.asked().len(), 3, "{how}");
        }
    }
}

#[tokio::test]
async fn who_is_not_there_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);

    let error = open(&format!("http://{address}"), "")
        .get_manifest(&image(), &latest())
        .await;

    let error = error.unwrap_err();
    assert!(
        matches!(error, UpstreamError::Unavailable { .. }),
        "{error:?}"
    );
    let text = in_full(&error);
    assert!(
        text.starts_with(&format!(
            "upstream {address} does not answer now: manifests/latest of image: "
        )),
        "{text}"
    );
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_stall_before_the_head_ends_in_time_and_is_not_asked_again() {
    let origin = answering(|_| Reply::Stalling(Vec::new())).await;
    let begun = Instant::now();

    let error = open(&url(&origin), "")
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();

    assert!(
        matches!(error, UpstreamError::Unavailable { .. }),
        "{error:?}"
    );
    assert!(
        begun.elapsed() < Duration::from_millis(1500),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn a_blob_is_opened_at_any_byte() {
    let content = random(3, 10_000);
    let digest = digest(&digest_of(&content));
    for how in ["ranges", "whole", "chunks"] {
        let serving = content.clone();
        let origin = answering(move |asked| {
            let offset = asked
                .header("range")
                .and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-'));
            match (how, offset, asked.method.as_str()) {
                ("ranges", Some(offset), _) => {
                    let offset: usize = offset.parse().unwrap();
                    let range = format!("bytes {offset}-9999/10000");
                    Reply::new(
                        "206 Partial Content",
                        &[("Content-Range", &range)],
                        &serving[offset..],
                    )
                }
                ("chunks", _, "GET") => Reply::chunked("200 OK", &[], &serving),
                _ => Reply::ok(&[], &serving),
            }
        });
        let origin = origin.await;
        let upstream = open(&url(&origin), "");
        assert_eq!(
            upstream.stat_blob(&image(), &digest).await.unwrap(),
            Some(10_000)
        );
        for offset in [0, 1, 2500, 9999] {
            let blob = upstream
                .open_blob(&image(), &digest, offset)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(blob.size, 10_000, "{how}");
            let start = usize::try_from(offset).unwrap();
            assert_eq!(
                read(blob).await.unwrap(),
                content[start..],
                "{how} {offset}"
            );
        }
    }
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_refused() {
    for range in [
        "bytes 0-9/10",
        "bytes 5-8/10",
        "bytes 5-9/*",
        "bytes 5-9",
        "5-9/10",
        "bytes 5-18446744073709551615/0",
    ] {
        let origin = answering(move |_| {
            Reply::new("206 Partial Content", &[("Content-Range", range)], "56789")
        });
        let origin = origin.await;
        let opened = open(&url(&origin), "")
            .open_blob(&image(), &digest(&digest_of(b"x")), 5)
            .await;
        let error = opened.err().unwrap();
        assert!(
            error.to_string().contains("it does not say how long it is"),
            "{range}: {error}"
        );
    }
}

#[tokio::test]
async fn a_blob_without_a_length_or_beyond_its_end_is_refused() {
    let content = digest(&digest_of(b"x"));
    let origin = answering(|_| Reply::chunked("200 OK", &[], b"x")).await;
    let upstream = open(&url(&origin), "");
    for error in [
        upstream.stat_blob(&image(), &content).await.err(),
        upstream.open_blob(&image(), &content, 0).await.err(),
    ] {
        let error = error.unwrap();
        assert!(
            error.to_string().contains("it does not say how long it is"),
            "{error}"
        );
    }

    let origin = answering(|_| Reply::ok(&[], "x")).await;
    let error = open(&url(&origin), "")
        .open_blob(&image(), &content, 2)
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("it is 1 bytes long only"),
        "{error}"
    );
}

#[tokio::test]
async fn a_blob_of_another_length_than_announced_fails_at_its_end() {
    let content = digest(&digest_of(b"x"));
    // Announced by HEAD, as the body has no length of its own.
    for (announced, kind) in [
        ("1999", ErrorKind::InvalidData),
        ("2001", ErrorKind::UnexpectedEof),
    ] {
        let origin = answering(move |asked| match asked.method.as_str() {
            "HEAD" => Reply::Whole(
                format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\n\r\n").into_bytes(),
            ),
            _ => Reply::chunked("200 OK", &[], &[7; 2000]),
        });
        let origin = origin.await;
        let blob = open(&url(&origin), "")
            .open_blob(&image(), &content, 0)
            .await
            .unwrap();

        let error = read(blob.unwrap()).await.unwrap_err();

        assert_eq!(error.kind(), kind, "{error}");
        assert!(
            error.to_string().contains(&origin.address.to_string()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_blob_that_is_cut_short_fails() {
    let origin = answering(|_| {
        Reply::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\nonly this".to_vec())
    });
    let origin = origin.await;
    let blob = open(&url(&origin), "")
        .open_blob(&image(), &digest(&digest_of(b"x")), 0)
        .await;

    assert!(read(blob.unwrap().unwrap()).await.is_err());
}

/// lessons.md, correctness 25
#[tokio::test]
async fn a_blob_that_stalls_fails_in_time() {
    let origin = answering(|_| {
        Reply::Stalling(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\nonly this".to_vec())
    });
    let origin = origin.await;
    let blob = open(&url(&origin), "")
        .open_blob(&image(), &digest(&digest_of(b"x")), 0)
        .await;
    let begun = Instant::now();

    let error = read(blob.unwrap().unwrap()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(
        begun.elapsed() < Duration::from_millis(1500),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn referrers_come_from_all_pages() {
    let subject = digest(&digest_of(b"subject"));
    let page = |seeds: &[u64]| {
        let all: Vec<_> = seeds
            .iter()
            .map(|seed| Image::new(*seed).descriptor())
            .collect();
        json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": all}).to_string()
    };
    let (one, two, all) = (page(&[1, 2]), page(&[3]), page(&[1, 2, 3]));
    let origin = answering(move |asked| match asked.path.split_once('?') {
        // The path of the link is not followed: it might be anybody's.
        None => Reply::ok(
            &[(
                "Link",
                "<http://127.0.0.1:1/elsewhere?last=2&n=2>; rel=\"next\"",
            )],
            &one,
        ),
        Some((_, "last=2&n=2")) => Reply::ok(&[], &two),
        Some(_) => Reply::status("400 Bad Request"),
    });
    let origin = origin.await;

    let found = open(&url(&origin), "")
        .get_referrers(&image(), &subject)
        .await
        .unwrap()
        .unwrap();

    let found: serde_json::Value = serde_json::from_slice(&found).unwrap();
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!(found, all);
    assert!(
        origin.asked()[0]
            .path
            .starts_with(&format!("/v2/image/referrers/{subject}"))
    );
}

#[tokio::test]
async fn one_page_of_referrers_comes_as_it_is() {
    let subject = digest(&digest_of(b"subject"));
    let text = r#"{ "schemaVersion": 2, "manifests": [], "more": 1 }"#;
    let origin = answering(move |_| Reply::ok(&[], text)).await;

    let found = open(&url(&origin), "")
        .get_referrers(&image(), &subject)
        .await
        .unwrap();

    assert_eq!(found.unwrap(), text);
}

#[tokio::test]
async fn referrers_that_are_none_or_do_not_end_are_refused() {
    let subject = digest(&digest_of(b"subject"));
    let one = json!({"schemaVersion": 2, "manifests": [Image::new(1).descriptor()]}).to_string();
    for (body, expected) in [
        ("<html>".to_owned(), "the manifest is not valid"),
        ("{}".to_owned(), "schemaVersion must be 2"),
        (Image::new(1).manifest, "the answer is no image index"),
        (
            r#"{"schemaVersion": 2, "manifests": []}"#.to_owned(),
            "a page of it is empty",
        ),
        (
            one.replace('{', &format!("{:9000}{{", ' ')),
            "it is longer than",
        ),
    ] {
        let origin = answering(move |_| Reply::ok(&[("Link", "<?last=x>; rel=\"next\"")], &body));
        let origin = origin.await;

        let error = open(&url(&origin), "")
            .get_referrers(&image(), &subject)
            .await
            .unwrap_err();

        assert!(matches!(error, UpstreamError::Invalid { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

use std::sync::Mutex;

use reqsign_aws_v4::StaticCredentialProvider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::adapters::storage::s3::transport::Transport;

const BEGUN: (u16, &str) = (200, "<UploadId>id</UploadId>");
const BUSY: (u16, &str) = (503, "<Error><Code>SlowDown</Code></Error>");
const DONE: (u16, &str) = (200, "<CompleteMultipartUploadResult/>");

/// A service that gives these answers in turn, and writes down what it was asked.
async fn scripted(
    answers: &'static [(u16, &'static str)],
) -> (Arc<Client>, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = format!(
        "access_key_id = 'AK'\nsecret_key = 'SK'\nregion = 'r'\nbucket = 'b'\nendpoint = 'http://{}'",
        listener.local_addr().unwrap()
    );
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            // Every request here comes in one piece, or ends with one of these.
            while !request.ends_with(b"\r\n\r\n")
                && !request.ends_with(b"body")
                && !request.ends_with(b">")
            {
                let mut piece = [0; 4096];
                let size = connection.read(&mut piece).await.unwrap();
                request.extend_from_slice(&piece[..size]);
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let line = request.lines().next().unwrap().to_owned();
            log.lock().unwrap().push(line);
            let answer = format!(
                "HTTP/1.1 {status} X\r\nETag: \"e\"\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let config = toml::from_str(&config).unwrap();
    let transport = Transport::new(false, None).unwrap();
    let credentials = StaticCredentialProvider::new("AK", "SK");
    (
        Arc::new(Client::new(&config, transport, credentials)),
        asked,
    )
}

#[tokio::test]
async fn a_part_that_was_refused_for_a_moment_is_sent_again() {
    let (client, asked) = scripted(&[BEGUN, BUSY, (200, ""), DONE]).await;
    let upload = Upload::begin(&client, "p").await.unwrap();

    let part = upload.send(1, "body").await.unwrap();
    upload.end(&[part]).await.unwrap();

    let asked = asked.lock().unwrap();
    let put = "PUT /b/p?partNumber=1&uploadId=id HTTP/1.1";
    assert_eq!(asked[1..3], [put, put]);
}

#[tokio::test]
async fn an_end_counts_only_when_the_service_says_so() {
    const AGAIN: (u16, &str) = (200, " \n<Error><Code>InternalError</Code></Error>");
    let (client, _) = scripted(&[BEGUN, AGAIN, DONE]).await;
    let upload = Upload::begin(&client, "p").await.unwrap();
    upload.end(&[]).await.unwrap();

    let (client, asked) = scripted(&[BEGUN, (200, " \n \n"), (204, "")]).await;
    let upload = Upload::begin(&client, "p").await.unwrap();
    assert!(upload.end(&[]).await.is_err());
    while asked.lock().unwrap().len() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(asked.lock().unwrap()[2], "DELETE /b/p?uploadId=id HTTP/1.1");
}

#[tokio::test]
async fn an_upload_that_is_dropped_is_given_up() {
    let (client, asked) = scripted(&[BEGUN, (204, "")]).await;

    drop(Upload::begin(&client, "p").await.unwrap());

    while asked.lock().unwrap().len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(asked.lock().unwrap()[1], "DELETE /b/p?uploadId=id HTTP/1.1");
}

/// lessons.md, correctness 4
#[test]
fn a_listing_that_is_cut_short_says_where_it_goes_on_or_is_an_error() {
    let next = |key: &str, id: &str| Some((key.to_owned(), id.to_owned()));
    for (page, expected) in [
        ("<IsTruncated>false</IsTruncated>", Some(None)),
        (
            "<IsTruncated>true</IsTruncated><NextKeyMarker>a&amp;b</NextKeyMarker><NextUploadIdMarker>i</NextUploadIdMarker>",
            Some(next("a&b", "i")),
        ),
        ("<IsTruncated>true</IsTruncated><NextKeyMarker/>", None),
        ("<Upload></Upload>", None),
    ] {
        assert_eq!(next_page(page).ok(), expected, "{page}");
    }
}

/// lessons.md, correctness 21
#[test]
fn a_part_without_an_etag_is_an_error_at_once() {
    assert!(part(1, None).is_err());
    assert!(part(1, Some("")).is_err());
    assert_eq!(part(1, Some("\"e\"")).unwrap().etag, "\"e\"");
}

#[test]
fn escapes_are_undone_once() {
    assert_eq!(unescaped("&quot;a&#34; &amp;lt; &lt;"), "\"a\" &lt; <");
}

//! Being told to stop.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::client::digest_of;
use crate::server::Place;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_running_push_finishes_after_sigterm() {
    let place = Place::new("");
    let mut server = place.start();
    let content = vec![7; 100_000];
    let digest = digest_of(&content);
    let mut slow = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    write!(
        slow,
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        content.len()
    )
    .unwrap();
    slow.write_all(&content[..50_000]).unwrap();
    std::thread::sleep(Duration::from_millis(200));

    server.signal(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        TcpStream::connect(("127.0.0.1", server.port)).is_err(),
        "nothing new is taken"
    );
    slow.write_all(&content[50_000..]).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();

    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(server.wait(SOON).success());
    let server = place.start();
    let blob = server
        .client()
        .get(&format!("/v2/a/blobs/{digest}"))
        .unwrap();
    assert_eq!(blob.body, content);
}

#[test]
fn an_idle_server_leaves_at_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::new("");
        let mut server = place.start();
        let mut idle = server.client();
        assert_eq!(idle.get("/v2/").unwrap().status, 200);

        server.signal(signal);

        assert!(server.wait(Duration::from_secs(5)).success(), "{signal}");
    }
}

#[test]
fn a_second_signal_does_not_wait_for_anybody() {
    let place = Place::new("");
    let mut server = place.start();
    let mut slow = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    write!(
        slow,
        "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1"
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(200));

    server.signal(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(200));
    server.signal(Signal::SIGTERM);

    assert_eq!(server.wait(SOON).code(), Some(1));
}

//! Running out of file descriptors (lessons.md, correctness 44).

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::server::Place;

#[test]
fn a_server_without_descriptors_comes_back_when_there_are_some() {
    let place = Place::new("");
    let mut server = place.start_with_few_descriptors(48);
    let mut crowd: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(("127.0.0.1", server.port)).unwrap())
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.is_running(), "the crowd ended it");

    crowd.clear();

    let begun = Instant::now();
    while server.client().get("/v2/").map(|it| it.status).ok() != Some(200) {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "it never comes back"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

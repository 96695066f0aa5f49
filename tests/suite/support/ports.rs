//! Ports for servers that are not started yet.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// From where on they are: below the ports that the kernel picks by itself, on
/// Linux from 32768 on.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on, and that nobody else in this process gets. A
/// port of the kernel's choice could be the next one's as well, before the
/// server that it is for has started.
pub fn free_port() -> u16 {
    // Another process begins elsewhere.
    let begin = std::process::id() % u32::from(COUNT) * 127 % u32::from(COUNT);
    loop {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let at = (begin + next) % u32::from(COUNT);
        let port = FIRST + u16::try_from(at).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

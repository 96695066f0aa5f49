//! Tuning: what a connection is told to the kernel. Where the kernel does not
//! listen, the connection serves all the same.

use std::fs::File;
use std::io;
use std::ops::Range;

use tokio::net::TcpStream;

/// How many bytes may wait in the kernel for the client to take others first.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
const UNSENT: u32 = 256 * 1024;

/// Makes a connection answer quickly, and its progress visible.
pub fn tune(stream: &TcpStream) {
    // Answers are small and complete; waiting to fill a packet only delays.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    // Else megabytes wait in the kernel, and a slow client that takes some of
    // them now and then looks like one that takes none.
    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT");
    }
}

/// Whether [`send_file`] does anything.
pub const SENDS_FILES: bool = cfg!(all(target_os = "linux", not(feature = "portable")));

/// Has the kernel send this part of the file, or the beginning of it: so many
/// bytes of it are on their way.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub fn send_file(stream: &TcpStream, file: &File, part: &Range<u64>) -> io::Result<usize> {
    let mut offset = part.start;
    let length = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
    Ok(rustix::fs::sendfile(
        stream,
        file,
        Some(&mut offset),
        length,
    )?)
}

#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub fn send_file(_: &TcpStream, _: &File, _: &Range<u64>) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

//! Sockets that close politely.
//!
//! A kernel answers data that nobody will read with a reset, and a reset can
//! overtake the response: a client whose upload was refused would see a broken
//! connection instead of the reason. So after such a refusal we keep reading,
//! for a moment, after we have said that we are done.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::connection::Connection;
use super::holes::Holes;
use super::tuning;

/// For how long a client may go on sending after it was refused.
const LINGER: Duration = Duration::from_secs(2);

/// Has the kernel send the file's part; by hand, where its file system can't.
fn send(stream: &TcpStream, file: &File, part: &Range<u64>) -> io::Result<usize> {
    match tuning::send_file(stream, file, part) {
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            let mut bytes = [0; 16 * 1024];
            let length = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
            let most = length.min(bytes.len());
            let read = file.read_at(&mut bytes[..most], part.start)?;
            stream.try_write(&bytes[..read])
        }
        sent => sent,
    }
}

/// A TCP stream that tells its connection what goes out.
pub struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    /// Takes the stream over.
    pub fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self {
            stream,
            connection,
            lingering: None,
        }
    }

    /// Sends what belongs in the holes that the slices begin with.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        holes: &Holes,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (file, part) = holes.content(slices)?;
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            let attempt = || send(&self.stream, &file, &part);
            match self.stream.try_io(Interest::WRITABLE, attempt) {
                // Cut short behind our back: what is missing is nowhere.
                Ok(0) => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    holes.filled(sent);
                    return Poll::Ready(Ok(sent));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(_))) {
            self.connection.wrote();
        }
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let hole = match self.connection.holes() {
            Some(holes) => {
                let first = bufs.iter().position(|slice| Holes::is_one(slice));
                first.map(|first| (first, Arc::clone(holes)))
            }
            None => None,
        };
        let written = match hole {
            Some((0, holes)) => self.poll_fill(cx, &holes, bufs),
            Some((first, _)) => Pin::new(&mut self.stream).poll_write_vectored(cx, &bufs[..first]),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
        };
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.connection.has_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = this
            .lingering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut sink = [0_u8; 16 * 1024];
        loop {
            if lingering.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut sink);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                // The client is done as well, or gone.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

//! The listener: accepts connections, drives them, and lets them end well.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::current::Current;
use super::handshake;
use super::service::Service;
use super::socket::Socket;
use super::tuning;

/// How long to wait before the next try when no connection can be accepted:
/// at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How often a failure to accept is logged while it lasts.
const COMPLAINTS: Duration = Duration::from_mins(1);

/// How long writes may take to notice that their connections were cut.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves on `listener` until `shutdown`, and then for as long as running
/// requests need, but at most for the grace period. Each connection and each
/// request gets what `current` holds when it comes.
///
/// # Errors
///
/// None so far: what goes wrong with one connection ends that connection, and
/// when none can be accepted, this waits until one can.
pub async fn serve(
    listener: TcpListener,
    current: Arc<Current>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let service = Arc::new(Service::new(Arc::clone(&current)));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    let driver = Driver {
        service: Arc::clone(&service),
        current: Arc::clone(&current),
        drain: shutdown.clone(),
        cut: cut.clone(),
    };
    let mut acceptor = Acceptor {
        listener,
        complained: None,
    };
    while let Some((stream, peer)) = acceptor.next(&shutdown).await {
        let driver = driver.clone();
        match current.get().tls.clone() {
            None => connections.spawn(driver.drive(stream, peer)),
            // In a task of its own: no client that hesitates holds up another.
            Some(tls) => connections.spawn(driver.drive_encrypted(tls, stream, peer)),
        };
    }
    drop(acceptor);

    let writers = service.writers();
    connections.close();
    writers.close();
    tracing::info!(connections = connections.len(), "draining");
    let drained = async {
        connections.wait().await;
        writers.wait().await;
    };
    if tokio::time::timeout(current.get().settings.grace_period, drained)
        .await
        .is_err()
    {
        tracing::warn!(connections = connections.len(), "cutting what is left");
        cut.cancel();
        let noticed = async {
            connections.wait().await;
            writers.wait().await;
        };
        if tokio::time::timeout(LAST_WORDS, noticed).await.is_err() {
            tracing::warn!(writes = writers.len(), "leaving unfinished writes");
        }
    }
    Ok(())
}

/// Accepts connections, whatever happens.
struct Acceptor {
    listener: TcpListener,
    complained: Option<Instant>,
}

impl Acceptor {
    /// The next connection; `None` once it is time to stop. A failure to
    /// accept (no file descriptors left, say) is waited out.
    async fn next(&mut self, shutdown: &CancellationToken) -> Option<(TcpStream, IpAddr)> {
        let mut pause = BACK_OFF.0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => return None,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => return Some((stream, peer.ip())),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    self.complain(&error);
                    tokio::select! {
                        () = shutdown.cancelled() => return None,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(BACK_OFF.1);
                }
            }
        }
    }

    /// Logs the error, but not over and over.
    fn complain(&mut self, error: &io::Error) {
        let now = Instant::now();
        let recently = |last: Instant| now.saturating_duration_since(last) < COMPLAINTS;
        if !self.complained.is_some_and(recently) {
            self.complained = Some(now);
            tracing::error!(%error, "cannot accept connections for now");
        }
    }
}

/// The client was gone before we got to it.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// What drives connections.
#[derive(Clone)]
struct Driver {
    service: Arc<Service>,
    current: Arc<Current>,
    /// Connections end when they have answered what they were asked.
    drain: CancellationToken,
    /// Connections end.
    cut: CancellationToken,
}

impl Driver {
    /// Drives one connection in the clear to its end.
    async fn drive(self, stream: TcpStream, peer: IpAddr) {
        tuning::tune(&stream);
        let connection = Arc::new(Connection::in_the_clear(peer));
        let socket = Socket::new(stream, Arc::clone(&connection));
        self.serve(builder(), socket, &connection).await;
    }

    /// Drives one encrypted connection to its end.
    async fn drive_encrypted(self, tls: Arc<ServerConfig>, stream: TcpStream, peer: IpAddr) {
        tuning::tune(&stream);
        let connection = Arc::new(Connection::new(peer));
        let patience = self.current.get().settings.header_timeout;
        let shaken = handshake::shake(tls, stream, &connection);
        let stream = tokio::select! {
            shaken = tokio::time::timeout(patience, shaken) => match shaken {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%peer, %error, "no handshake"),
                Err(_) => return tracing::debug!(%peer, "the handshake took too long"),
            },
            () = self.drain.cancelled() => return,
        };
        // Both sides have agreed; there is nothing left to guess.
        let builder = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => builder().http2_only(),
            Some(_) => builder().http1_only(),
            None => builder(),
        };
        self.serve(builder, stream, &connection).await;
    }

    async fn serve<S>(
        &self,
        builder: Builder<TokioExecutor>,
        stream: S,
        connection: &Arc<Connection>,
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let answer = service_fn(|request| {
            let service = Arc::clone(&self.service);
            let connection = Arc::clone(connection);
            async move { service.answer(&connection, request).await }
        });
        let _open = self.current.metrics().open();
        let io = TokioIo::new(stream);
        let mut serving = std::pin::pin!(builder.serve_connection(io, answer));
        let mut draining = false;
        loop {
            let pause = self.current.get().settings.check_interval();
            tokio::select! {
                ended = serving.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error = %error, "connection broken");
                    }
                    return;
                }
                () = self.cut.cancelled() => return,
                () = self.drain.cancelled(), if !draining => {
                    draining = true;
                    serving.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep(pause) => {
                    let settings = &self.current.get().settings;
                    if let Some(fault) = connection.fault(settings, Instant::now()) {
                        tracing::debug!(?fault, "connection closed");
                        return;
                    }
                }
            }
        }
    }
}

/// HTTP/1.1 and HTTP/2, whichever the client speaks.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // What is received at once, and the longest head of a request. A push holds a few of these.
        .max_buf_size(256 * 1024);
    builder
        .http2()
        // Each may have a send buffer full of what its client does not take,
        // and a response that is all in there holds no place any more.
        .max_concurrent_streams(16)
        .max_header_list_size(64 * 1024)
        // Measured: half as much again as with the default.
        .max_send_buf_size(1024 * 1024);
    builder
}

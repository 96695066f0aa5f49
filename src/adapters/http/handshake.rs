//! Handshakes: from a socket to an encrypted connection whose client is known.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::Connection;
use super::error::PLAINTEXT_REFUSED;
use super::socket::Socket;
use super::tls;
use crate::domain::model::ClientCertificate;

/// Shakes hands. Who can't is told why: in the clear if it spoke in the clear, else by an alert.
///
/// # Errors
/// When there is no encrypted connection.
pub async fn shake(
    tls: Arc<ServerConfig>,
    stream: TcpStream,
    connection: &Arc<Connection>,
) -> io::Result<TlsStream<Socket>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    let socket = Socket::new(stream, Arc::clone(connection));
    // A request begins with a method; what TLS begins with is no letter.
    if first[0].is_ascii_uppercase() {
        let error = io::Error::new(io::ErrorKind::InvalidData, "a request in the clear");
        return Err(refuse(socket, connection, PLAINTEXT_REFUSED, error).await);
    }
    match TlsAcceptor::from(tls).accept(socket).into_fallible().await {
        Ok(stream) => {
            connection.identify(match stream.get_ref().1.peer_certificates() {
                Some([leaf, ..]) => tls::names(leaf),
                _ => ClientCertificate::default(),
            });
            Ok(stream)
        }
        Err((error, socket)) => Err(refuse(socket, connection, b"", error).await),
    }
}

/// Says the last words, and reads what is still under way: a reset would overtake them.
async fn refuse(
    mut socket: Socket,
    connection: &Connection,
    words: &[u8],
    error: io::Error,
) -> io::Error {
    connection.leave_unread();
    let said = async {
        socket.write_all(words).await?;
        socket.shutdown().await
    };
    match said.await {
        Ok(()) => error,
        Err(gone) => gone,
    }
}

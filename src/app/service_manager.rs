//! What a service manager hands over and is told: systemd's socket activation and readiness.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// The socket that a service manager has opened for this process (`LISTEN_FDS`); `None` where it has not. The variables
/// are taken out of the environment, so this must be called before there are threads.
///
/// # Errors
/// When it is no listening TCP socket, or there are several: one is served.
pub(super) fn inherited() -> io::Result<Option<TcpListener>> {
    let mut handed = ListenFd::from_env();
    if handed.len() > 1 {
        return Err(io::Error::other("these are several sockets; one is served"));
    }
    let listener = handed.take_tcp_listener(0)?;
    if let Some(listener) = &listener {
        listener.set_nonblocking(true)?;
    }
    Ok(listener)
}

/// Tells the service manager that the server serves (`NOTIFY_SOCKET`), if there is one that wants to know.
pub(super) fn ready() {
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        tracing::warn!(%error, "the service manager can't be told that the server serves");
    }
}

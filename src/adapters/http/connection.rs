//! Connections: what goes on on one, and when it has to be closed.
//!
//! One watch stands in for a handful of timeouts that hyper does not have or
//! that do not reach far enough: nothing limits how long it guesses at a
//! connection's protocol, or how long a client may leave a response unread.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::time::Instant;

use super::Settings;
use super::holes::Holes;
use super::progress::Meter;
use super::tuning::SENDS_FILES;
use crate::domain::model::ClientCertificate;

/// What is known about one connection.
#[derive(Debug)]
pub struct Connection {
    peer: IpAddr,
    /// Known once the handshake is done; never, where the connection is in the clear.
    certificate: OnceLock<ClientCertificate>,
    /// Where the kernel can send files on it.
    holes: Option<Arc<Holes>>,
    state: Mutex<State>,
    unread: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// Requests that are being answered.
    active: usize,
    /// Whether there ever was one.
    greeted: bool,
    /// When the last one ended, or bytes last left.
    quiet_since: Instant,
    /// The responses on their way to the client.
    transfers: Vec<Weak<Mutex<Meter>>>,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No request came after the connection was made.
    Silent,
    /// No request came after the last one.
    Idle,
    /// The client does not take its response.
    Stalled,
}

impl Connection {
    /// A connection that was just made, from this address.
    pub fn new(peer: IpAddr) -> Self {
        Self {
            peer,
            certificate: OnceLock::new(),
            holes: None,
            state: Mutex::new(State {
                active: 0,
                greeted: false,
                quiet_since: Instant::now(),
                transfers: Vec::new(),
            }),
            unread: AtomicBool::new(false),
        }
    }

    /// The same, in the clear: the kernel can send files on it, if it is one
    /// that does.
    pub fn in_the_clear(peer: IpAddr) -> Self {
        Self {
            holes: SENDS_FILES.then(Arc::default),
            ..Self::new(peer)
        }
    }

    /// What responses can be made of that the kernel fills by itself.
    pub fn holes(&self) -> Option<&Arc<Holes>> {
        self.holes.as_ref()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address at its other end.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The handshake is done, and the client has shown this certificate.
    pub fn identify(&self, certificate: ClientCertificate) {
        self.certificate.get_or_init(|| certificate);
    }

    /// Whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.certificate.get().is_some()
    }

    /// The certificate that the client has shown; an empty one if it has not.
    pub fn certificate(&self) -> ClientCertificate {
        self.certificate.get().cloned().unwrap_or_default()
    }

    /// A request came: it is active until the value is dropped.
    pub fn begin(self: &Arc<Self>) -> Active {
        let mut state = self.state();
        state.active += 1;
        state.greeted = true;
        Active(Arc::clone(self))
    }

    /// Bytes left for the client.
    pub fn wrote(&self) {
        self.state().quiet_since = Instant::now();
    }

    /// Watches over the transfer of a response.
    pub fn watch(&self, transfer: &Arc<Mutex<Meter>>) {
        self.state().transfers.push(Arc::downgrade(transfer));
    }

    /// A request's body was left unread: the client may still be sending.
    pub fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether a request's body was left unread.
    pub fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Why the connection should be closed now, if it should.
    pub fn fault(&self, settings: &Settings, now: Instant) -> Option<Fault> {
        let mut state = self.state();
        if state.active == 0 {
            let quiet = now.saturating_duration_since(state.quiet_since);
            let (patience, fault) = if state.greeted {
                (settings.idle_timeout, Fault::Idle)
            } else {
                (settings.header_timeout, Fault::Silent)
            };
            return (quiet >= patience).then_some(fault);
        }
        let mut stalled = false;
        state.transfers.retain(|transfer| {
            let Some(meter) = transfer.upgrade() else {
                return false;
            };
            let meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
            stalled |= meter.overdue(now);
            true
        });
        stalled.then_some(Fault::Stalled)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Active(Arc<Connection>);

impl Active {
    /// The connection that it came on.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.0
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.active = state.active.saturating_sub(1);
        state.quiet_since = Instant::now();
    }
}

#[cfg(test)]
mod tests;

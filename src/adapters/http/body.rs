//! Bodies: hyper's requests as streams of the domain, and streams of the
//! domain as hyper's responses. Both are watched for progress.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, Sleep};

use super::admission::Place;
use super::connection::Active;
use super::progress::{LEAST, Meter, Pulse};
use crate::domain::error::RegistryError;
use crate::domain::model::{Body, ByteStream};

/// The body of a response before it is on its way.
pub type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;

/// No body.
pub fn empty() -> ResponseBody {
    Empty::new().map_err(never).boxed_unsync()
}

/// A body that is known whole.
pub fn full(bytes: Bytes) -> ResponseBody {
    Full::new(bytes).map_err(never).boxed_unsync()
}

/// A body that comes from the store.
pub fn stream(stream: ByteStream) -> ResponseBody {
    StreamBody::new(stream.map_ok(Frame::data)).boxed_unsync()
}

/// A small one: if it comes as one piece of `length` bytes, it is known whole.
pub async fn small(mut bytes: ByteStream, length: u64) -> ResponseBody {
    match bytes.next().await {
        Some(Ok(all)) if all.len() as u64 == length => full(all),
        first => stream(Box::pin(futures_util::stream::iter(first).chain(bytes))),
    }
}

fn never(never: Infallible) -> io::Error {
    match never {}
}

/// How much of a body that nobody wants is read before its request is refused.
/// As much as Go's server reads, on which clients rely: containerd 1.6 waits for
/// ever when it is answered before it has written a manifest.
const UNWANTED: u64 = 256 << 10;

/// How long that is waited for.
const UNWANTED_WITHIN: Duration = Duration::from_secs(2);

/// What hyper received, for whoever reads it.
#[derive(Clone)]
pub struct Received(Arc<Mutex<Incoming>>);

impl Received {
    /// The body of a request that has just begun.
    pub fn new(incoming: Incoming) -> Self {
        Self(Arc::new(Mutex::new(incoming)))
    }

    /// Ends it: whether nothing is left on the connection. When `refused`, what is left
    /// is read before, if it is little.
    pub async fn end(self, refused: bool) -> bool {
        let Some(incoming) = Arc::into_inner(self.0) else {
            // A write that took too long has it.
            return false;
        };
        let mut incoming = incoming
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if incoming.is_end_stream() {
            return true;
        }
        let is_little = incoming.size_hint().lower() <= UNWANTED;
        let discarded = tokio::time::timeout(UNWANTED_WITHIN, discard(&mut incoming));
        refused && is_little && matches!(discarded.await, Ok(Some(())))
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads to the end; `None` if it is too far away.
async fn discard(incoming: &mut Incoming) -> Option<()> {
    let mut left = UNWANTED;
    while let Some(frame) = incoming.frame().await {
        let data = frame.ok()?.into_data().unwrap_or_default();
        left = left.checked_sub(data.len() as u64)?;
    }
    Some(())
}

/// The body of a request. It fails with [`io::ErrorKind::TimedOut`] when the
/// client lets it rest for too long.
pub struct RequestBody {
    received: Received,
    meter: Meter,
    alarm: Option<Pin<Box<Sleep>>>,
    pulse: Arc<Pulse>,
    ended: bool,
    counted: Counter,
}

impl RequestBody {
    /// Reads what was received, and counts its bytes.
    pub fn new(received: Received, allowance: Duration, counted: Counter) -> Self {
        Self {
            received,
            meter: Meter::new(allowance),
            alarm: None,
            pulse: Arc::new(Pulse::new()),
            ended: false,
            counted,
        }
    }

    /// Beats whenever something of the body arrives.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// The body as the domain takes it.
    pub fn into_body(self) -> Body {
        let length = self.received.lock().size_hint().exact();
        Body {
            length,
            stream: self.boxed(),
        }
    }

    /// The whole body, if it has at most `limit` bytes. Nothing beyond the
    /// limit is kept (CVE-2017-11468).
    pub async fn collect(mut self, limit: u64) -> Result<Bytes, RegistryError> {
        let mut left = limit;
        let declared = self.received.lock().size_hint().lower();
        let mut bytes = BytesMut::new();
        if declared > limit {
            return Err(RegistryError::ManifestTooLarge { limit });
        }
        while let Some(chunk) = self.next().await {
            let chunk = chunk.map_err(RegistryError::BodyBroken)?;
            left = left
                .checked_sub(chunk.len() as u64)
                .ok_or(RegistryError::ManifestTooLarge { limit })?;
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    fn poll_incoming(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut incoming = self.received.lock();
        loop {
            let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                    // Trailers mean nothing here.
                    Ok(_) | Err(_) => {}
                },
                Some(Err(error)) => {
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, error);
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for RequestBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = self.poll_incoming(cx);
        let now = Instant::now();
        if let Poll::Ready(item) = polled {
            let arrived = match &item {
                Some(Ok(data)) => data.len() as u64,
                _ => 0,
            };
            self.meter.moved(arrived, now);
            self.counted.inc_by(arrived);
            self.alarm = None;
            self.pulse.beat();
            self.ended = !matches!(item, Some(Ok(_)));
            return Poll::Ready(item);
        }

        let deadline = self.meter.wait(now);
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(alarm.as_mut().poll(cx));
        self.ended = true;
        self.pulse.beat();
        let message = "the client stopped sending";
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, message))))
    }
}

/// The body of a response on its way to the client. It holds the request's
/// place and keeps its connection active until it has been sent.
///
/// It goes out in small pieces, so that each piece that is asked for says that
/// the client took the one before it.
pub struct Outgoing {
    inner: ResponseBody,
    rest: Bytes,
    handed: u64,
    meter: Arc<Mutex<Meter>>,
    allowance: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    counted: Counter,
    _active: Active,
    _place: Option<Arc<Place>>,
}

impl Outgoing {
    /// Sends `inner` on the connection of `active`, and counts its bytes.
    pub fn new(
        inner: ResponseBody,
        allowance: Duration,
        active: Active,
        place: Option<Arc<Place>>,
        counted: Counter,
    ) -> Self {
        let meter = Arc::new(Mutex::new(Meter::new(allowance)));
        // One piece needs no watching: once it is handed over, so is all.
        if inner.size_hint().upper().is_none_or(|most| most > LEAST) {
            active.connection().watch(&meter);
        }
        Self {
            inner,
            rest: Bytes::new(),
            handed: 0,
            meter,
            allowance,
            alarm: None,
            counted,
            _active: active,
            _place: place,
        }
    }

    /// Hands over the next piece, and waits for the client from now on.
    fn hand_over(&mut self, now: Instant) -> Frame<Bytes> {
        let length = usize::try_from(LEAST).unwrap_or(usize::MAX);
        let piece = self.rest.split_to(length.min(self.rest.len()));
        self.handed = piece.len() as u64;
        self.counted.inc_by(self.handed);
        let mut meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        meter.wait(now);
        Frame::data(piece)
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let now = Instant::now();
        let taken = std::mem::take(&mut self.handed);
        self.meter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .moved(taken, now);
        while self.rest.is_empty() {
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.alarm = None;
                    self.rest = frame.into_data().unwrap_or_default();
                }
                Poll::Ready(end) => return Poll::Ready(end),
                Poll::Pending => {
                    let allowance = self.allowance;
                    let alarm = self
                        .alarm
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep(allowance)));
                    ready!(alarm.as_mut().poll(cx));
                    tracing::error!("the store stopped in the middle of a transfer");
                    let error = io::Error::from(io::ErrorKind::TimedOut);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(Some(Ok(self.hand_over(now))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.size_hint();
        let rest = self.rest.len() as u64;
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(inner.lower().saturating_add(rest));
        hint
    }
}

//! One caller's connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, ready};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::caller_io::CallerIo;
use super::drive::{Ended, Farewell, drive};
use super::handshake::{Secured, handshake};
use super::open::{Place, Share};
use super::protocol::{http1, http2};
use super::pulse::{Protocol, Pulse, Tracked};
use super::rest::Rest;
use super::socket::{AcceptedSocket, Socket};
use super::{Arrival, FRESH, Handler, Limits};
use crate::stage::{Follower, Stage};

/// A connection that was accepted, and its place.
pub(super) struct Accepted {
    pub(super) socket: AcceptedSocket,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) listener: usize,
    pub(super) peer: Option<IpAddr>,
    pub(super) limits: Limits,
    pub(super) stage: Follower,
    pub(super) place: Place,
}

/// What a connection's requests are answered with.
struct Terms<H> {
    handler: Rc<H>,
    arrival: Arrival,
    limits: Limits,
    stage: Follower,
    /// Until when it is given time for its first request.
    fresh: Instant,
}

/// Serves a connection to its end.
///
/// Whatever outlasts a conversation is made here, when the connection is: so the memory that a conversation leaves is
/// not full of small things that stay, and goes back to the system.
pub(super) async fn serve<H: Handler>(accepted: Accepted, handler: Rc<H>, share: Share) {
    let Accepted { socket, tls, listener, peer, limits, stage, place } = accepted;
    // A socket that cannot be set up is one that its caller has already left.
    let Ok(socket) = Socket::adopt(socket) else { return };
    let arrival = Arrival { listener, peer, names: Rc::default() };
    let mut terms = Terms { handler, arrival, limits, stage, fresh: Instant::now() + FRESH };
    // hyper's state and buffers are made when there is something to read: a connection kept in reserve stays small.
    let has_come = tokio::select! {
        has_come = timeout(limits.timeouts.idle, socket.readable()) => matches!(has_come, Ok(Ok(()))),
        () = past(&terms, Stage::Draining) => false,
    };
    if has_come && let Some((mut socket, protocol)) = secure(socket, tls, &mut terms).await {
        let mut read = Bytes::new();
        // Boxed, so that nothing of a conversation is left while the connection rests.
        while let Some(rest) = Box::pin(converse(socket, read, protocol, &terms)).await {
            match rest.end(limits.timeouts.idle, past(&terms, Stage::Draining)).await {
                Some(woken) => (socket, read) = woken,
                None => break,
            }
        }
    }
    drop((place, share));
}

/// Waits for `stage`, and then until a connection has had its time that is fresh until then.
async fn past<H>(terms: &Terms<H>, stage: Stage) {
    terms.stage.clone().reached(stage).await;
    sleep_until(terms.fresh).await;
}

/// TLS, where it is asked for.
async fn secure<H>(socket: Socket, tls: Option<TlsAcceptor>, terms: &mut Terms<H>) -> Option<(Socket, Protocol)> {
    let Some(tls) = tls else {
        // hyper closes a connection on which nothing has come yet. In clear, something has.
        terms.fresh = Instant::now();
        return Some((socket, Protocol::Http1));
    };
    terms.fresh = Instant::now() + FRESH;
    // Boxed, as HTTP/2 is below: their states are large, and most connections have need of neither.
    let shaking = timeout(terms.limits.timeouts.head, Box::pin(handshake(socket, tls)));
    let shaken = tokio::select! {
        shaken = shaking => shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        () = past(terms, Stage::Draining) => return None,
    };
    match shaken {
        Ok(Secured { socket, protocol, names }) => {
            terms.arrival.names = names;
            Some((socket, protocol))
        }
        Err(error) => {
            tracing::debug!(%error, peer = ?terms.arrival.peer, "a caller's TLS handshake failed");
            None
        }
    }
}

/// Speaks HTTP until the connection ends or rests. `read` has come already.
async fn converse<H: Handler>(socket: Socket, read: Bytes, protocol: Protocol, terms: &Terms<H>) -> Option<Rest> {
    let pulse = Pulse::new(protocol);
    let io = TokioIo::new(CallerIo::new(socket, read, Rc::clone(&pulse)));
    let (handler, arrival) = (Rc::clone(&terms.handler), terms.arrival.clone());
    let service = service_fn({
        let (pulse, stage) = (Rc::clone(&pulse), terms.stage.clone());
        move |request: Request<Incoming>| {
            let mut busy = Some(pulse.request());
            // In HTTP/2 there is a farewell of its own for it.
            let leaves = protocol == Protocol::Http1 && stage.has_reached(Stage::Leaving);
            pulse.may_end_with_connection(request.version() < Version::HTTP_11);
            // Boxed, since hyper keeps room for it as long as the connection lives.
            let mut answering = Box::pin(handler.handle(request, &arrival));
            poll_fn(move |cx| {
                let mut answer = ready!(answering.as_mut().poll(cx));
                if leaves {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Poll::Ready(Ok::<_, Infallible>(answer.map(|body| Tracked::new(body, busy.take()))))
            })
        }
    });
    let (limits, timeouts) = (&terms.limits, terms.limits.timeouts);
    if protocol == Protocol::Http2 {
        // GOAWAY loses no request, so it can go out as soon as callers had better go elsewhere.
        let leaving = Farewell { stage: &terms.stage, due: past(terms, Stage::Leaving) };
        let connection = http2(limits).serve_connection(io, service);
        Box::pin(async { drive(pin!(connection), &pulse, timeouts, leaving).await }).await;
        return None;
    }
    let mut connection = http1(limits).serve_connection(io, service);
    let draining = Farewell { stage: &terms.stage, due: past(terms, Stage::Draining) };
    let ended = drive(Pin::new(&mut connection), &pulse, timeouts, draining).await;
    let parts = connection.into_parts();
    let socket = parts.io.into_inner().into_socket();
    match ended {
        Ended::AtRest => {
            // A copy: even an empty rest of hyper's buffer would keep all of it.
            let read = Bytes::copy_from_slice(&parts.read_buf);
            Some(Rest { socket, read, since: pulse.idle_since() })
        }
        Ended::Over => {
            if pulse.resets() {
                socket.reset_at_close();
            }
            None
        }
    }
}

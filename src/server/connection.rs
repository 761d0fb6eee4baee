//! One caller's connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::handshake::{Secured, handshake};
use super::open::Place;
use super::protocol::{Graceful, http1, http2};
use super::pulse::{CallerIo, Overdue, Protocol, Pulse, Tracked};
use super::socket::{AcceptedSocket, Socket};
use super::{Arrival, Handler, Limits, Timeouts};
use crate::stage::{Follower, Stage};

/// How long a new connection is given for its first request when the drain begins: the request may be on its way.
const FRESH: Duration = Duration::from_secs(1);

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

/// Serves a connection to its end.
pub(super) async fn serve<H: Handler>(accepted: Accepted, handler: Rc<H>) {
    let Accepted { socket, tls, listener, peer, limits, mut stage, place } = accepted;
    // A socket that cannot be set up is one that its caller has already left.
    let Ok(socket) = Socket::adopt(socket) else { return };
    let fresh = Instant::now() + FRESH;
    // hyper's state and buffers are made when there is something to read: a connection kept in reserve stays small.
    let first_byte = timeout(limits.timeouts.idle, socket.readable());
    let has_come = tokio::select! {
        has_come = first_byte => matches!(has_come, Ok(Ok(()))),
        () = past(&mut stage, Stage::Draining, fresh) => false,
    };
    if has_come {
        let arrival = Arrival { listener, peer, names: Arc::default() };
        Box::pin(speak(socket, tls, arrival, handler, limits, stage)).await;
    }
    drop(place);
}

/// Waits for `stage`, and then until a connection has had its time that is fresh until then.
async fn past(follower: &mut Follower, stage: Stage, fresh: Instant) {
    follower.reached(stage).await;
    sleep_until(fresh).await;
}

/// TLS where it is asked for, then HTTP.
async fn speak<H: Handler>(
    socket: Socket,
    tls: Option<TlsAcceptor>,
    mut arrival: Arrival,
    handler: Rc<H>,
    limits: Limits,
    mut stage: Follower,
) {
    // hyper closes a connection on which nothing has come yet. In clear, something has.
    let fresh = Instant::now() + if tls.is_some() { FRESH } else { Duration::ZERO };
    let (socket, protocol) = match tls {
        None => (socket, Protocol::Http1),
        Some(tls) => {
            // Boxed, as HTTP/2 is below: their states are large, and most connections have need of neither.
            let shaking = timeout(limits.timeouts.head, Box::pin(handshake(socket, tls)));
            let shaken = tokio::select! {
                shaken = shaking => shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
                () = past(&mut stage, Stage::Draining, fresh) => return,
            };
            match shaken {
                Ok(Secured { socket, protocol, names }) => {
                    arrival.names = names;
                    (socket, protocol)
                }
                Err(error) => {
                    tracing::debug!(%error, peer = ?arrival.peer, "a caller's TLS handshake failed");
                    return;
                }
            }
        }
    };
    let pulse = Pulse::new(protocol);
    let io = TokioIo::new(CallerIo::new(socket, Rc::clone(&pulse)));
    let arrival = Rc::new(arrival);
    let service = service_fn({
        let (pulse, stage) = (Rc::clone(&pulse), stage.clone());
        move |request: Request<Incoming>| {
            let busy = pulse.request();
            // In HTTP/2 there is a farewell of its own for it.
            let leaves = protocol == Protocol::Http1 && stage.has_reached(Stage::Leaving);
            pulse.may_end_with_connection(request.version() < Version::HTTP_11);
            let (handler, arrival) = (Rc::clone(&handler), Rc::clone(&arrival));
            // Boxed, since hyper keeps room for it as long as the connection lives: 4 KiB of each idle one.
            Box::pin(async move {
                let mut answer = handler.handle(request, &arrival).await;
                if leaves {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer.map(|body| Tracked::new(body, busy)))
            })
        }
    });
    match protocol {
        Protocol::Http1 => {
            let draining = past(&mut stage, Stage::Draining, fresh);
            drive(http1(&limits).serve_connection(io, service), &pulse, limits.timeouts, draining).await;
        }
        Protocol::Http2 => {
            // GOAWAY loses no request, so it can go out as soon as callers had better go elsewhere.
            let leaving = past(&mut stage, Stage::Leaving, fresh);
            Box::pin(drive(http2(&limits).serve_connection(io, service), &pulse, limits.timeouts, leaving)).await;
        }
    }
}

/// Lets a connection run to its end, keeping its deadlines; from `draining` on, it ends with what it is doing.
async fn drive(connection: impl Graceful, pulse: &Pulse, mut timeouts: Timeouts, draining: impl Future<Output = ()>) {
    let mut connection = pin!(connection);
    let mut draining = pin!(draining);
    let mut ending = None;
    let mut deadline = pin!(sleep_until(Instant::now() + timeouts.idle));
    let outcome = poll_fn(|cx| {
        loop {
            if let Poll::Ready(outcome) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            if ending.is_none() && draining.as_mut().poll(cx).is_ready() {
                // hyper would wait for the first bytes of an HTTP/2 caller to say goodbye to it.
                if pulse.awaits_preface() {
                    return Poll::Ready(Some(Ok(())));
                }
                // hyper would wait for the caller's word on its farewell.
                timeouts.idle = FRESH;
                ending = Some(Instant::now() + FRESH);
                connection.as_mut().graceful_shutdown();
                continue;
            }
            // Set anew only when a deadline comes nearer: most requests leave the timer alone.
            let due = pulse.due(&timeouts).map(|(due, overdue)| match overdue {
                Overdue::Idle => (ending.map_or(due, |ending| due.max(ending)), overdue),
                Overdue::Stuck => (due, overdue),
            });
            if let Some((due, _)) = due.filter(|(due, _)| *due < deadline.deadline()) {
                deadline.as_mut().reset(due);
            }
            if deadline.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match due {
                Some((due, overdue)) if due <= Instant::now() => {
                    if overdue == Overdue::Stuck || ending.is_some() {
                        return Poll::Ready(None);
                    }
                    ending = Some(due);
                    connection.as_mut().graceful_shutdown();
                }
                Some((due, _)) => deadline.as_mut().reset(due),
                None => deadline.as_mut().reset(Instant::now() + timeouts.idle),
            }
        }
    })
    .await;
    match outcome {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            // Our answer broke off, not the caller.
            if error.is_user() {
                pulse.broke_off();
            }
            tracing::trace!(%error, "a caller's connection ended");
        }
        None => tracing::debug!("a caller's connection was given up: it did not move on within its deadline"),
    }
}

//! One caller's connection, from its first byte to its last.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};

use super::pulse::{CallerIo, Overdue, Pulse, Tracked};
use super::stage::{Follower, Stage};
use super::{Arrival, Handler, Limits};

/// hyper's buffer for one connection, at most: enough for any head within its limit, and for bodies in large pieces.
const BUFFER: usize = 128 * 1024;

/// A connection that was accepted, and its permit.
pub(super) struct Accepted {
    pub(super) stream: net::TcpStream,
    pub(super) arrival: Arrival,
    pub(super) permit: OwnedSemaphorePermit,
}

/// Serves a connection to its end.
pub(super) async fn serve<H: Handler>(accepted: Accepted, handler: Rc<H>, limits: Limits, mut stage: Follower) {
    let Accepted { stream, arrival, permit } = accepted;
    // A socket that cannot be set up is one that its caller has already left.
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    let _ = stream.set_nodelay(true);
    // hyper's state and buffers are made when there is something to read: a connection kept in reserve stays small.
    let first_byte = timeout(limits.timeouts.idle, stream.readable());
    let has_come = tokio::select! {
        has_come = first_byte => matches!(has_come, Ok(Ok(()))),
        () = stage.reached(Stage::Draining) => false,
    };
    if has_come {
        Box::pin(speak_http(stream, arrival, handler, limits, stage)).await;
    }
    drop(permit);
}

async fn speak_http<H: Handler>(
    stream: TcpStream,
    arrival: Arrival,
    handler: Rc<H>,
    limits: Limits,
    mut stage: Follower,
) {
    let pulse = Pulse::new();
    let version = Rc::new(Cell::new(Version::HTTP_11));
    let service = service_fn({
        let (pulse, version) = (Rc::clone(&pulse), Rc::clone(&version));
        move |request: Request<_>| {
            pulse.busy();
            version.set(request.version());
            let (handler, pulse) = (Rc::clone(&handler), Rc::clone(&pulse));
            async move {
                let answer = handler.handle(request, &arrival).await;
                Ok::<_, Infallible>(answer.map(|body| Tracked::new(body, pulse)))
            }
        }
    });
    let io = TokioIo::new(CallerIo::new(stream, Rc::clone(&pulse)));
    let mut connection = builder(&limits).serve_connection(io, service);

    let mut draining = pin!(stage.reached(Stage::Draining));
    let mut drained = false;
    let mut deadline = pin!(sleep_until(Instant::now() + limits.timeouts.idle));
    let outcome = poll_fn(|cx| {
        loop {
            if let Poll::Ready(outcome) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            if !drained && draining.as_mut().poll(cx).is_ready() {
                drained = true;
                Pin::new(&mut connection).graceful_shutdown();
                continue;
            }
            // Set anew only when a deadline comes nearer: most requests leave the timer alone.
            let due = pulse.due(&limits.timeouts);
            if let Some((due, _)) = due.filter(|(due, _)| *due < deadline.deadline()) {
                deadline.as_mut().reset(due);
            }
            if deadline.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match due {
                Some((due, overdue)) if due <= Instant::now() => match overdue {
                    Overdue::Stuck => return Poll::Ready(None),
                    Overdue::Idle if drained => return Poll::Ready(None),
                    Overdue::Idle => {
                        drained = true;
                        Pin::new(&mut connection).graceful_shutdown();
                    }
                },
                Some((due, _)) => deadline.as_mut().reset(due),
                None => deadline.as_mut().reset(Instant::now() + limits.timeouts.idle),
            }
        }
    })
    .await;
    end(connection.into_parts().io.into_inner(), outcome, version.get());
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .auto_date_header(false) // WeChat's answer has its own, and ours must not be taken for it
        .header_read_timeout(None)
        .max_header_size(limits.head_size)
        .max_buf_size(BUFFER.max(limits.head_size));
    builder
}

/// Sees to it that nobody takes a broken answer for a whole one: in HTTP/1.0 an answer without a length ends with its
/// connection (RFC 9112 §6.3), and only a reset tells the difference.
fn end(io: CallerIo, outcome: Option<hyper::Result<()>>, version: Version) {
    match outcome {
        Some(Ok(())) => {}
        Some(Err(error)) if error.is_user() && version < Version::HTTP_11 => io.reset(),
        Some(Err(error)) => tracing::trace!(%error, "a caller's connection ended"),
        None => tracing::debug!("a caller's connection was given up: it did not move on within its deadline"),
    }
}

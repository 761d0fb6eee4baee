//! HTTP/1.1 and HTTP/2 as callers may speak them.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::rt::{Executor, Read, Write};
use hyper::server::conn;
use hyper::service::HttpService;

use super::Limits;
use super::stream;

/// hyper's buffer for one connection, at most: enough for any head within its limit, and for bodies in large pieces.
const BUFFER: usize = 128 * 1024;
/// Requests at once on one HTTP/2 connection; RFC 9113 §6.5.2 advises no less than 100.
const STREAMS: u32 = 250;

pub(super) fn http1(limits: &Limits) -> conn::http1::Builder {
    let mut builder = conn::http1::Builder::new();
    builder
        .auto_date_header(false) // WeChat's answer has its own, and ours must not be taken for it
        .header_read_timeout(None)
        .max_header_size(limits.head_size)
        .max_buf_size(BUFFER.max(limits.head_size));
    builder
}

pub(super) fn http2(limits: &Limits) -> conn::http2::Builder<OnThisWorker> {
    let mut builder = conn::http2::Builder::new(OnThisWorker { patience: limits.timeouts.send });
    builder
        .auto_date_header(false)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.head_size).unwrap_or(u32::MAX));
    builder
}

/// Runs an HTTP/2 connection's streams on the worker that has the connection.
#[derive(Clone, Copy)]
pub(super) struct OnThisWorker {
    /// How long a caller may leave a stream's answer.
    patience: Duration,
}

impl<F: Future + 'static> Executor<F> for OnThisWorker {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(stream::run(stream, self.patience));
    }
}

/// A connection that can be asked to end after what it is doing.
pub(super) trait Graceful: Future<Output = hyper::Result<()>> {
    /// No further requests.
    fn graceful_shutdown(self: Pin<&mut Self>);

    /// Lets go of a socket on which nothing is under way, open as it is. Pending: something is, and the connection ends
    /// with it.
    fn poll_rest(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>>;
}

impl<I, B, S> Graceful for conn::http1::Connection<I, S>
where
    S: HttpService<Incoming, ResBody = B, Future: Unpin> + Unpin,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    I: Read + Write + Unpin + 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }

    /// hyper says for itself whether it is between two requests: only then does a graceful end come at once.
    fn poll_rest(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Self::graceful_shutdown(self.as_mut());
        self.poll_without_shutdown(cx)
    }
}

impl<I, B, S, E> Graceful for conn::http2::Connection<I, S, E>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    I: Read + Write + Unpin + 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Http2ServerConnExec<S::Future, B>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }

    /// Its streams and its header tables belong to the connection.
    fn poll_rest(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Poll::Pending
    }
}

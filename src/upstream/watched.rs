//! Whether anything was written to or read from a connection since the last request began, and when.
//!
//! hyper does not tell a connection that died in silence from one that died in the middle of a head, but whether a
//! request may be repeated depends on it (RFC 9110 §9.2.2).

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What happened on a connection since [`Activity::start`].
#[derive(Debug)]
pub(super) struct Activity {
    read: Cell<bool>,
    written: Cell<bool>,
    last_write: Cell<Instant>,
}

impl Activity {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self { read: Cell::new(false), written: Cell::new(false), last_write: Cell::new(Instant::now()) })
    }

    /// A new request begins.
    pub(super) fn start(&self) {
        self.read.set(false);
        self.written.set(false);
        self.last_write.set(Instant::now());
    }

    pub(super) fn has_read(&self) -> bool {
        self.read.get()
    }

    pub(super) fn has_written(&self) -> bool {
        self.written.get()
    }

    /// When bytes were last written; when the request began, if none were.
    pub(super) fn last_write(&self) -> Instant {
        self.last_write.get()
    }

    fn wrote(&self, bytes: usize) {
        if bytes > 0 {
            self.written.set(true);
            self.last_write.set(Instant::now());
        }
    }
}

/// A connection that notes its [`Activity`].
pub(super) struct Watched<T> {
    inner: T,
    activity: Rc<Activity>,
}

impl<T> Watched<T> {
    pub(super) fn new(inner: T, activity: Rc<Activity>) -> Self {
        Self { inner, activity }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.read.set(true);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.activity.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, buffers))?;
        self.activity.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

//! A socket to the upstream, with TLS or without.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncBufRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::read_ahead::ReadAhead;

/// Read at a time without TLS: enough for the answers that most calls get.
const READ: usize = 8 * 1024;
/// The same behind a read that filled its buffer: more is coming.
const LARGE_READ: usize = 64 * 1024;

/// An open connection below HTTP.
pub(super) enum Stream {
    /// In the clear, and how much the next read asks for.
    Plain(TcpStream, usize),
    /// Boxed, since rustls' state is large and connections are moved about.
    Tls(Box<TlsStream<ReadAhead>>),
}

impl Stream {
    pub(super) fn plain(socket: TcpStream) -> Self {
        Self::Plain(socket, READ)
    }

    /// Adds what has come to `received`; 0 at the end of the connection.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, received: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket, size) => {
                received.reserve(*size);
                let length = ready!(pin!(socket.read_buf(received)).poll(cx))?;
                *size = if length < *size { READ } else { LARGE_READ };
                Poll::Ready(Ok(length))
            }
            // One record at a time: tokio-rustls' own `poll_read` would look for a second one, which is rarely there.
            Self::Tls(stream) => {
                let data = ready!(Pin::new(&mut **stream).poll_fill_buf(cx))?;
                let length = data.len();
                received.extend_from_slice(data);
                Pin::new(&mut **stream).consume(length);
                Poll::Ready(Ok(length))
            }
        }
    }

    /// Writes of `head` and then of `body`, in one go.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, head: &[u8], body: &[u8]) -> Poll<io::Result<usize>> {
        let parts = [IoSlice::new(head), IoSlice::new(body)];
        match self {
            Self::Plain(socket, _) => Pin::new(socket).poll_write_vectored(cx, &parts),
            // rustls gathers several parts in a list of its own.
            Self::Tls(stream) if body.is_empty() => Pin::new(&mut **stream).poll_write(cx, head),
            Self::Tls(stream) if head.is_empty() => Pin::new(&mut **stream).poll_write(cx, body),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, &parts),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(..) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    /// Gives back what only a long answer needs. For a connection that goes to rest.
    pub(super) fn shrink(&mut self) {
        match self {
            Self::Plain(_, size) => *size = READ,
            Self::Tls(stream) => stream.get_mut().0.shrink(),
        }
    }

    /// Whether the other side has said nothing that nobody asked for, not even that it closes; by what the reactor knows,
    /// which costs no system call.
    pub(super) fn seems_quiet(&self) -> bool {
        // Of no interest to anybody: whoever uses the connection next leaves a waker of its own.
        let mut cx = Context::from_waker(Waker::noop());
        match self.socket().poll_read_ready(&mut cx) {
            Poll::Pending => self.holds_nothing(),
            // Also after a read that took exactly what there was.
            Poll::Ready(_) => self.is_quiet(),
        }
    }

    /// The same by what the kernel knows, for one system call.
    pub(super) fn is_quiet(&self) -> bool {
        let peeked = SockRef::from(self.socket()).peek(&mut [MaybeUninit::uninit()]);
        self.holds_nothing() && peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// No byte has been read that was not passed on, and no farewell of TLS.
    fn holds_nothing(&self) -> bool {
        match self {
            Self::Plain(..) => true,
            Self::Tls(stream) => {
                let (below, session) = stream.get_ref();
                below.is_empty() && session.wants_read()
            }
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket, _) => socket,
            Self::Tls(stream) => stream.get_ref().0.socket(),
        }
    }
}

/// TLS says farewell (RFC 8446 §6.1), if that can be done without waiting.
impl Drop for Stream {
    fn drop(&mut self) {
        if let Self::Tls(stream) = self {
            let _ = Pin::new(&mut **stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
}

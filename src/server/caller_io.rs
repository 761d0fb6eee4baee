//! A caller's socket under hyper.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pulse::Pulse;
use super::socket::Socket;

/// The caller's socket, which keeps the [`Pulse`].
pub(super) struct CallerIo {
    socket: Socket,
    pulse: Rc<Pulse>,
    /// Comes before all that is yet to be read.
    read: Bytes,
}

impl CallerIo {
    /// `read` has come already.
    pub(super) fn new(socket: Socket, read: Bytes, pulse: Rc<Pulse>) -> Self {
        Self { socket, read, pulse }
    }

    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    /// What has come, together with what comes next: hyper makes its buffer larger for a second reading.
    fn read_on(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let length = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read.split_to(length));
        self.pulse.received();
        match Pin::new(&mut self.socket).poll_read(cx, buffer) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for CallerIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.read.is_empty() {
            return Poll::Ready(self.read_on(cx, buffer));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pulse.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CallerIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.pulse.sent(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(cx, buffers);
        self.pulse.sent(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// TLS takes bytes that it cannot send yet.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_flush(cx);
        self.pulse.sent(&outcome);
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::super::pulse::Protocol;
    use super::*;

    #[tokio::test]
    async fn what_came_before_is_read_together_with_what_comes_next() {
        let (mut caller, socket) = UnixStream::pair().unwrap();
        let mut io = CallerIo::new(Socket::Unix(socket), Bytes::from_static(b"G"), Pulse::new(Protocol::Http1));
        caller.write_all(b"ET / ").await.unwrap();
        io.socket.readable().await.unwrap();
        let mut buffer = [0; 16];
        let length = io.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"GET / ");
        io.read = Bytes::from_static(b"alone");
        let length = io.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"alone", "nothing needs to follow");
    }
}

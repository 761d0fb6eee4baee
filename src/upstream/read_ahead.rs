//! Fewer reads under rustls, which asks its socket for 4 KiB at a time: 69 reads a MiB, 10 with a buffer of 32 KiB.
//!
//! Most answers are smaller than that and need no buffer, so there is one only from the first read on that was filled to
//! the brim until the connection goes to rest. (tokio's `BufReader` would keep 32 KiB for every idle connection.)

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const SIZE: usize = 32 * 1024;

/// A socket that reads ahead while much comes in.
pub(super) struct ReadAhead {
    socket: TcpStream,
    /// Of [`SIZE`], or empty where there is none.
    buffer: Vec<u8>,
    /// What was read and not yet passed on.
    unread: std::ops::Range<usize>,
}

impl ReadAhead {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, buffer: Vec::new(), unread: 0..0 }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether everything that was read has been passed on.
    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    /// Gives the buffer back, if nothing is in it.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() {
            self.buffer = Vec::new();
        }
    }

    /// Reads past the buffer; from now on through it, if that was not enough.
    fn poll_read_directly(&mut self, cx: &mut Context<'_>, wanted: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_read(cx, wanted))?;
        if wanted.remaining() == 0 {
            self.buffer = vec![0; SIZE];
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ReadAhead {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, wanted: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.buffer.is_empty() {
            return this.poll_read_directly(cx, wanted);
        }
        if this.unread.is_empty() {
            let mut space = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.socket).poll_read(cx, &mut space))?;
            this.unread = 0..space.filled().len();
        }
        let length = this.unread.len().min(wanted.remaining());
        wanted.put_slice(&this.buffer[this.unread.start..][..length]);
        this.unread.start += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ReadAhead {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

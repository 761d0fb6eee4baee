//! A socket under hyper on which an answer can be cut off or replaced.
//!
//! hyper writes well-formed answers only. The malformed ones are made here, between hyper and the
//! socket, where nothing is parsed but the end of the head.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What happens to the bytes that hyper writes; set by the request's service, obeyed by the [`Wire`].
#[derive(Debug, Clone, Default)]
pub(super) struct Orders(Arc<Mutex<Order>>);

#[derive(Debug, Default)]
enum Order {
    #[default]
    Pass,
    /// These go out in place of whatever hyper writes; then the connection breaks.
    Replace(Bytes),
    /// The connection breaks where the cut is.
    Cut(Cut),
    Broken,
}

/// So many more bytes may pass, counted from the first or from the end of the head.
#[derive(Debug, Clone, Copy)]
struct Cut {
    left: usize,
    in_head: bool,
    tail: [u8; 4],
}

impl Orders {
    pub(super) fn replace_answer(&self, bytes: Bytes) {
        *self.lock() = Order::Replace(bytes);
    }

    pub(super) fn cut_head_after(&self, bytes: usize) {
        *self.lock() = Order::Cut(Cut { left: bytes, in_head: false, tail: [0; 4] });
    }

    pub(super) fn cut_body_after(&self, bytes: usize) {
        *self.lock() = Order::Cut(Cut { left: bytes, in_head: true, tail: [0; 4] });
    }

    fn lock(&self) -> MutexGuard<'_, Order> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cut {
    /// Whether this byte may pass; the cut moves on if it may.
    fn pass(&mut self, byte: u8) -> bool {
        if self.in_head {
            self.tail.rotate_left(1);
            self.tail[3] = byte;
            self.in_head = self.tail != *b"\r\n\r\n";
            return true;
        }
        let passes = self.left > 0;
        self.left -= usize::from(passes);
        passes
    }
}

/// A socket that obeys [`Orders`].
#[derive(Debug)]
pub(super) struct Wire<S> {
    socket: S,
    orders: Orders,
}

impl<S> Wire<S> {
    pub(super) fn new(socket: S, orders: Orders) -> Self {
        Self { socket, orders }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { socket, orders } = self.get_mut();
        let mut socket = Pin::new(socket);
        let order = &mut *orders.lock();
        match order {
            Order::Pass => return socket.poll_write(cx, buf),
            Order::Replace(bytes) => {
                while bytes.has_remaining() {
                    let written = ready!(socket.as_mut().poll_write(cx, bytes))?;
                    bytes.advance(written);
                }
            }
            Order::Cut(cut) => {
                let mut trial = *cut;
                let allowed = buf.iter().take_while(|byte| trial.pass(**byte)).count();
                if allowed > 0 {
                    let written = ready!(socket.poll_write(cx, &buf[..allowed]))?;
                    buf[..written].iter().for_each(|byte| _ = cut.pass(*byte));
                    return Poll::Ready(Ok(written));
                }
            }
            Order::Broken => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
        ready!(socket.poll_flush(cx))?;
        *order = Order::Broken;
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";

    /// What reaches the other end of `ANSWER`, written in pieces, and whether writing failed.
    async fn arrives(orders: Orders, piece: usize) -> (Vec<u8>, bool) {
        let (near, mut far) = duplex(1024);
        let mut wire = Wire::new(near, orders);
        let mut broken = false;
        for part in ANSWER.chunks(piece) {
            broken |= wire.write_all(part).await.is_err();
        }
        drop(wire);
        let mut arrived = Vec::new();
        far.read_to_end(&mut arrived).await.unwrap();
        (arrived, broken)
    }

    #[tokio::test]
    async fn without_orders_everything_passes() {
        assert_eq!(arrives(Orders::default(), 7).await, (ANSWER.to_vec(), false));
    }

    #[tokio::test]
    async fn a_cut_falls_on_the_byte_however_the_answer_is_written() {
        for piece in [1, 3, ANSWER.len()] {
            let orders = Orders::default();
            orders.cut_body_after(4);
            assert_eq!(arrives(orders, piece).await, (ANSWER[..ANSWER.len() - 6].to_vec(), true));
            let orders = Orders::default();
            orders.cut_head_after(20);
            assert_eq!(arrives(orders, piece).await, (ANSWER[..20].to_vec(), true));
        }
    }

    #[tokio::test]
    async fn a_replaced_answer_leaves_nothing_of_the_first() {
        let orders = Orders::default();
        orders.replace_answer(Bytes::from_static(b"SSH-2.0-oops\r\n"));
        assert_eq!(arrives(orders, 5).await, (b"SSH-2.0-oops\r\n".to_vec(), true));
    }
}

//! A collected body on its way upstream; its length is known, so it goes with Content-Length.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::spool::Spool;

/// How much of a spooled body is in memory at a time.
const READ_SIZE: u64 = 256 * 1024;

/// One sending of a request body.
pub struct Outgoing(Source);

enum Source {
    Memory(Bytes),
    Spooled { spool: Spool, offset: u64, reading: Option<Reading> },
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>>>>;

impl Outgoing {
    pub(super) fn empty() -> Self {
        Self::memory(Bytes::new())
    }

    pub(super) fn memory(bytes: Bytes) -> Self {
        Self(Source::Memory(bytes))
    }

    pub(super) fn spooled(spool: Spool) -> Self {
        Self(Source::Spooled { spool, offset: 0, reading: None })
    }

    fn left(&self) -> u64 {
        match &self.0 {
            Source::Memory(bytes) => bytes.len() as u64,
            Source::Spooled { spool, offset, .. } => spool.length() - offset,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let left = self.left();
        if left == 0 {
            return Poll::Ready(None);
        }
        match &mut self.0 {
            Source::Memory(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Spooled { spool, offset, reading } => {
                let length = usize::try_from(left.min(READ_SIZE)).unwrap_or(usize::MAX);
                let future = reading.get_or_insert_with(|| Box::pin(spool.clone().read(*offset, length)));
                let outcome = ready!(future.as_mut().poll(cx));
                *reading = None;
                *offset += length as u64;
                Poll::Ready(Some(outcome.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_spooled_body_can_be_sent_twice_at_once() {
        let mut spool = Spool::create(std::env::temp_dir()).await.unwrap();
        let bytes: Bytes = (0..READ_SIZE * 2 + 77).map(|n| (n % 251) as u8).collect();
        spool.append(bytes.slice(..100)).await.unwrap();
        spool.append(bytes.slice(100..)).await.unwrap();
        let (mut first, second) = (Outgoing::spooled(spool.clone()), Outgoing::spooled(spool));
        assert_eq!(first.size_hint().exact(), Some(bytes.len() as u64));
        let start = first.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(second.collect().await.unwrap().to_bytes(), bytes);
        let rest = first.collect().await.unwrap().to_bytes();
        assert_eq!([start, rest].concat(), bytes);
    }
}

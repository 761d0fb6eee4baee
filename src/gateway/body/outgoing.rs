//! A collected body on its way upstream; its length is known, so it goes with Content-Length.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::spool::Spool;
use super::{MemoryBudget, Reservation};

/// How much of a spooled body is in memory at a time, while the budget has room for it.
const READ_SIZE: u64 = 256 * 1024;
/// How much when it has none: a body that has been taken in must go on.
const READ_AT_LEAST: u64 = 16 * 1024;

/// One sending of a request body.
pub struct Outgoing(Source);

enum Source {
    Memory(Bytes),
    /// Reserved is what the last piece takes, until the next one is asked for.
    Spooled {
        spool: Spool,
        offset: u64,
        reading: Option<Reading>,
        reserved: Reservation,
    },
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>>>>;

impl Outgoing {
    pub(super) fn empty() -> Self {
        Self::memory(Bytes::new())
    }

    pub(super) fn memory(bytes: Bytes) -> Self {
        Self(Source::Memory(bytes))
    }

    pub(super) fn spooled(spool: Spool, budget: &MemoryBudget) -> Self {
        Self(Source::Spooled { spool, offset: 0, reading: None, reserved: budget.empty_reservation() })
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
            Source::Spooled { spool, offset, reading, reserved } => {
                let future = reading.get_or_insert_with(|| {
                    reserved.give_back();
                    let most = left.min(READ_SIZE) as usize;
                    let length = if reserved.grow(most) { most } else { left.min(READ_AT_LEAST) as usize };
                    Box::pin(spool.clone().read(*offset, length))
                });
                let outcome = ready!(future.as_mut().poll(cx));
                *reading = None;
                Poll::Ready(Some(outcome.map(|piece| {
                    *offset += piece.len() as u64;
                    Frame::data(piece)
                })))
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

    fn bytes(length: u64) -> Bytes {
        (0..length).map(|n| (n % 251) as u8).collect()
    }

    #[tokio::test]
    async fn a_spooled_body_can_be_sent_twice_at_once() {
        let mut spool = Spool::create(std::env::temp_dir()).await.unwrap();
        let bytes = bytes(READ_SIZE * 2 + 77);
        spool.append([bytes.slice(..100)]).await.unwrap();
        spool.append([bytes.slice(100..200), bytes.slice(200..)]).await.unwrap();
        let budget = MemoryBudget::new(usize::MAX);
        let (mut first, second) = (Outgoing::spooled(spool.clone(), &budget), Outgoing::spooled(spool, &budget));
        assert_eq!(first.size_hint().exact(), Some(bytes.len() as u64));
        let start = first.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(second.collect().await.unwrap().to_bytes(), bytes);
        let rest = first.collect().await.unwrap().to_bytes();
        assert_eq!([start, rest].concat(), bytes);
    }

    #[tokio::test]
    async fn what_is_read_of_a_file_is_within_the_budget_or_little() {
        let mut spool = Spool::create(std::env::temp_dir()).await.unwrap();
        let bytes = bytes(READ_SIZE * 2);
        spool.append([bytes.clone()]).await.unwrap();
        let budget = MemoryBudget::new(READ_SIZE as usize);
        let (mut first, mut second) = (Outgoing::spooled(spool.clone(), &budget), Outgoing::spooled(spool, &budget));
        let piece = first.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((piece.len() as u64, budget.level().0), (READ_SIZE, READ_SIZE));
        let piece = second.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((piece.len() as u64, budget.level().0), (READ_AT_LEAST, READ_SIZE));
        drop(first);
        let rest = second.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((rest.len() as u64, budget.level().0), (READ_SIZE, READ_SIZE), "there is room again");
        let end = second.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(end.len() as u64, READ_SIZE - READ_AT_LEAST, "the room of one piece is the next one's");
        assert_eq!([piece, rest, end].concat(), bytes);
        drop(second);
        assert_eq!(budget.level().0, 0);
    }
}

//! Takes a caller's body in: in memory while it is small, in a file beyond that.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::spool::Spool;
use super::{Collected, Limits, Reservation};
use crate::gateway::error::Error;

/// How much is gathered before it is written to the file: each write is a trip to another thread.
const WRITE_SIZE: usize = 256 * 1024;

/// The whole body of a request, at most `longest` bytes.
///
/// # Errors
/// Too large (told by Content-Length before a byte is read, so that `Expect: 100-continue` gets its 413 at once), silent
/// for too long, broken off, or not to be kept.
pub(in crate::gateway) async fn collect(
    mut incoming: Incoming,
    limits: &Limits,
    longest: u64,
) -> Result<Collected, Error> {
    if incoming.is_end_stream() {
        return Ok(Collected::Empty);
    }
    if incoming.size_hint().lower() > longest {
        return Err(Error::BodyTooLarge);
    }
    let stated = incoming.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let mut body = Growing { reservation: limits.budget.empty_reservation(), length: 0, stated, kept: Kept::Nothing };
    while let Some(data) = next(&mut incoming, limits).await? {
        body.length += data.len() as u64;
        if body.length > longest {
            return Err(Error::BodyTooLarge);
        }
        body.add(data, limits).await.map_err(Error::Spool)?;
    }
    body.finish().await.map_err(Error::Spool)
}

/// The next piece of data; trailers are dropped (a request with Content-Length has none).
async fn next(incoming: &mut Incoming, limits: &Limits) -> Result<Option<Bytes>, Error> {
    loop {
        let frame = timeout(limits.idle, incoming.frame()).await.map_err(|_| Error::BodyTimeout)?;
        match frame.transpose().map_err(Error::BodyBroken)?.map(|frame| frame.into_data()) {
            Some(Ok(data)) => return Ok(Some(data)),
            Some(Err(_trailers)) => {}
            None => return Ok(None),
        }
    }
}

/// A body that is still coming in.
struct Growing {
    reservation: Reservation,
    length: u64,
    /// What it will come to, where its head says so.
    stated: Option<usize>,
    kept: Kept,
}

enum Kept {
    Nothing,
    /// The one piece so far, as it came: most bodies are no more than that, and are not copied.
    Piece(Bytes),
    Memory(BytesMut),
    /// In the file, but for what is gathered for the next write.
    File(Spool, BytesMut),
}

impl Growing {
    async fn add(&mut self, data: Bytes, limits: &Limits) -> std::io::Result<()> {
        let fits = self.length <= limits.memory as u64;
        self.kept = match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::File(spool, gathered) => write(spool, gathered, &data).await?,
            kept if fits && self.reservation.grow(data.len()) => match kept {
                Kept::Nothing => Kept::Piece(data),
                Kept::Piece(first) => Kept::Memory(self.joined(&first, &data, limits.memory)),
                Kept::Memory(mut bytes) => {
                    bytes.extend_from_slice(&data);
                    Kept::Memory(bytes)
                }
                kept @ Kept::File(..) => kept,
            },
            kept => {
                let spool = Spool::create(limits.directory.clone()).await?;
                let before = match kept {
                    Kept::Piece(first) => BytesMut::from(&first[..]),
                    Kept::Memory(bytes) => bytes,
                    Kept::Nothing | Kept::File(..) => BytesMut::new(),
                };
                write(spool, before, &data).await?
            }
        };
        Ok(())
    }

    /// The first two pieces, with room for all of it where its length is known: growing step by step copies it again and
    /// again, and touches as much fresh memory once more.
    fn joined(&self, first: &[u8], second: &[u8], most: usize) -> BytesMut {
        let so_far = first.len() + second.len();
        let mut bytes = BytesMut::with_capacity(self.stated.map_or(2 * so_far, |stated| stated.min(most).max(so_far)));
        bytes.extend_from_slice(first);
        bytes.extend_from_slice(second);
        bytes
    }

    async fn finish(self) -> std::io::Result<Collected> {
        Ok(match self.kept {
            Kept::Nothing => Collected::Empty,
            Kept::Piece(bytes) => Collected::Memory(bytes, self.reservation),
            Kept::Memory(bytes) => Collected::Memory(bytes.freeze(), self.reservation),
            Kept::File(mut spool, gathered) => {
                spool.append(gathered.freeze()).await?;
                Collected::Spooled(spool)
            }
        })
    }
}

async fn write(mut spool: Spool, mut gathered: BytesMut, data: &[u8]) -> std::io::Result<Kept> {
    gathered.extend_from_slice(data);
    if gathered.len() < WRITE_SIZE {
        return Ok(Kept::File(spool, gathered));
    }
    spool.append(gathered.freeze()).await?;
    Ok(Kept::File(spool, BytesMut::with_capacity(WRITE_SIZE)))
}

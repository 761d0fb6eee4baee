//! Takes a caller's body in: in memory while it is small, in a file beyond that.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::spool::Spool;
use super::{Collected, Limits, Reservation};
use crate::gateway::error::Error;

/// How much is gathered before it is written to the file, while the budget has room: each write is a trip to another
/// thread.
const WRITE_SIZE: usize = 256 * 1024;

/// The whole body of a request, at most `longest` bytes.
///
/// # Errors
/// Too large (told by Content-Length before a byte is read, so that `Expect: 100-continue` gets its 413 at once), silent
/// for too long, broken off, or not to be kept.
pub(in crate::gateway) async fn collect(
    incoming: &mut Incoming,
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
    while let Some(data) = next(incoming, limits).await? {
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
    /// For what is allocated, which may be more than what has come.
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
    /// In the file, but for what is gathered for the next write, within the reservation.
    File(Spool, BytesMut),
}

impl Kept {
    /// The memory that it takes with so much more in it.
    fn size_with(&self, more: usize) -> usize {
        match self {
            Self::Nothing => more,
            Self::Piece(first) => first.len() + more,
            // It doubles when it grows.
            Self::Memory(bytes) | Self::File(_, bytes) if bytes.len() + more > bytes.capacity() => {
                2 * bytes.capacity() + more
            }
            Self::Memory(bytes) | Self::File(_, bytes) => bytes.capacity(),
        }
    }

    /// What of it is in memory.
    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::Piece(first) => first,
            Self::Memory(bytes) | Self::File(_, bytes) => bytes.freeze(),
        }
    }
}

impl Growing {
    async fn add(&mut self, data: Bytes, limits: &Limits) -> std::io::Result<()> {
        match self.keep(data, limits) {
            Ok(()) => Ok(()),
            // Boxed, since few bodies need it and its state would make every request's larger.
            Err(data) => Box::pin(self.spool(data, limits)).await,
        }
    }

    /// Keeps it in memory; gives it back where it belongs in the file.
    fn keep(&mut self, data: Bytes, limits: &Limits) -> Result<(), Bytes> {
        let fits = self.length <= limits.memory as u64 && !matches!(self.kept, Kept::File(..));
        if !fits || !self.reservation.cover(self.kept.size_with(data.len())) {
            return Err(data);
        }
        self.kept = match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::Nothing => Kept::Piece(data),
            Kept::Piece(first) => Kept::Memory(self.joined(&first, &data, limits.memory)),
            Kept::Memory(mut bytes) => {
                bytes.extend_from_slice(&data);
                Kept::Memory(bytes)
            }
            kept @ Kept::File(..) => kept,
        };
        Ok(())
    }

    /// Takes it to the file, behind all that came before.
    async fn spool(&mut self, data: Bytes, limits: &Limits) -> std::io::Result<()> {
        self.kept = match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::File(spool, gathered) => self.gather(spool, gathered, data).await?,
            kept => {
                let spool = Spool::create(limits.directory.clone()).await?;
                self.write(spool, [kept.into_bytes(), data]).await?
            }
        };
        Ok(())
    }

    /// Keeps `data` for the next write, where the budget has room for it.
    async fn gather(&mut self, spool: Spool, mut gathered: BytesMut, data: Bytes) -> std::io::Result<Kept> {
        if gathered.len() + data.len() >= WRITE_SIZE || !self.reservation.cover(WRITE_SIZE) {
            return self.write(spool, [gathered.freeze(), data]).await;
        }
        if gathered.is_empty() {
            gathered.reserve(WRITE_SIZE);
        }
        gathered.extend_from_slice(&data);
        Ok(Kept::File(spool, gathered))
    }

    /// Writes all that there is, and takes nothing of the budget any more.
    async fn write(&mut self, mut spool: Spool, pieces: [Bytes; 2]) -> std::io::Result<Kept> {
        spool.append(pieces).await?;
        self.reservation.give_back();
        Ok(Kept::File(spool, BytesMut::new()))
    }

    /// The first two pieces, with room for all of it where its length is known: growing step by step copies it again and
    /// again, and touches as much fresh memory once more.
    fn joined(&mut self, first: &[u8], second: &[u8], most: usize) -> BytesMut {
        let so_far = first.len() + second.len();
        let all = self.stated.map_or(2 * so_far, |stated| stated.min(most).max(so_far));
        let mut bytes = BytesMut::with_capacity(if self.reservation.cover(all) { all } else { so_far });
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
                spool.append([gathered.freeze()]).await?;
                Collected::Spooled(spool, self.reservation.budget.clone())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::MemoryBudget;
    use super::*;

    const PIECE: usize = 8 * 1024;

    impl Growing {
        fn new(limits: &Limits) -> Self {
            let reservation = limits.budget.empty_reservation();
            Self { reservation, length: 0, stated: None, kept: Kept::Nothing }
        }

        fn in_memory(&self) -> u64 {
            match &self.kept {
                Kept::Nothing => 0,
                Kept::Piece(bytes) => bytes.len() as u64,
                Kept::Memory(bytes) | Kept::File(_, bytes) => bytes.capacity() as u64,
            }
        }
    }

    fn limits(memory: usize, memory_total: usize) -> Limits {
        Limits {
            memory,
            limit: u64::MAX,
            directory: std::env::temp_dir(),
            idle: Duration::from_secs(30),
            budget: MemoryBudget::new(memory_total),
        }
    }

    #[tokio::test]
    async fn bodies_on_their_way_to_files_are_within_the_budget_of_all() {
        for (memory, memory_total) in [(10_000, 0), (10_000, 3 * PIECE), (10_000, 500_000), (100_000, 500_000)] {
            let limits = limits(memory, memory_total);
            let mut bodies: Vec<_> = (0..8).map(|_| Growing::new(&limits)).collect();
            for number in 0..50 {
                for body in &mut bodies {
                    body.length += PIECE as u64;
                    body.add(Bytes::from(vec![number; PIECE]), &limits).await.unwrap();
                }
                let in_memory: u64 = bodies.iter().map(Growing::in_memory).sum();
                let counted = limits.budget.level().0;
                assert!(in_memory <= counted && counted <= memory_total as u64, "{in_memory} {counted}");
            }
            let mut collected = Vec::new();
            for body in bodies {
                collected.push(body.finish().await.unwrap());
            }
            assert_eq!(limits.budget.level().0, 0, "a file takes nothing of it");
            for collected in collected {
                let whole = collected.outgoing().collect().await.unwrap().to_bytes();
                assert!(whole.chunks(PIECE).enumerate().all(|(number, piece)| piece == [number as u8; PIECE]));
                assert_eq!(whole.len(), 50 * PIECE);
            }
        }
    }
}

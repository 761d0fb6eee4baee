//! A body in an unlinked temporary file: gone with the last copy of it, and with the process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::spawn_blocking;

/// The file and how much of it is written. File work runs where it may block, never on the worker.
#[derive(Debug, Clone)]
pub(in crate::gateway) struct Spool {
    file: Arc<File>,
    length: u64,
}

impl Spool {
    pub(super) async fn create(directory: PathBuf) -> io::Result<Self> {
        let file = spawn_blocking(move || tempfile::tempfile_in(directory)).await??;
        Ok(Self { file: Arc::new(file), length: 0 })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Writes `pieces`, one behind the other, in one trip.
    pub(super) async fn append<const N: usize>(&mut self, pieces: [Bytes; N]) -> io::Result<()> {
        let (file, mut offset) = (Arc::clone(&self.file), self.length);
        self.length += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let write = move || {
            for piece in pieces {
                file.write_all_at(&piece, offset)?;
                offset += piece.len() as u64;
            }
            Ok(())
        };
        spawn_blocking(write).await?
    }

    /// `length` bytes from `offset` on; it holds that many. Several readers do not disturb each other.
    pub(super) async fn read(self, offset: u64, length: usize) -> io::Result<Bytes> {
        let read = move || {
            let mut bytes = vec![0; length];
            self.file.read_exact_at(&mut bytes, offset)?;
            Ok(Bytes::from(bytes))
        };
        spawn_blocking(read).await?
    }
}

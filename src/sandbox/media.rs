//! Uploaded media, remembered within a bound.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::header::HeaderValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The path whose bodies are kept whole.
pub(super) const UPLOAD: &str = "/cgi-bin/media/upload";
/// The unit of the bound, in bytes: a semaphore counts in 32 bits.
const UNIT: u64 = 1024;

/// A file as it was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content_type: HeaderValue,
    pub(super) bytes: Bytes,
}

/// Room for the body of one upload, held while it arrives and while its file is remembered.
#[derive(Debug)]
pub(super) struct Room {
    bytes: usize,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The files by their media_id, oldest first. Bodies that still arrive count too, so fifty large
/// uploads at once stay within the bound; what finds no room is answered but forgotten.
#[derive(Debug)]
pub(super) struct MediaStore {
    free: Arc<Semaphore>,
    files: Mutex<VecDeque<(String, File, Room)>>,
}

impl MediaStore {
    pub(super) fn new(bytes: usize) -> Self {
        let units = (bytes as u64 / UNIT).min(u64::from(u32::MAX)).min(Semaphore::MAX_PERMITS as u64);
        Self { free: Arc::new(Semaphore::new(units as usize)), files: Mutex::default() }
    }

    /// Makes room for so many bytes, at the cost of the oldest files; `None` when that is not enough.
    pub(super) fn reserve(&self, bytes: u64) -> Option<Room> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        let bytes = usize::try_from(bytes).ok()?;
        loop {
            if let Ok(permit) = self.free.clone().try_acquire_many_owned(units) {
                return Some(Room { bytes, _permit: permit });
            }
            self.lock().pop_front()?;
        }
    }

    pub(super) fn keep(&self, media_id: String, file: File, room: Room) {
        self.lock().push_back((media_id, file, room));
    }

    pub(super) fn find(&self, media_id: &str) -> Option<File> {
        self.lock().iter().find(|(id, ..)| id == media_id).map(|(_, file, _)| file.clone())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, File, Room)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        let content_type = HeaderValue::from_static("image/png");
        File { name: "a.png".to_owned(), content_type, bytes: Bytes::from_static(b"png") }
    }

    #[test]
    fn the_oldest_file_makes_room() {
        let store = MediaStore::new(10 * 1024);
        for id in ["first", "second"] {
            store.keep(id.to_owned(), file(), store.reserve(4000).unwrap());
        }
        assert_eq!(store.find("first"), Some(file()));
        let _arriving = store.reserve(4000).unwrap();
        assert_eq!((store.find("first"), store.find("second")), (None, Some(file())));
    }

    #[test]
    fn uploads_under_way_are_never_pushed_out() {
        let store = MediaStore::new(10 * 1024);
        let arriving = store.reserve(8000).unwrap();
        assert!(store.reserve(8000).is_none());
        drop(arriving);
        assert!(store.reserve(8000).is_some());
    }
}

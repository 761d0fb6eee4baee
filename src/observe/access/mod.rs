//! The access log: one line a request at most, on standard output.
//!
//! Not through `tracing`, which costs 28 % of a request (docs/performance.md): each worker writes its lines into a buffer
//! of its own, and hands that over when it is full or a little old. One thread writes, so that a reader who does not read
//! holds up no request; what it cannot take is lost and counted.

mod buffer;
mod line;
mod writer;

pub(super) use buffer::Buffer;
pub use writer::{AccessLog, Finish};

use super::seen::{End, Seen};
use crate::config::AccessLines;

/// Whether a request gets a line.
pub(super) fn wants(lines: AccessLines, seen: &Seen<'_>) -> bool {
    match lines {
        AccessLines::Off => false,
        AccessLines::Errors => seen.failed() || seen.retry.is_some() || seen.end != End::Whole,
        AccessLines::All => true,
    }
}

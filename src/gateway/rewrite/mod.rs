//! What goes upstream instead of what the caller sent: pure surgery on bytes.

mod headers;
mod query;

pub(super) use headers::{is_hop_by_hop, is_ours, named_by_connection, push_head};
pub(super) use query::Target;
pub use query::{Pair, target, values};

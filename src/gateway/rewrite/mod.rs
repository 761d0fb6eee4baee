//! What goes upstream instead of what the caller sent: pure surgery on bytes.

mod headers;
mod query;

pub(super) use headers::{head, is_hop_by_hop, is_ours, named_by_connection};
pub(super) use query::Target;
pub use query::{Pair, target, values};

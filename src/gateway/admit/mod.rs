//! May this request be made here: its form first, then who the caller is and what it may call.

mod caller;
mod form;
mod identify;
mod paths;

pub use caller::{Caller, CallerSettings, Callers, Method, Rate};
pub use form::Rules;
pub use identify::Peer;
pub(super) use identify::{Identified, Shown, identify};
pub use paths::PathList;

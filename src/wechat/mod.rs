//! What WeChat's server API is like: pure knowledge, which does nothing and waits for nothing.
//!
//! - [`credential`]: which credential an endpoint takes;
//! - [`classify`], [`normalise`]: the same for a path that may be written in a misleading way;
//! - [`endpoint()`]: the known endpoint at a path;
//! - [`errcode()`]: the code in an answer's body;
//! - [`token_fault`], [`advice`] and others: what the codes mean, and what to do about them;
//! - [`call_advice()`]: the same for calls that are no token endpoint's.

mod call_advice;
mod endpoints;
mod errcode;
mod known;
mod meaning;
mod path;

pub use call_advice::call_advice;
pub use endpoints::{Credential, EXCEPTIONS, SecretName, TokenEndpoint, credential};
pub use errcode::errcode;
pub use known::endpoint;
pub use meaning::{
    ErrcodeClass, Fault, REJECTING, SYSTEM_BUSY, advice, errcode_class, is_known, refused_ip, rid, token_fault,
};
pub use path::{Disguised, classify, normalise};

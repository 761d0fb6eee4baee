//! Why the gateway does not run.

use std::io;

use crate::egress::EgressError;
use crate::server::BindError;

/// Why the gateway did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address for callers cannot be had.
    #[error("{0}; is another wxgate running? Change listen.address, or end the other program")]
    Bind(#[from] BindError),
    /// The admin address cannot be had.
    #[error("{0}; change admin.address, or set it to \"off\"")]
    Admin(#[source] BindError),
    /// There is no way out to WeChat.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The operating system refused something.
    #[error("{0}")]
    System(#[from] io::Error),
    /// A task that must not end has ended. Requests in flight were finished; a new process starts clean.
    #[error("a task that owns a token, or the admin listener, has ended by a fault in wxgate; start it again")]
    Fault,
    /// A part of the configuration cannot be used. The configuration's own checks leave none that is known.
    #[error("{0}: cannot be used")]
    Unusable(&'static str),
}

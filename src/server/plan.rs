//! The listeners that are to be: their sockets are bound, and nothing has changed yet.

use std::io;

use super::tls::{ServerTls, TlsFileError, TlsFiles};
use crate::address::{Address, Inherited, ListeningSocket};

/// A listener as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: Address,
    /// With TLS, or in clear.
    pub tls: Option<TlsFiles>,
    /// Whether other processes may listen there too (`SO_REUSEPORT`); TCP only.
    pub reuse_port: bool,
}

/// A listener that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system refuses the address.
    #[error("cannot listen on {address}: {cause}")]
    Address {
        /// The address.
        address: Address,
        /// What the system said.
        cause: io::Error,
    },
    /// Its certificate cannot be used.
    #[error("cannot serve TLS on {address}: {cause}")]
    Tls {
        /// The address.
        address: Address,
        /// What is wrong.
        cause: TlsFileError,
    },
}

/// Listeners that wait to be put into force. Dropping it closes those that it has bound.
#[derive(Default)]
pub struct Plan(pub(super) Vec<Planned>);

pub(super) struct Planned {
    /// Names the listener in [`super::Arrival`]; no two of a process have the same.
    pub(super) number: usize,
    pub(super) asked: Listener,
    /// The address as it is, with its real port.
    pub(super) address: Address,
    pub(super) tls: Option<ServerTls>,
    /// `None` for a listener that is open already.
    pub(super) socket: Option<ListeningSocket>,
}

impl Plan {
    /// Listens everywhere, for a server that is yet to start; where a socket was inherited, with that.
    ///
    /// # Errors
    /// The first listener that cannot be had.
    pub fn bind(wanted: impl IntoIterator<Item = Listener>, inherited: &Inherited) -> Result<Self, BindError> {
        wanted
            .into_iter()
            .enumerate()
            .map(|(number, asked)| Planned::bind(number, asked, inherited))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether other processes may have one of its new sockets too.
    pub fn is_shared(&self) -> bool {
        self.0.iter().filter_map(|planned| planned.socket.as_ref()).any(|socket| socket.is_shared)
    }

    /// The number of each listener and its address, with its real port, in the order in which they were asked for.
    pub fn listeners(&self) -> impl Iterator<Item = (usize, &Address)> {
        self.0.iter().map(|planned| (planned.number, &planned.address))
    }
}

impl Planned {
    /// A new one.
    pub(super) fn bind(number: usize, asked: Listener, inherited: &Inherited) -> Result<Self, BindError> {
        let tls = load(&asked)?;
        let bound = inherited.listen(&asked.address, asked.reuse_port);
        let bound = bound.and_then(|socket| Ok((socket.address(&asked.address)?, socket)));
        match bound {
            Ok((address, socket)) => Ok(Self { number, asked, address, tls, socket: Some(socket) }),
            Err(cause) => Err(BindError::Address { address: asked.address, cause }),
        }
    }
}

/// The TLS that is asked for.
pub(super) fn load(asked: &Listener) -> Result<Option<ServerTls>, BindError> {
    let tls = asked.tls.clone().map(ServerTls::load).transpose();
    tls.map_err(|cause| BindError::Tls { address: asked.address.clone(), cause })
}

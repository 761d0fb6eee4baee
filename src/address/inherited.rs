//! Listening sockets that somebody else opened for this process, as systemd does (sd_listen_fds(3)).
//!
//! They go to the listeners that have their addresses. What waits in their queues is nobody's loss when this process ends:
//! whoever opened them has them still, and the next process serves it.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

use super::{Address, Listening, ListeningSocket, UnixAddress};

/// The sockets that this process was started with.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(Address, Listening)>);

impl Inherited {
    /// Those that the environment speaks of (`LISTEN_FDS`), which it does no longer from here on.
    ///
    /// # Errors
    /// One that is no listening TCP or Unix socket.
    pub fn of_process() -> io::Result<Self> {
        let mut passed = ListenFd::from_env();
        let sockets = (0..passed.len()).map(|index| {
            let socket = match passed.take_unix_listener(index) {
                Ok(Some(listener)) => Listening::Unix(listener),
                _ => match passed.take_tcp_listener(index)? {
                    Some(listener) => Listening::Tcp(listener),
                    None => return Err(io::ErrorKind::NotFound.into()),
                },
            };
            Ok((address_of(&socket)?, socket))
        });
        sockets.collect::<io::Result<_>>().map(Self)
    }

    /// Those that are at none of `addresses`, and so served by nobody.
    pub fn unclaimed(&self, addresses: &[&Address]) -> impl Iterator<Item = &Address> {
        self.0.iter().map(|(own, _)| own).filter(|own| !addresses.iter().any(|address| own.is_at(address)))
    }

    /// Listens at `address`: with the socket that was passed for it, else with a new one, which shares its port with other
    /// processes if `reuse_port` says so.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn listen(&self, address: &Address, reuse_port: bool) -> io::Result<ListeningSocket> {
        match self.at(address)? {
            Some(passed) => Ok(passed),
            None => ListeningSocket::bind(address, reuse_port),
        }
    }

    /// Another hold of the socket at `address`, so that a listener which goes may come again.
    fn at(&self, address: &Address) -> io::Result<Option<ListeningSocket>> {
        let Some((_, socket)) = self.0.iter().find(|(own, _)| own.is_at(address)) else { return Ok(None) };
        let socket = match socket {
            Listening::Tcp(listener) => {
                Listening::Tcp(nonblocking(listener.try_clone()?, TcpListener::set_nonblocking)?)
            }
            Listening::Unix(listener) => {
                Listening::Unix(nonblocking(listener.try_clone()?, UnixListener::set_nonblocking)?)
            }
        };
        Ok(Some(ListeningSocket { socket, file: None, is_shared: true }))
    }
}

fn nonblocking<S>(socket: S, set: impl Fn(&S, bool) -> io::Result<()>) -> io::Result<S> {
    set(&socket, true)?;
    Ok(socket)
}

fn address_of(socket: &Listening) -> io::Result<Address> {
    match socket {
        Listening::Tcp(listener) => listener.local_addr().map(Address::Tcp),
        Listening::Unix(listener) => {
            let path = listener.local_addr()?.as_pathname().map(ToOwned::to_owned).unwrap_or_default();
            Ok(Address::Unix(UnixAddress { path, mode: 0, owner: (None, None) }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_its_address_as_often_as_it_is_wanted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let inherited = Inherited(vec![(address.clone(), Listening::Tcp(listener))]);
        for _ in 0..2 {
            let found = inherited.at(&address).unwrap().unwrap();
            assert!(found.is_shared);
            assert_eq!(found.address(&address).unwrap(), address);
        }
        let other = Address::Tcp("127.0.0.1:1".parse().unwrap());
        assert!(inherited.at(&other).unwrap().is_none());
        assert_eq!(inherited.unclaimed(&[&other]).count(), 1);
        assert_eq!(inherited.unclaimed(&[&other, &address]).count(), 0);
    }
}

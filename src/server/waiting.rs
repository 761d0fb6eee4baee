//! The connections that wait in the kernel for a listener to take them.

use std::io;
use std::net::IpAddr;

use tokio::net::{TcpListener, UnixListener};

use super::socket::AcceptedSocket;
use crate::address::Listening;

/// A listening socket on the acceptor's runtime.
pub(super) enum Waiting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection, free of this runtime, and the caller's IP address, where it has one.
pub(super) type Connection = (AcceptedSocket, Option<IpAddr>);

impl Waiting {
    pub(super) fn at(socket: Listening) -> io::Result<Self> {
        match socket {
            Listening::Tcp(listener) => TcpListener::from_std(listener).map(Self::Tcp),
            Listening::Unix(listener) => UnixListener::from_std(listener).map(Self::Unix),
        }
    }

    /// The next connection.
    pub(super) async fn next(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((AcceptedSocket::Tcp(stream.into_std()?), Some(peer.ip().to_canonical())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((AcceptedSocket::Unix(stream.into_std()?), None))
            }
        }
    }

    /// What waits at this moment, to the last; the socket is closed after it.
    pub(super) fn rest(self) -> impl Iterator<Item = Connection> {
        let socket = match self {
            Self::Tcp(listener) => listener.into_std().map(Listening::Tcp),
            Self::Unix(listener) => listener.into_std().map(Listening::Unix),
        };
        // It does not block, so it says when nobody waits any more.
        socket.ok().into_iter().flat_map(|socket| std::iter::from_fn(move || accept_now(&socket).ok()))
    }
}

fn accept_now(socket: &Listening) -> io::Result<Connection> {
    match socket {
        Listening::Tcp(listener) => {
            let (stream, peer) = listener.accept()?;
            stream.set_nonblocking(true)?; // the listener's own flag does not go over to it
            Ok((AcceptedSocket::Tcp(stream), Some(peer.ip().to_canonical())))
        }
        Listening::Unix(listener) => {
            let (stream, _) = listener.accept()?;
            stream.set_nonblocking(true)?;
            Ok((AcceptedSocket::Unix(stream), None))
        }
    }
}

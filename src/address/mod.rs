//! Where a listener is: a TCP address or a Unix socket.

mod inherited;

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

pub use inherited::Inherited;

/// Connections that the kernel keeps waiting while none is accepted; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4_096;

/// An address that callers connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// TCP; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A socket file.
    Unix(UnixAddress),
}

/// A Unix socket, and who may connect to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixAddress {
    /// The socket file. One that nobody listens on any more is replaced.
    pub path: PathBuf,
    /// Its permissions, such as `0o660`.
    pub mode: u32,
    /// Its owner and group, by number; `None` leaves each as it is.
    pub owner: (Option<u32>, Option<u32>),
}

impl Address {
    /// Whether both are the same place, whoever may connect to it.
    pub fn is_at(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => one == other,
            (Self::Unix(one), Self::Unix(other)) => one.path == other.path,
            (Self::Tcp(_), Self::Unix(_)) | (Self::Unix(_), Self::Tcp(_)) => false,
        }
    }
}

impl UnixAddress {
    /// Gives the socket file its mode and owner.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn set_permissions(&self) -> io::Result<()> {
        fs::set_permissions(&self.path, fs::Permissions::from_mode(self.mode))?;
        match self.owner {
            (None, None) => Ok(()),
            (user, group) => chown(&self.path, user, group),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(address) => write!(f, "unix:{}", address.path.display()),
        }
    }
}

/// A listening socket that is not yet served. It does not block.
#[derive(Debug)]
pub struct ListeningSocket {
    /// The socket.
    pub socket: Listening,
    /// Its file, where it has one that goes with it.
    pub file: Option<SocketFile>,
    /// Whether another process may have it too, and serve what waits in its queue.
    pub is_shared: bool,
}

/// One of the kinds of socket that listen.
#[derive(Debug)]
pub enum Listening {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// A socket file of ours; it goes with the listener, unless another process has put its own in the place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl ListeningSocket {
    /// Listens on `address`; with `reuse_port`, beside other processes that do so too (`SO_REUSEPORT`).
    ///
    /// # Errors
    /// The system refuses it.
    pub fn bind(address: &Address, reuse_port: bool) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => listen_tcp(*address, reuse_port),
            Address::Unix(address) => listen_unix(address),
        }
    }

    /// The address as it is, with its real port.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn address(&self, asked: &Address) -> io::Result<Address> {
        match &self.socket {
            Listening::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Listening::Unix(_) => Ok(asked.clone()),
        }
    }
}

fn listen_tcp(address: SocketAddr, reuse_port: bool) -> io::Result<ListeningSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?; // a restart must not wait for old connections' TIME_WAIT
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(ListeningSocket { socket: Listening::Tcp(socket.into()), file: None, is_shared: reuse_port })
}

fn listen_unix(address: &UnixAddress) -> io::Result<ListeningSocket> {
    remove_stale(&address.path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(&address.path)?)?;
    let file = SocketFile { path: address.path.clone(), inode: fs::metadata(&address.path)?.ino() };
    // Before it listens: the umask may be wider, and at no moment may more people connect than in the end.
    address.set_permissions()?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(ListeningSocket { socket: Listening::Unix(socket.into()), file: Some(file), is_shared: false })
}

/// A socket file outlives a process that was killed. It is removed only when nobody answers behind it.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file of this name that is no socket; move it away",
        )),
        Ok(_) if UnixStream::connect(path).is_ok() => Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: PathBuf) -> Address {
        Address::Unix(UnixAddress { path, mode: 0o600, owner: (None, None) })
    }

    #[test]
    fn a_socket_file_has_its_mode_and_goes_with_its_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listening = ListeningSocket::bind(&unix(path.clone()), false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listening);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_file_is_replaced_a_live_one_and_any_other_file_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        drop(UnixListener::bind(&path).unwrap()); // the file stays behind
        let listening = ListeningSocket::bind(&unix(path.clone()), false).unwrap();
        let refused = ListeningSocket::bind(&unix(path.clone()), false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(listening);
        fs::write(&path, "precious").unwrap();
        assert!(ListeningSocket::bind(&unix(path.clone()), false).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_listener_leaves_its_successors_socket_file_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let old = ListeningSocket::bind(&unix(path.clone()), false).unwrap();
        fs::remove_file(&path).unwrap();
        let _new = ListeningSocket::bind(&unix(path.clone()), false).unwrap();
        drop(old);
        assert!(path.exists());
    }
}

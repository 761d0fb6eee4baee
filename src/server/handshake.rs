//! A caller's TLS handshake: what it leads to.

use std::io;
use std::rc::Rc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConnection;

use super::pulse::Protocol;
use super::socket::Socket;

/// A socket after its handshake.
pub(super) struct Secured {
    pub(super) socket: Socket,
    pub(super) protocol: Protocol,
    /// The DNS names in the caller's certificate, in lower case.
    pub(super) names: Rc<[String]>,
}

/// Shakes hands over `socket`.
///
/// # Errors
/// What the handshake fails with. On a Unix socket, TLS is not spoken.
pub(super) async fn handshake(socket: Socket, tls: TlsAcceptor) -> io::Result<Secured> {
    let Socket::Tcp(stream) = socket else { return Err(io::ErrorKind::Unsupported.into()) };
    let stream = tls.accept(stream).await?;
    let (_, session) = stream.get_ref();
    let protocol = if session.alpn_protocol() == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
    let names = names(session);
    Ok(Secured { socket: Socket::Tls(Box::new(stream)), protocol, names })
}

/// A certificate is there only where it was asked for, and then its CA's signature has been checked.
fn names(session: &ServerConnection) -> Rc<[String]> {
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    let leaf = leaf.and_then(|leaf| webpki::EndEntityCert::try_from(leaf).ok());
    leaf.iter().flat_map(|leaf| leaf.valid_dns_names()).map(str::to_ascii_lowercase).collect()
}

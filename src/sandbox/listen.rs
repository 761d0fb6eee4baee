//! The sandbox's sockets: the accept loop, TLS, and hyper on each connection.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::call::Origin;
use super::service::{Connection, serve};
use super::wire::{Orders, Wire};
use super::world::World;

/// How long to leave the listener alone after a failed accept: descriptors are likely to be short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts for ever. Ends with the future, and so do all its connections.
pub(super) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, world: Arc<World>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    connections.spawn(connect(socket, peer, tls.clone(), world.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// TLS as WeChat's web tier is assumed to speak it: HTTP/1.1 only (WECHAT.md §4).
pub(super) fn acceptor(config: &ServerConfig) -> TlsAcceptor {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// One connection to its end. How it ended is the other side's affair: nothing is reported.
async fn connect(socket: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, world: Arc<World>) {
    let origin = Origin { connection: world.journal().connected(), from: peer.ip().to_canonical() };
    if socket.set_nodelay(true).is_err() {
        return;
    }
    _ = match tls {
        None => speak(socket, origin, world).await,
        Some(tls) => match tls.accept(socket).await {
            Ok(socket) => speak(socket, origin, world).await,
            Err(_) => Ok(()),
        },
    };
}

async fn speak<S>(socket: S, origin: Origin, world: Arc<World>) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Connection { origin, orders: Orders::default(), close_after_answer: Arc::new(Notify::new()) };
    let wire = TokioIo::new(Wire::new(socket, connection.orders.clone()));
    let close_after_answer = connection.close_after_answer.clone();
    let service = service_fn(move |request| serve(world.clone(), connection.clone(), request));
    let mut exchange = pin!(http1::Builder::new().serve_connection(wire, service));
    tokio::select! {
        ended = exchange.as_mut() => return ended,
        () = close_after_answer.notified() => {}
    }
    // The answer's head is already written, so this adds no `Connection: close` to it.
    exchange.as_mut().graceful_shutdown();
    exchange.await
}

/// Binds the loopback address, where alone a sandbox belongs.
pub(super) async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await
}

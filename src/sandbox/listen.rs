//! The sandbox's sockets: the accept loop, TLS, and hyper on each connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
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

/// How many connections may wait to be accepted. Where a thousand come at once and the queue is
/// shorter, Linux falls back on SYN cookies, and now and then a connection is reset.
const BACKLOG: u32 = 4096;

/// How every connection is spoken to.
#[derive(Clone)]
pub(super) struct Manner {
    tls: Option<TlsAcceptor>,
    idle: Duration,
}

impl Manner {
    pub(super) fn new(tls: Option<&ServerConfig>, idle: Duration) -> Self {
        Self { tls: tls.map(acceptor), idle }
    }
}

/// Accepts for ever. Ends with the future, and so do all its connections.
pub(super) async fn accept(listener: TcpListener, manner: Manner, world: Arc<World>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    connections.spawn(connect(socket, peer, manner.clone(), world.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// TLS as WeChat's web tier is assumed to speak it: HTTP/1.1 only (wechat.md §4).
fn acceptor(config: &ServerConfig) -> TlsAcceptor {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// One connection to its end. How it ended is the other side's affair: nothing is reported.
async fn connect(socket: TcpStream, peer: SocketAddr, manner: Manner, world: Arc<World>) {
    let origin = Origin { connection: world.journal().connected(), from: peer.ip().to_canonical() };
    if socket.set_nodelay(true).is_err() {
        return;
    }
    _ = match manner.tls {
        None => speak(socket, origin, manner.idle, world).await,
        Some(tls) => match tls.accept(socket).await {
            Ok(socket) => speak(socket, origin, manner.idle, world).await,
            Err(_) => Ok(()),
        },
    };
}

async fn speak<S>(socket: S, origin: Origin, idle: Duration, world: Arc<World>) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Connection { origin, orders: Orders::default(), close_after_answer: Arc::new(Notify::new()) };
    let wire = TokioIo::new(Wire::new(socket, connection.orders.clone()));
    let close_after_answer = connection.close_after_answer.clone();
    let service = service_fn(move |request| serve(world.clone(), connection.clone(), request));
    let mut http = http1::Builder::new();
    // hyper's time for a head runs from the answer before, so it is the idle time too.
    http.timer(TokioTimer::new()).header_read_timeout(idle);
    let mut exchange = pin!(http.serve_connection(wire, service));
    tokio::select! {
        ended = exchange.as_mut() => return ended,
        () = close_after_answer.notified() => {}
    }
    // The answer's head is already written, so this adds no `Connection: close` to it.
    exchange.as_mut().graceful_shutdown();
    exchange.await
}

/// Binds the loopback address, where alone a sandbox belongs.
pub(super) fn bind(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A sandbox that starts again on its old port does not wait for the old connections to fade.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

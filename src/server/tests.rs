//! Connections that rest, on each kind of socket. The clock runs while something goes over a socket, and jumps from
//! timer to timer while nothing does.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, UnixStream};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, pause, resume, sleep, timeout};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::connection::{Accepted, serve};
use super::open::{Connections, Share};
use super::permits::Permits;
use super::rest::REST;
use super::socket::AcceptedSocket;
use super::{Arrival, Handler, Limits, Timeouts};
use crate::stage::{Control, Stage, control};

const TIMEOUTS: Timeouts =
    Timeouts { head: Duration::from_secs(15), idle: Duration::from_secs(75), send: Duration::from_secs(30) };
/// Of each side's socket, in bytes: the system makes some thousands of it.
const SMALL: u32 = 4 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Tls,
    Unix,
}

/// Answers `/length/<bytes>` with so many, and all else with its method, path and body.
struct Echo;

impl Handler for Echo {
    type Body = String;

    fn handle(&self, request: Request<Incoming>, _from: &Arrival) -> impl Future<Output = Response<String>> + use<> {
        let (head, body) = request.into_parts();
        async move {
            if let Some(bytes) = head.uri.path().strip_prefix("/length/") {
                return Response::new("x".repeat(bytes.parse().unwrap()));
            }
            let body = body.collect().await.unwrap().to_bytes();
            Response::new(format!("{} {} {}", head.method, head.uri.path(), String::from_utf8_lossy(&body)))
        }
    }
}

trait Stream: AsyncRead + AsyncWrite {}
impl<T: AsyncRead + AsyncWrite> Stream for T {}

/// A caller and its connection.
struct Line {
    caller: Pin<Box<dyn Stream>>,
    serving: JoinHandle<()>,
    control: Control,
}

impl Line {
    async fn open(kind: Kind) -> Self {
        if kind == Kind::Unix {
            let (caller, socket) = UnixStream::pair().unwrap();
            let (serving, control) = served(AcceptedSocket::Unix(socket.into_std().unwrap()), None);
            return Self { caller: Box::pin(caller), serving, control };
        }
        let (listener, caller) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
        listener.set_send_buffer_size(SMALL).unwrap(); // its connections inherit it
        listener.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = listener.listen(1).unwrap();
        caller.set_recv_buffer_size(SMALL).unwrap();
        let caller = caller.connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = listener.accept().await.unwrap().0.into_std().unwrap();
        let (acceptor, connector) = tls();
        let (serving, control) = served(AcceptedSocket::Tcp(socket), (kind == Kind::Tls).then_some(acceptor));
        let caller: Pin<Box<dyn Stream>> = match kind {
            Kind::Tls => {
                let name = ServerName::try_from("localhost").unwrap();
                Box::pin(connector.connect(name, caller).await.unwrap())
            }
            Kind::Tcp | Kind::Unix => Box::pin(caller),
        };
        Self { caller, serving, control }
    }

    async fn write(&mut self, text: &str) {
        self.caller.write_all(text.as_bytes()).await.unwrap();
        self.caller.flush().await.unwrap();
    }

    /// The next answer's body.
    async fn answer(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(self.caller.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        within(self.caller.read_exact(&mut body)).await.unwrap();
        String::from_utf8(body).unwrap()
    }

    async fn get(&mut self, path: &str) -> String {
        self.write(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        self.answer().await
    }

    /// What comes until the end, which is a clean one: in TLS, with its farewell.
    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.caller.read_to_string(&mut rest).await.unwrap();
        rest
    }
}

/// Serves `socket` on this thread.
fn served(socket: AcceptedSocket, tls: Option<TlsAcceptor>) -> (JoinHandle<()>, Control) {
    let permits = Permits::default();
    permits.limit(1);
    let place = Connections::default().enter(permits.try_acquire().unwrap());
    let control = control();
    let limits = Limits { connections: 1, head_size: 16 * 1024, timeouts: TIMEOUTS };
    let accepted = Accepted { socket, tls, listener: 0, peer: None, limits, stage: control.follow(), place };
    (spawn_local(serve(accepted, Rc::new(Echo), Share::of(&Arc::default()))), control)
}

fn tls() -> (TlsAcceptor, TlsConnector) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let ours = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let theirs = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(ours).into(), Arc::new(theirs).into())
}

/// Runs `test` on each kind of socket, its connections on its own thread.
async fn on_each<F: Future<Output = ()>>(test: impl Fn(Kind) -> F) {
    for kind in [Kind::Tcp, Kind::Tls, Kind::Unix] {
        LocalSet::new().run_until(test(kind)).await;
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), future).await.expect("it should have come by now")
}

/// Lets time go by in which nothing goes over a socket.
async fn silence(how_long: Duration) {
    pause();
    sleep(how_long).await;
    resume();
}

#[tokio::test]
async fn a_connection_that_rested_serves_on() {
    on_each(async |kind| {
        let mut line = Line::open(kind).await;
        if kind == Kind::Tls {
            silence(REST * 2).await; // after the handshake
        }
        assert_eq!(line.get("/a").await, "GET /a ", "{kind:?}");
        silence(REST * 2).await;
        assert_eq!(line.get("/b").await, "GET /b ");
        assert_eq!(line.get("/c").await, "GET /c ");
        silence(REST * 2).await;
        line.write("POST /d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nxyz").await;
        assert_eq!(line.answer().await, "POST /d xyz");
        silence(REST * 2).await;
        line.write("GET /e HTTP/1.1\r\nHost: localhost\r\n\r\nGET /f HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!((line.answer().await, line.answer().await), ("GET /e ".to_owned(), "GET /f ".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_head_that_comes_in_parts_after_a_rest_is_one_head() {
    on_each(async |kind| {
        let mut line = Line::open(kind).await;
        line.get("/a").await;
        silence(REST * 2).await;
        line.write("G").await;
        silence(REST * 2).await;
        line.write("ET /b HTT").await;
        silence(REST * 2).await;
        line.write("P/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(line.answer().await, "GET /b ", "{kind:?}");
    })
    .await;
}

#[tokio::test]
async fn the_beginning_of_a_head_that_came_with_the_request_before_is_not_lost_by_a_rest() {
    on_each(async |kind| {
        let mut line = Line::open(kind).await;
        line.write("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /b HT").await;
        assert_eq!(line.answer().await, "GET /a ", "{kind:?}");
        silence(REST * 2).await;
        line.write("TP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(line.answer().await, "GET /b ", "{kind:?}");
    })
    .await;
}

#[tokio::test]
async fn empty_lines_between_requests_do_not_end_a_rest() {
    on_each(async |kind| {
        let mut line = Line::open(kind).await;
        line.write("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx\r\n").await;
        assert_eq!(line.answer().await, "POST /a x", "{kind:?}");
        silence(REST * 2).await;
        line.write("\r\n").await;
        silence(TIMEOUTS.head * 2).await; // longer than a head may take that has begun
        line.write("GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(line.answer().await, "GET /b ", "{kind:?}");
    })
    .await;
}

#[tokio::test]
async fn a_rest_gives_no_more_time() {
    on_each(async |kind| {
        let mut line = Line::open(kind).await;
        let before = Instant::now();
        line.get("/a").await;
        let after = Instant::now();
        pause();
        assert_eq!(line.rest().await, "", "{kind:?}");
        let ended = Instant::now();
        resume();
        // The timer counts in milliseconds, and rounds up.
        assert!(
            ended >= before + TIMEOUTS.idle && ended <= after + TIMEOUTS.idle + Duration::from_millis(2),
            "{kind:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_connection_at_rest_ends_in_order_with_the_drain_and_with_its_caller() {
    on_each(async |kind| {
        let mut line = Line::open(kind).await;
        line.get("/a").await;
        silence(REST * 2).await;
        line.control.advance(Stage::Draining);
        assert_eq!(within(line.rest()).await, "", "{kind:?}");
        within(line.serving).await.unwrap();

        let mut line = Line::open(kind).await;
        line.get("/a").await;
        silence(REST * 2).await;
        line.caller.shutdown().await.unwrap();
        assert_eq!(within(line.rest()).await, "", "{kind:?}");
        within(line.serving).await.unwrap();
    })
    .await;
}

/// TLS takes some of an answer and cannot send it yet: 40,000 bytes are more than the sockets hold, and less
/// than its own buffer.
#[tokio::test]
async fn an_answer_that_its_caller_takes_late_keeps_a_connection_from_its_rest() {
    on_each(async |kind| {
        for length in [40_000, 100_000] {
            let mut line = Line::open(kind).await;
            line.write(&format!("GET /length/{length} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
            tokio::task::yield_now().await;
            silence(REST * 5).await;
            assert_eq!(line.answer().await.len(), length, "{kind:?}");
            assert_eq!(line.get("/b").await, "GET /b ");
        }
    })
    .await;
}

//! The vocabulary of these tests: a sandbox, a gateway in front of it, and callers that speak raw HTTP/1.1.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use wxgate::address::Address;
use wxgate::app::{App, AppError};
use wxgate::config::{Config, Environment, parse};
use wxgate::sandbox::{DEFAULT_APPID, DEFAULT_SECRET, STABLE, Sandbox, Seen, Settings};
use wxgate::stage::{Control, Stage, control};

/// No wait in a test is meant to take this long; one that does fails it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The sandbox's account, as an operator writes it.
pub fn account() -> String {
    format!("[[account]]\nname = 'main'\nappid = '{DEFAULT_APPID}'\nsecret = '{DEFAULT_SECRET}'\n")
}

/// A sandbox with its default settings.
pub async fn sandbox() -> Sandbox {
    Sandbox::start(Settings::default()).await.unwrap()
}

/// What WeChat saw of callers' requests, oldest first: all but the gateway's own token fetches, which come when they
/// like.
pub fn calls(wechat: &Sandbox) -> Vec<Arc<Seen>> {
    wechat.world().journal().requests().into_iter().filter(|seen| seen.path() != STABLE).collect()
}

/// The newest of [`calls`].
pub fn last_call(wechat: &Sandbox) -> Arc<Seen> {
    calls(wechat).pop().unwrap()
}

/// A running gateway. Dropping it ends it at once.
pub struct Gateway {
    pub address: SocketAddr,
    pub addresses: Vec<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub control: Control,
    running: JoinHandle<Result<(), AppError>>,
}

impl Gateway {
    /// In front of `wechat`, with one listener on a free port, one account, and `more` keys.
    pub async fn start(wechat: &Sandbox, more: &str) -> Self {
        Self::with_accounts(wechat, &format!("{}{more}", account())).await
    }

    /// In front of `wechat`, with one account, under top-level `keys` such as `server.requests = 1`.
    pub async fn with(wechat: &Sandbox, keys: &str) -> Self {
        Self::with_accounts(wechat, &format!("{keys}\n{}", account())).await
    }

    /// In front of `wechat`, with one listener on a free port, and `keys`, which name the accounts. Top-level keys such
    /// as `listen.hosts = []` must stand before the first table.
    pub async fn with_accounts(wechat: &Sandbox, keys: &str) -> Self {
        Self::at(&format!("http://{}", wechat.address()), keys).await
    }

    /// In front of the upstream at `base_url`.
    pub async fn at(base_url: &str, keys: &str) -> Self {
        Self::from_config(config(base_url, keys)).await.unwrap()
    }

    /// As configured.
    pub async fn from_config(config: Config) -> Result<Self, AppError> {
        Ok(Self::of(App::bind(config).await?))
    }

    /// One that is bound.
    pub fn of(app: App) -> Self {
        let (addresses, admin, control) = (app.addresses(), admin_of(&app), control());
        let running = tokio::spawn({
            let control = control.clone();
            async move { app.run(&control).await }
        });
        Self { address: addresses[0], addresses, admin, control, running }
    }

    /// Begins to drain.
    pub fn drain(&self) {
        self.control.advance(Stage::Draining);
    }

    /// Waits until it has stopped.
    pub async fn stopped(mut self) -> Result<(), AppError> {
        within(&mut self.running).await.unwrap()
    }

    /// A new connection.
    pub async fn connect(&self) -> Caller {
        Caller::connect(self.address).await
    }

    /// One GET on a connection of its own.
    pub async fn get(&self, target: &str) -> Reply {
        self.request("GET", target, &[], b"").await
    }

    /// One request on a connection of its own. `Host` and, with a body, `Content-Length` are added.
    pub async fn request(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut caller = self.connect().await;
        caller.request(method, target, fields, body).await;
        caller.reply_to(method).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.control.advance(Stage::Ended);
        self.running.abort();
    }
}

fn admin_of(app: &App) -> Option<SocketAddr> {
    match app.admin_address() {
        Some(Address::Tcp(address)) => Some(*address),
        Some(Address::Unix(_)) | None => None,
    }
}

/// A configuration with defaults fit for a test, under `keys`.
pub fn config(base_url: &str, keys: &str) -> Config {
    let text = config_text(base_url, keys);
    parse(&text, &Environment::default()).unwrap_or_else(|problems| panic!("{problems}\nin:\n{text}")).config
}

/// The same as an operator would write it.
pub fn config_text(base_url: &str, keys: &str) -> String {
    let mut text = format!("upstream.base_url = '{base_url}'\nserver.workers = 2\n");
    for (section, default) in [("listen", "listen.address = '127.0.0.1:0'\n"), ("admin", "admin.address = 'off'\n")] {
        let mentioned = [format!("{section}.address"), format!("[{section}]"), format!("[[{section}]]")];
        if !mentioned.iter().any(|mention| keys.contains(mention)) {
            text.push_str(default);
        }
    }
    text.push_str(keys);
    text
}

/// An address at which nobody listens, for as long as the socket is kept.
pub fn nobody() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// The outcome of `future`, which must not take for ever.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

/// A caller's connection.
pub struct Caller<S = TcpStream> {
    pub stream: S,
    received: Vec<u8>,
}

/// An answer as it was on the wire.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Caller {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(within(TcpStream::connect(address)).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Caller<S> {
    /// On a connection that is there already.
    pub fn over(stream: S) -> Self {
        Self { stream, received: Vec::new() }
    }

    /// Writes these very bytes.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Writes one request.
    pub async fn request(&mut self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.write([head.as_bytes(), body].concat()).await;
    }

    /// Reads one answer to a request that was no HEAD.
    pub async fn reply(&mut self) -> Reply {
        self.reply_to("GET").await
    }

    /// Reads one whole answer; panics if it breaks off.
    pub async fn reply_to(&mut self, method: &str) -> Reply {
        self.try_reply_to(method).await.expect("a whole answer")
    }

    /// Reads one answer; `None` if the connection ends before it does.
    pub async fn try_reply_to(&mut self, method: &str) -> Option<Reply> {
        let (status, fields) = self.head().await?;
        let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let body = if method == "HEAD" || status == 204 || status == 304 {
            Vec::new()
        } else if let Some(length) = field("content-length") {
            self.exactly(length.parse().unwrap()).await?
        } else if field("transfer-encoding") == Some("chunked") {
            self.chunks().await?
        } else {
            self.until_end().await?
        };
        Some(Reply { status, fields, body })
    }

    /// Reads the head of an answer; interim ones (1xx) are skipped.
    pub async fn head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        loop {
            let head = self.until(b"\r\n\r\n").await?;
            let head = String::from_utf8(head).unwrap();
            let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
            let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            let fields = lines.map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            });
            if status >= 200 {
                return Some((status, fields.collect()));
            }
        }
    }

    /// Reads up to and including `end`.
    pub async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.received.windows(end.len()).position(|window| window == end) {
                return Some(self.received.drain(..at + end.len()).collect());
            }
            self.more().await?;
        }
    }

    /// Reads this many bytes.
    pub async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.received.len() < length {
            self.more().await?;
        }
        Some(self.received.drain(..length).collect())
    }

    /// Reads until the other side ends the connection in order; `None` if it is reset.
    pub async fn until_end(&mut self) -> Option<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.received);
        within(self.stream.read_to_end(&mut rest)).await.ok()?;
        Some(rest)
    }

    /// Whether the other side has ended the connection without a further byte.
    pub async fn is_closed(&mut self) -> bool {
        self.received.is_empty() && matches!(within(self.stream.read(&mut [0])).await, Ok(0) | Err(_))
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.until(b"\r\n").await?).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            body.extend(self.exactly(length).await?);
            self.exactly(2).await?;
            if length == 0 {
                return Some(body);
            }
        }
    }

    async fn more(&mut self) -> Option<()> {
        let read = within(self.stream.read_buf(&mut self.received)).await.ok()?;
        (read > 0).then_some(())
    }
}

impl Reply {
    /// The value of the only field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} stands there more than once");
        value
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The kind of the gateway's own answer.
    pub fn error(&self) -> Option<&str> {
        self.field("x-wxgate-error")
    }
}

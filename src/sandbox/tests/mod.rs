//! The sandbox over real sockets: bytes in, bytes out.

mod controls;
mod door;
mod endpoints;
mod faults;
mod load;
mod tokens;

use std::fmt;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// The query that a good classic fetch has.
const FETCH: &str = "grant_type=client_credential&appid=wx0000000000sandbox&secret=5a6e7d05a6e7d05a6e7d05a6e7d05a6e";

/// An answer as it arrived.
struct Arrived(Vec<u8>);

impl fmt::Debug for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl Arrived {
    fn head(&self) -> String {
        String::from_utf8_lossy(&self.0[..self.end_of_head()]).into_owned()
    }

    fn status(&self) -> u16 {
        self.head()[9..12].parse().unwrap()
    }

    fn body(&self) -> &[u8] {
        &self.0[self.end_of_head()..]
    }

    fn json(&self) -> Value {
        serde_json::from_slice(self.body()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// `None` where the answer has none.
    fn errcode(&self) -> Option<i64> {
        self.json()["errcode"].as_i64()
    }

    fn end_of_head(&self) -> usize {
        memchr::memmem::find(&self.0, b"\r\n\r\n").unwrap() + 4
    }
}

impl Sandbox {
    async fn fresh() -> Self {
        Self::start(Settings::default()).await.unwrap()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.unwrap()
    }

    /// Writes these bytes on a connection of their own and reads until it ends.
    async fn exchange(&self, request: impl AsRef<[u8]>) -> Arrived {
        let mut socket = self.connect().await;
        socket.write_all(request.as_ref()).await.unwrap();
        let mut arrived = Vec::new();
        socket.read_to_end(&mut arrived).await.unwrap();
        Arrived(arrived)
    }

    async fn get(&self, target: &str) -> Arrived {
        self.exchange(head("GET", target, "")).await
    }

    async fn send(&self, method: &str, target: &str, headers: &str, body: impl AsRef<[u8]>) -> Arrived {
        let length = format!("Content-Length: {}\r\n{headers}", body.as_ref().len());
        self.exchange([head(method, target, &length).as_bytes(), body.as_ref()].concat()).await
    }

    async fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Arrived {
        self.send("POST", target, "", body).await
    }

    /// A token that lives.
    fn token(&self) -> String {
        self.world().with_ledger(|ledger, now| ledger.stable(DEFAULT_APPID, false, now)).unwrap().token
    }

    /// A path with a token that lives.
    fn signed(&self, path: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}access_token={}", self.token())
    }
}

/// A request's head. `headers` end with a line break each.
fn head(method: &str, target: &str, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: api.weixin.qq.com\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_dropped_sandbox_is_gone_with_its_connections() {
    let wechat = Sandbox::fresh().await;
    let mut idle = wechat.connect().await;
    let address = wechat.address();
    wechat.get("/sns/auth").await;
    drop(wechat);
    // A reset or an end: the idle connection does not outlive the sandbox.
    assert!(matches!(idle.read(&mut [0]).await, Ok(0) | Err(_)));
    assert!(TcpStream::connect(address).await.is_err());
}

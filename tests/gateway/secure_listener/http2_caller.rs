//! A caller that speaks HTTP/2 as it should be spoken.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use crate::support::{Reply, within};

/// Its connection. Several requests may be on their way at once.
pub struct Http2Caller {
    sender: SendRequest<Full<Bytes>>,
    /// Ends with the connection.
    pub connection: JoinHandle<hyper::Result<()>>,
}

impl Http2Caller {
    /// On a connection that is there already.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        Self { sender, connection: tokio::spawn(connection) }
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.request("GET", target, &[], b"").await
    }

    /// One request. `target` is a path, at `localhost`, or a whole URL.
    pub async fn request(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_request(method, target, fields, body).await.unwrap()
    }

    /// The same, where it may fail.
    pub async fn try_request(
        &self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> hyper::Result<Reply> {
        let url = if target.starts_with('/') { format!("https://localhost{target}") } else { target.to_owned() };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_vec())).unwrap();
        let (head, body) = within(self.sender.clone().send_request(request)).await?.into_parts();
        let body = within(body.collect()).await?.to_bytes().to_vec();
        let fields = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        Ok(Reply { status: head.status.as_u16(), fields: fields.collect(), body })
    }
}

//! `upstream.proxy`: token fetches and requests leave by one way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::version::TLS13;

use crate::authority::Authority;
use crate::support::{Caller, Gateway, account};

const NAME: &str = "wechat.example"; // resolves nowhere: the proxy alone knows where it is

/// A forward proxy that takes CONNECT, notes each head, and connects to one place whatever it is asked for.
struct ForwardProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    running: tokio::task::JoinHandle<()>,
}

impl ForwardProxy {
    /// Tunnels to `destination`; with none, it refuses in these words.
    async fn start(destination: Result<SocketAddr, &'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, heads) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let running = tokio::spawn({
            let heads = Arc::clone(&heads);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(tunnel(Caller::over(stream), destination, Arc::clone(&heads)));
                }
            }
        });
        Self { address, heads, running }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn tunnel(mut caller: Caller, destination: Result<SocketAddr, &str>, heads: Arc<Mutex<Vec<String>>>) {
    let Some(head) = caller.until(b"\r\n\r\n").await else { return };
    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
    match destination {
        Err(refusal) => caller.write(refusal).await,
        Ok(destination) => {
            let mut upstream = TcpStream::connect(destination).await.unwrap();
            caller.stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            let _ = copy_bidirectional(&mut caller.stream, &mut upstream).await; // either side may end it
        }
    }
}

async fn gateway(authority: &Authority, proxy: &str) -> Gateway {
    let keys = format!("upstream.proxy = '{proxy}'\n{}{}", authority.ca_file(), account());
    Gateway::at(&format!("https://{NAME}"), &keys).await
}

#[tokio::test]
async fn token_fetches_and_requests_both_go_through_it() {
    let authority = Authority::new();
    let wechat = authority.sandbox(NAME, &[&TLS13]).await;
    let proxy = ForwardProxy::start(Ok(wechat.address())).await;
    let gateway = gateway(&authority, &format!("http://{}", proxy.address)).await;
    let mut caller = gateway.connect().await;
    for _ in 0..3 {
        caller.request("GET", "/cgi-bin/user/info?openid=o6", &[], b"").await;
        assert_eq!(caller.reply().await.status, 200);
    }
    let heads = proxy.heads();
    assert_eq!(heads.len(), 2, "one tunnel for the token, one for the requests: {heads:#?}");
    for head in heads {
        assert!(head.starts_with(&format!("CONNECT {NAME}:443 HTTP/1.1\r\n")), "{head}");
        assert!(!head.to_ascii_lowercase().contains("proxy-authorization"), "{head}");
    }
    assert_eq!(wechat.world().journal().connections(), 2, "and none by another way");
}

#[tokio::test]
async fn its_credentials_go_to_it_alone() {
    let authority = Authority::new();
    let wechat = authority.sandbox(NAME, &[&TLS13]).await;
    let proxy = ForwardProxy::start(Ok(wechat.address())).await;
    // RFC 7617 §2.1: user "Aladdin", password "open sesame".
    let gateway = gateway(&authority, &format!("http://Aladdin:open%20sesame@{}", proxy.address)).await;
    assert_eq!(gateway.get("/cgi-bin/user/info?openid=o6").await.status, 200);
    let heads = proxy.heads();
    assert_eq!(heads.len(), 2);
    for head in heads {
        let head = head.to_ascii_lowercase();
        assert!(head.contains("proxy-authorization: basic qwxhzgrpbjpvcgvuihnlc2ftzq==\r\n"), "{head}");
    }
    for seen in wechat.world().journal().requests() {
        assert!(!seen.headers.contains_key("proxy-authorization"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_refusing_proxy_is_an_unreachable_upstream_and_is_named() {
    for refusal in [
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "SOCKS?",
        "",
    ] {
        let authority = Authority::new();
        let proxy = ForwardProxy::start(Err(refusal)).await;
        let gateway = gateway(&authority, &format!("http://{}", proxy.address)).await;
        let reply = gateway.get("/sns/userinfo?access_token=81_user").await;
        assert_eq!((reply.status, reply.error()), (502, Some("upstream_unreachable")), "{refusal}");
        let reply = gateway.get("/cgi-bin/user/info?openid=o6").await;
        assert_eq!((reply.status, reply.error()), (503, Some("no_token")), "{refusal}");
    }
}

#[tokio::test]
async fn nothing_goes_around_a_proxy_that_is_gone() {
    let authority = Authority::new();
    let wechat = authority.sandbox("localhost", &[&TLS13]).await;
    let (_kept, nobody) = crate::support::nobody();
    let keys = format!("upstream.proxy = 'http://{nobody}'\n{}{}", authority.ca_file(), account());
    let gateway = Gateway::at(&format!("https://localhost:{}", wechat.address().port()), &keys).await;
    let reply = gateway.get("/sns/userinfo?access_token=81_user").await;
    assert_eq!((reply.status, reply.error()), (502, Some("upstream_unreachable")));
    assert_eq!(gateway.get("/cgi-bin/user/info?openid=o6").await.error(), Some("no_token"));
    assert_eq!(wechat.world().journal().connections(), 0);
}

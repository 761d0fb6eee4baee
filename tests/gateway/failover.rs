//! Several upstreams in order: what the first cannot take goes to the next, and what may have been done goes nowhere else.
//! The judges are the counts at each of them.

mod load;
mod operator;
mod returning;
mod tokens;

use std::net::SocketAddr;

use hyper::header::HOST;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::version::TLS13;
use wxgate::config::{Environment, parse};
use wxgate::sandbox::{Fault, HangUp, Sandbox};

use crate::authority::Authority;
use crate::deadlines::unanswering;
use crate::support::{Gateway, Reply, account, config_text, nobody, sandbox, within};

/// A call that takes no token of the account's, so that its way does not depend on one.
const CALL: &str = "/sns/userinfo";

/// In front of these upstreams, under top-level `keys`, with the sandbox's account.
async fn gateway(base_urls: &[&str], keys: &str) -> Gateway {
    let text = configured(base_urls, &format!("{keys}\n{}", account()));
    let config = parse(&text, &Environment::default()).unwrap_or_else(|problems| panic!("{problems}\n{text}")).config;
    Gateway::from_config(config).await.unwrap()
}

/// The configuration with these upstreams, under `keys`.
fn configured(base_urls: &[&str], keys: &str) -> String {
    let several = format!("upstream.base_urls = {base_urls:?}");
    config_text("THERE", keys).replace("upstream.base_url = 'THERE'", &several)
}

fn http(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// How many of the calls came there.
fn calls(wechat: &Sandbox) -> u64 {
    wechat.world().journal().count(CALL)
}

fn outcome(reply: &Reply) -> (u16, Option<&str>) {
    (reply.status, reply.error())
}

/// Takes every connection and whatever comes on it, and never says a word.
struct Silent {
    address: SocketAddr,
    accepted: mpsc::UnboundedReceiver<TcpStream>,
    task: JoinHandle<()>,
}

impl Silent {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accept, accepted) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let _ = accept.send(connection);
            }
        });
        Self { address, accepted, task }
    }

    /// How many connections came since this was last asked.
    fn connections(&mut self) -> usize {
        std::iter::from_fn(|| self.accepted.try_recv().ok()).count()
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn all_requests_go_to_the_first_while_it_is_up() {
    let (first, second) = (sandbox().await, sandbox().await);
    let gateway = gateway(&[&first.base_url(), &second.base_url()], "").await;
    for method in ["GET", "POST", "GET", "POST"] {
        assert_eq!(gateway.request(method, CALL, &[], b"{}").await.status, 200);
    }
    assert_eq!((calls(&first), second.world().journal().total()), (4, 0));
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_lost_not_even_a_post() {
    let ((_kept, nobody), second) = (nobody(), sandbox().await);
    let gateway = gateway(&[&http(nobody), &second.base_url()], "").await;
    for count in 1..=10 {
        assert_eq!(gateway.request("POST", CALL, &[], b"{}").await.status, 200);
        assert_eq!(calls(&second), count, "each once");
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_costs_one_connect_timeout_and_no_request() {
    let ((_full, address), second) = (unanswering(), sandbox().await);
    let gateway = gateway(&[&http(address), &second.base_url()], "upstream.connect_timeout = '100ms'").await;
    for _ in 0..3 {
        assert_eq!(gateway.request("POST", CALL, &[], b"{}").await.status, 200);
    }
    assert_eq!(calls(&second), 3);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_passed_over() {
    let second = sandbox().await;
    let gateway = gateway(&["http://no-such-name.invalid", &second.base_url()], "").await;
    assert_eq!(gateway.request("POST", CALL, &[], b"{}").await.status, 200);
    assert_eq!(calls(&second), 1);
}

#[tokio::test]
async fn broken_tls_is_passed_over_and_each_upstream_is_called_by_its_own_name() {
    let (ours, strangers) = (Authority::new(), Authority::new());
    let (first, second) = (strangers.sandbox("localhost", &[&TLS13]).await, ours.sandbox("127.0.0.1", &[&TLS13]).await);
    let urls = [format!("https://localhost:{}", first.address().port()), format!("https://{}", second.address())];
    let gateway = gateway(&[&urls[0], &urls[1]], &ours.ca_file()).await;
    for _ in 0..3 {
        assert_eq!(gateway.request("POST", CALL, &[], b"{}").await.status, 200);
    }
    assert_eq!((first.world().journal().total(), calls(&second)), (0, 3));
    let host = second.address().to_string();
    for seen in second.world().journal().requests() {
        assert_eq!(seen.header(&HOST), [host.as_bytes()]);
    }
}

#[tokio::test]
async fn a_silent_upstream_loses_no_request_that_may_be_repeated() {
    let (mut first, second) = (Silent::start().await, sandbox().await);
    let keys = "upstream.first_byte_timeout = '100ms'\ntoken.fetch_timeout = '100ms'";
    let gateway = gateway(&[&http(first.address), &second.base_url()], keys).await;
    assert_eq!(gateway.get(CALL).await.status, 200);
    assert!(first.connections() > 0);
    assert_eq!(gateway.request("POST", CALL, &[], b"{}").await.status, 200, "it is known to be down");
    assert_eq!((first.connections(), calls(&second)), (0, 2));
}

#[tokio::test]
async fn a_post_that_met_silence_is_not_sent_anywhere_else_and_the_next_one_is_spared() {
    let (first, second) = (sandbox().await, sandbox().await);
    first.world().faults().add(Fault::at(CALL).hold(&wxgate::sandbox::Gate::new()));
    let gateway = gateway(&[&first.base_url(), &second.base_url()], "upstream.first_byte_timeout = '100ms'").await;
    let post = async || gateway.request("POST", CALL, &[], b"{}").await;
    assert_eq!(outcome(&post().await), (504, Some("upstream_timeout")));
    assert_eq!((calls(&first), calls(&second)), (1, 0));
    assert_eq!(post().await.status, 200);
    assert_eq!((calls(&first), calls(&second)), (1, 1));
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_sends_on_only_what_may_be_repeated() {
    for (method, expected, at_second) in
        [("GET", (200, None), 1), ("PUT", (200, None), 1), ("POST", (502, Some("upstream_broke_off")), 0)]
    {
        let (first, second) = (sandbox().await, sandbox().await);
        first.world().faults().add(Fault::at(CALL).hang_up(HangUp::Before));
        let gateway = gateway(&[&first.base_url(), &second.base_url()], "").await;
        assert_eq!(outcome(&gateway.request(method, CALL, &[], b"{}").await), expected, "{method}");
        assert_eq!((calls(&first), calls(&second)), (1, at_second), "{method}");
    }
}

#[tokio::test]
async fn an_answer_that_had_begun_is_not_asked_for_elsewhere() {
    let (first, second) = (sandbox().await, sandbox().await);
    first.world().faults().add(Fault::at(CALL).hang_up(HangUp::AmidHead));
    let gateway = gateway(&[&first.base_url(), &second.base_url()], "").await;
    assert_eq!(gateway.get(CALL).await.status, 502);
    assert_eq!((calls(&first), calls(&second)), (1, 0));
}

#[tokio::test]
async fn a_kept_connection_that_dies_with_its_upstream_loses_nothing_that_may_be_repeated() {
    let (first, second) = (sandbox().await, sandbox().await);
    let gateway = gateway(&[&first.base_url(), &second.base_url()], "").await;
    let mut caller = gateway.connect().await;
    let mut get = async || {
        caller.request("GET", CALL, &[], b"").await;
        caller.reply().await.status
    };
    assert_eq!(get().await, 200);
    let (address, world) = (first.address(), std::sync::Arc::clone(first.world()));
    world.faults().add(Fault::at(CALL).hang_up(HangUp::Before));
    drop(first);
    within(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    assert_eq!(get().await, 200);
    assert!(world.journal().count(CALL) <= 2);
    assert_eq!(calls(&second), 1);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_no_reason_to_go_elsewhere() {
    let (first, second) = (sandbox().await, sandbox().await);
    let gateway = gateway(&[&first.base_url(), &second.base_url()], "").await;
    let mut caller = gateway.connect().await;
    for _ in 0..3 {
        caller.request("GET", CALL, &[], b"").await;
        assert_eq!(caller.reply().await.status, 200);
        first.world().faults().add(Fault::at(CALL).hang_up(HangUp::Before).times(1));
    }
    caller.request("POST", CALL, &[], b"{}").await;
    assert_eq!(outcome(&caller.reply().await), (502, Some("upstream_broke_off")));
    caller.request("POST", CALL, &[], b"{}").await;
    assert_eq!(caller.reply().await.status, 200);
    assert_eq!(second.world().journal().total(), 0);
}

#[tokio::test]
async fn when_all_are_down_all_are_tried_and_the_first_that_answers_is_used_at_once() {
    let ((kept, first), (kept_too, second)) = (nobody(), nobody());
    let gateway = gateway(&[&http(first), &http(second)], "").await;
    for _ in 0..2 {
        let reply = gateway.request("POST", CALL, &[], b"{}").await;
        assert_eq!(outcome(&reply), (502, Some("upstream_unreachable")));
    }
    drop(kept_too);
    let second = returning::sandbox_at(second.port()).await;
    assert_eq!(gateway.request("POST", CALL, &[], b"{}").await.status, 200, "long before any cool-down is over");
    assert_eq!(calls(&second), 1);
    drop(kept);
}

/// A slow endpoint is not a silent upstream.
#[tokio::test]
async fn an_upstream_that_answers_others_is_not_taken_for_silent() {
    let (first, second) = (sandbox().await, sandbox().await);
    first.world().faults().add(Fault::at("/sns/auth").hold(&wxgate::sandbox::Gate::new()));
    let text = configured(
        &[&first.base_url(), &second.base_url()],
        &format!("upstream.first_byte_timeout = '300ms'\n{}", account()),
    );
    let text = text.replace("server.workers = 2", "server.workers = 1"); // what one worker hears, it knows
    let gateway = Gateway::from_config(parse(&text, &Environment::default()).unwrap().config).await.unwrap();
    let mut slow = gateway.connect().await;
    slow.request("POST", "/sns/auth", &[], b"{}").await;
    let mut quick = gateway.connect().await;
    let reply = {
        let mut answer = std::pin::pin!(slow.reply());
        loop {
            quick.request("GET", CALL, &[], b"").await;
            tokio::select! {
                biased;
                reply = &mut answer => break reply,
                reply = quick.reply() => assert_eq!(reply.status, 200),
            }
        }
    };
    assert_eq!(outcome(&reply), (504, Some("upstream_timeout")));
    assert_eq!(gateway.request("POST", CALL, &[], b"{}").await.status, 200);
    assert_eq!(second.world().journal().total(), 0);
}

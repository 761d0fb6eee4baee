//! One process takes over from another on the same address, while callers call.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::watch;
use tokio::task::JoinSet;
use wxgate::sandbox::{DEFAULT_APPID, Sandbox};

use crate::process::Program;
use crate::support::{Caller, account, config_text, sandbox, within};

const CALLERS: usize = 6;

/// Callers that go on until they are told to stop. Every answer is looked at; none may be missing.
struct Load {
    stop: Arc<AtomicBool>,
    answered: watch::Receiver<usize>,
    callers: JoinSet<()>,
}

impl Load {
    fn on(address: SocketAddr) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (progress, answered) = watch::channel(0);
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let (stop, count, progress) = (Arc::clone(&stop), Arc::clone(&count), progress.clone());
            callers.spawn(async move {
                let mut kept = None;
                while !stop.load(Ordering::Relaxed) {
                    let mut caller = match kept.take() {
                        Some(caller) => caller,
                        None => Caller::connect(address).await,
                    };
                    caller.request("POST", "/wxa/any", &[], b"{}").await;
                    let reply = caller.try_reply_to("POST").await.expect("no request is lost");
                    assert_eq!((reply.status, reply.error(), reply.field("x-wxgate-retry")), (200, None, None));
                    progress.send_replace(count.fetch_add(1, Ordering::Relaxed));
                    // Some have a connection for each request, the others keep theirs as long as they may.
                    kept = (number % 3 > 0 && reply.field("connection") != Some("close")).then_some(caller);
                }
            });
        }
        Self { stop, answered, callers }
    }

    /// Waits until some more requests have been answered.
    async fn goes_on(&mut self) {
        let before = *self.answered.borrow_and_update();
        within(self.answered.wait_for(|now| *now > before + 10 * CALLERS)).await.unwrap();
    }

    async fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = within(self.callers.join_next()).await {
            ended.unwrap();
        }
        *self.answered.borrow()
    }
}

/// Two processes that share a store, with the endpoint at which a second fetch would end the first one's token.
fn sharing(wechat: &Sandbox, address: SocketAddr, directory: &std::path::Path, keys: &str) -> String {
    let keys = format!(
        "server.stop_delay = '500ms'\nstore.kind = 'file'\nstore.directory = '{}'\n\
         [listen]\naddress = '{address}'\n{keys}\n{}token = 'classic'\n",
        directory.display(),
        account()
    );
    config_text(&wechat.base_url(), &keys)
}

#[tokio::test]
async fn with_a_socket_that_both_have_no_request_is_lost_and_no_token_is_fetched() {
    let (wechat, store) = (sandbox().await, tempfile::tempdir().unwrap());
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let config = sharing(&wechat, address, store.path(), "");
    let mut running = Program::with_socket(&socket, &config);
    assert_eq!(running.address().await, address);
    let mut load = Load::on(address);
    load.goes_on().await;
    for _ in 0..3 {
        let mut next = Program::with_socket(&socket, &config);
        next.address().await;
        load.goes_on().await;
        running.signal("TERM");
        assert_eq!(running.ended().await.code(), Some(0));
        load.goes_on().await;
        running = next;
    }
    assert!(load.stop().await > 60 * CALLERS);
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).classic, 1, "the token of the first serves the last");
}

/// While nobody serves the socket, callers wait: this is what a restart with systemd's socket unit is like.
#[tokio::test]
async fn a_restart_behind_a_passed_socket_makes_callers_wait_and_loses_none() {
    let (wechat, store) = (sandbox().await, tempfile::tempdir().unwrap());
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let config = sharing(&wechat, address, store.path(), "");
    let mut running = Program::with_socket(&socket, &config);
    running.address().await;
    let mut load = Load::on(address);
    load.goes_on().await;
    running.signal("TERM");
    assert_eq!(running.ended().await.code(), Some(0));
    let mut next = Program::with_socket(&socket, &config);
    next.address().await;
    load.goes_on().await;
    load.stop().await;
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).classic, 1);
}

#[tokio::test]
async fn with_reuse_port_two_processes_listen_side_by_side() {
    let (wechat, store) = (sandbox().await, tempfile::tempdir().unwrap());
    let ((_reserved, address), (_also, admin)) = (reserved_port(), reserved_port());
    let config = sharing(&wechat, address, store.path(), "reuse_port = true");
    let config = config.replace("admin.address = 'off'", &format!("admin.address = '{admin}'"));
    let mut old = Program::run(&config);
    assert_eq!(old.address().await, address);
    let mut refused = Program::run(&config.replace("reuse_port = true", ""));
    assert_eq!(refused.ended().await.code(), Some(1), "not without it");
    let mut new = Program::run(&config);
    assert_eq!((new.address().await, new.admin_address().await), (address, admin), "the operator's port is shared too");
    old.signal("TERM");
    assert_eq!(old.ended().await.code(), Some(0));
    let mut caller = Caller::connect(address).await;
    caller.request("GET", "/wxa/any", &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
    assert_eq!(wechat.world().fetches(DEFAULT_APPID).classic, 1);
}

/// A port that nobody gets who does not share it. It is not listened on.
fn reserved_port() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[tokio::test]
async fn a_passed_socket_that_is_no_listeners_is_said() {
    let wechat = sandbox().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut program = Program::with_socket(&socket, &config_text(&wechat.base_url(), &account()));
    let said = program.says("is at no listener's address, and nobody serves it").await;
    assert!(said.contains(&socket.local_addr().unwrap().to_string()), "{said}");
    assert_ne!(program.address().await, socket.local_addr().unwrap());
}

//! Listeners on Unix sockets: the same gateway behind a file.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::UnixStream;
use wxgate::app::AppError;
use wxgate::sandbox::{Fault, Gate, Sandbox};

use crate::callers::hash_of;
use crate::process::Program;
use crate::support::{Caller, Gateway, account, config, config_text, sandbox, within};

const INFO: &str = "/cgi-bin/user/info?openid=o6";

/// A place for a socket file.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("wxgate.sock")
    }

    /// A listener there, and one on TCP.
    fn listen(&self, more: &str) -> String {
        let path = self.path();
        format!("[[listen]]\naddress = '127.0.0.1:0'\n[[listen]]\naddress = 'unix:{}'\n{more}\n", path.display())
    }

    async fn gateway(&self, wechat: &Sandbox, more: &str) -> Gateway {
        Gateway::with(wechat, &self.listen(more)).await
    }

    async fn caller(&self) -> Caller<UnixStream> {
        Caller::over(within(UnixStream::connect(self.path())).await.unwrap())
    }

    async fn assert_served(&self) {
        let mut caller = self.caller().await;
        caller.request("GET", INFO, &[], b"").await;
        assert_eq!(caller.reply().await.json()["openid"], "o6");
    }
}

#[tokio::test]
async fn a_unix_socket_is_served_beside_tcp() {
    let (wechat, place) = (sandbox().await, Place::new());
    let gateway = place.gateway(&wechat, "").await;
    let mut caller = place.caller().await;
    for _ in 0..3 {
        caller.request("GET", INFO, &[], b"").await;
        assert_eq!(caller.reply().await.json()["openid"], "o6");
    }
    wechat.world().kill_tokens();
    let body = vec![b'x'; 3_000_000];
    caller.request("POST", "/wxa/any", &[], &body).await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.field("x-wxgate-retry")), (200, Some("healed")), "{}", reply.text());
    caller.request("GET", "/cgi-bin/user/get", &[], b"").await;
    assert_eq!(caller.reply().await.json()["count"], 10_000);
    assert_eq!(gateway.get(INFO).await.status, 200);
}

/// No browser gets there by a name, so any name will do; but one that got there somehow is refused.
#[tokio::test]
async fn host_says_nothing_on_a_unix_socket() {
    let (wechat, place) = (sandbox().await, Place::new());
    let _gateway = place.gateway(&wechat, "").await;
    for (field, status) in [
        (("Host", "anything.example"), 200),
        (("Host", ""), 200),
        (("Host", "a b"), 400),
        (("Origin", "https://evil.example"), 403),
    ] {
        let mut caller = place.caller().await;
        caller.request("GET", INFO, &[field], b"").await;
        assert_eq!(caller.reply().await.status, status, "{field:?}");
    }
}

#[tokio::test]
async fn a_socket_file_has_the_mode_and_the_owner_of_the_configuration() {
    let wechat = sandbox().await;
    let here = Place::new().0.path().metadata().unwrap();
    // Only root may give files away.
    let owner = if here.uid() == 0 { (12_345, 23_456) } else { (here.uid(), here.gid()) };
    let owned = format!("owner = '{}:{}'\nmode = '0606'", owner.0, owner.1);
    for (more, mode, owner) in [
        ("", 0o660, (here.uid(), here.gid())),
        ("mode = '0600'", 0o600, (here.uid(), here.gid())),
        ("mode = '0777'", 0o777, (here.uid(), here.gid())),
        (&owned, 0o606, owner),
    ] {
        let place = Place::new();
        let _gateway = place.gateway(&wechat, more).await;
        let file = place.path().metadata().unwrap();
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o777, mode, "{more}");
        assert_eq!((file.uid(), file.gid()), owner, "{more}");
    }
}

#[tokio::test]
async fn a_file_that_nobody_listens_on_is_replaced() {
    let (wechat, place) = (sandbox().await, Place::new());
    drop(UnixListener::bind(place.path()).unwrap());
    assert!(place.path().exists());
    let _gateway = place.gateway(&wechat, "").await;
    place.assert_served().await;
}

#[tokio::test]
async fn what_is_in_use_or_no_socket_stays() {
    let (wechat, place) = (sandbox().await, Place::new());
    let _first = place.gateway(&wechat, "").await;
    let keys = format!("{}{}", place.listen(""), account());
    let refused = Gateway::from_config(config(&wechat.base_url(), &keys)).await;
    assert!(matches!(refused, Err(AppError::Bind(_))));
    place.assert_served().await;

    let other = Place::new();
    std::fs::write(other.path(), "precious").unwrap();
    let keys = format!("{}{}", other.listen(""), account());
    let Err(error) = Gateway::from_config(config(&wechat.base_url(), &keys)).await else { panic!("it listens") };
    assert!(error.to_string().contains("wxgate.sock") && error.to_string().contains("no socket"), "{error}");
    assert_eq!(std::fs::read(other.path()).unwrap(), b"precious");
}

#[tokio::test]
async fn the_file_goes_with_the_gateway_and_what_is_in_flight_is_answered() {
    let (wechat, place, gate) = (sandbox().await, Place::new(), Gate::new());
    wechat.world().faults().add(Fault::at("/wxa/any").hold(&gate));
    let gateway = place.gateway(&wechat, "").await;
    let (mut caller, mut idle) = (place.caller().await, place.caller().await);
    caller.request("GET", "/wxa/any", &[], b"").await;
    gate.held(1).await;
    gateway.drain();
    assert_eq!(idle.until_end().await, Some(Vec::new()));
    gate.open();
    assert_eq!(caller.reply().await.status, 200);
    gateway.stopped().await.unwrap();
    assert!(!place.path().exists());
}

/// A Unix socket has no address: `network` finds nobody there, the other ways do.
#[tokio::test]
async fn a_caller_behind_a_file_has_no_network() {
    const SECRET: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";
    let hash = hash_of(SECRET);
    let (wechat, place) = (sandbox().await, Place::new());
    let keys = format!(
        "admit = ['bearer', 'network']\n\
         [[caller]]\nname = 'crm'\nsecrets = ['{hash}']\n[[caller]]\nname = 'all'\nnetworks = ['0.0.0.0/0', '::/0']"
    );
    let _gateway = place.gateway(&wechat, &keys).await;
    let mut caller = place.caller().await;
    caller.request("GET", INFO, &[], b"").await;
    assert_eq!(caller.reply().await.error(), Some("caller_unknown"));
    caller.request("GET", INFO, &[("Authorization", &format!("Bearer {SECRET}"))], b"").await;
    assert_eq!(caller.reply().await.json()["openid"], "o6");
}

/// The program as an operator has it: nothing but a Unix socket.
fn program(wechat: &Sandbox, path: &Path) -> Program {
    let listen = format!("listen.address = 'unix:{}'\n{}", path.display(), account());
    Program::run(&config_text(&wechat.base_url(), &listen))
}

#[tokio::test]
async fn the_program_runs_on_a_unix_socket_alone() {
    let (wechat, place) = (sandbox().await, Place::new());
    let mut first = program(&wechat, &place.path());
    let line = first.says("listening for callers").await;
    assert!(line.contains(&format!("unix:{}", place.path().display())), "{line}");
    place.assert_served().await;
    first.signal("KILL");
    first.ended().await;
    assert!(place.path().exists(), "it had no time to clean up");
    let mut second = program(&wechat, &place.path());
    second.says("listening for callers").await;
    place.assert_served().await;
    second.signal("TERM");
    assert_eq!(second.ended().await.code(), Some(0));
    assert!(!place.path().exists());
}

#[tokio::test]
async fn a_path_that_cannot_be_had_is_told_at_the_start() {
    let (wechat, place) = (sandbox().await, Place::new());
    for path in [place.0.path().join("missing/wxgate.sock"), place.0.path().join("x".repeat(120))] {
        let mut refused = program(&wechat, &path);
        assert_eq!(refused.ended().await.code(), Some(1));
        assert!(refused.says("cannot listen on").await.contains("unix:"), "{:?}", refused.lines);
    }
}

#[tokio::test]
async fn the_operator_may_come_in_by_a_unix_socket_and_whoever_may_connect_may_refresh() {
    let (wechat, place) = (sandbox().await, Place::new());
    let admin = format!("[admin]\naddress = 'unix:{}'\nmode = '0600'\n", place.path().display());
    let gateway = Gateway::with(&wechat, &admin).await;
    let metadata = std::fs::metadata(place.path()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let ask = async |method: &str, target: &str, fields: &[(&str, &str)]| {
        let mut operator = place.caller().await;
        operator.request(method, target, fields, b"").await;
        operator.reply().await.status
    };
    gateway.get(INFO).await;
    assert_eq!(ask("GET", "/status", &[("Host", "any.name")]).await, 200, "no page reaches a Unix socket");
    assert_eq!(ask("POST", "/accounts/main/refresh", &[("X-Wxgate-Admin", "1")]).await, 200);
    assert_eq!(ask("POST", "/accounts/main/refresh", &[]).await, 403);
    gateway.drain();
    gateway.stopped().await.unwrap();
    assert!(!place.path().exists(), "the file goes with its listener");
}

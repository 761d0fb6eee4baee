//! A token that outlives the gateway, in a file.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use wxgate::config::{AccessLines, Log, LogFormat, LogLevel};
use wxgate::sandbox::{DEFAULT_APPID, Sandbox};
use wxgate::telemetry;

use crate::support::{Gateway, account, sandbox};

const PATH: &str = "/cgi-bin/user/info?openid=o6";

struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(format!("{DEFAULT_APPID}.json"))
    }

    /// A gateway that keeps its token here.
    async fn gateway(&self, wechat: &Sandbox) -> Gateway {
        let directory = self.0.path().display();
        Gateway::with(wechat, &format!("store.kind = 'file'\nstore.directory = '{directory}'")).await
    }
}

/// A heal is answered after the new token is in the file.
async fn heal(wechat: &Sandbox, gateway: &Gateway) {
    gateway.get(PATH).await;
    wechat.world().kill_tokens();
    assert_eq!(gateway.get(PATH).await.field("x-wxgate-retry"), Some("healed"));
}

/// What the gateway's slow half logs on this thread while `guard` lives.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let lines = self.clone();
        let log = Log { level: LogLevel::Info, format: LogFormat::Text, access: AccessLines::Off };
        tracing::subscriber::set_default(telemetry::subscriber(&log, false, move || lines.clone()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_the_stored_token_and_fetches_nothing() {
    let (wechat, disk) = (sandbox().await, Disk::new());
    let gateway = disk.gateway(&wechat).await;
    heal(&wechat, &gateway).await;
    gateway.drain();
    gateway.stopped().await.unwrap();

    let before = wechat.world().fetches(DEFAULT_APPID);
    let gateway = disk.gateway(&wechat).await;
    let reply = gateway.get(PATH).await;
    assert_eq!((reply.status, reply.field("x-wxgate-retry")), (200, None));
    assert_eq!(wechat.world().fetches(DEFAULT_APPID), before);
}

#[tokio::test]
async fn a_stored_token_that_died_meanwhile_is_healed_like_any_other() {
    let (wechat, disk) = (sandbox().await, Disk::new());
    heal(&wechat, &disk.gateway(&wechat).await).await;
    wechat.world().kill_tokens();
    let reply = disk.gateway(&wechat).await.get(PATH).await;
    assert_eq!((reply.status, reply.field("x-wxgate-retry")), (200, Some("healed")));
}

#[tokio::test]
async fn the_file_and_its_lock_are_their_owners_alone_and_the_only_ones() {
    let (wechat, disk) = (sandbox().await, Disk::new());
    heal(&wechat, &disk.gateway(&wechat).await).await;
    let mut files: Vec<_> = std::fs::read_dir(disk.0.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files, [disk.file(), disk.file().with_extension("lock")]);
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

/// As while one process hands over to the next. Each classic fetch would end the other's token.
#[tokio::test]
async fn two_gateways_share_a_classic_token_and_one_of_them_fetches() {
    let (wechat, disk) = (sandbox().await, Disk::new());
    let directory = disk.0.path().display();
    let keys = format!("store.kind = 'file'\nstore.directory = '{directory}'\n{}token = 'classic'\n", account());
    let [one, other] = [Gateway::with_accounts(&wechat, &keys).await, Gateway::with_accounts(&wechat, &keys).await];
    for round in 1..=5 {
        let (first, second) = tokio::join!(one.get(PATH), other.get(PATH));
        for reply in [first, second] {
            assert_eq!((reply.status, reply.json()["errcode"].as_i64().unwrap_or(0)), (200, 0), "{round}");
        }
        assert_eq!(wechat.world().fetches(DEFAULT_APPID).classic, round);
        wechat.world().kill_tokens();
    }
}

#[tokio::test]
async fn a_damaged_file_is_said_in_the_log_and_replaced() {
    let (wechat, disk, lines) = (sandbox().await, Disk::new(), Lines::default());
    std::fs::write(disk.file(), "{\"token\": \"92_torn").unwrap();
    let listening = lines.listen();
    heal(&wechat, &disk.gateway(&wechat).await).await;
    drop(listening);
    let log = lines.text();
    let said = log.lines().find(|line| line.contains(" WARN ")).unwrap_or_else(|| panic!("{log}"));
    assert!(said.contains(disk.file().to_str().unwrap()), "{said}");
    assert!(said.contains("cannot be used; a new one is fetched") && !said.contains("92_torn"), "{said}");

    let before = wechat.world().fetches(DEFAULT_APPID);
    assert_eq!(disk.gateway(&wechat).await.get(PATH).await.status, 200);
    assert_eq!(wechat.world().fetches(DEFAULT_APPID), before, "the file is whole again");
}

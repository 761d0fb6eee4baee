//! What the service manager is told (sd_notify(3)), seen from its end of the socket.

use std::path::Path;

use tempfile::TempDir;
use tokio::net::UnixDatagram;

use crate::process::Program;
use crate::support::{Caller, account, config_text, sandbox, within};

/// A service manager's socket.
struct Manager {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Manager {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        Self { socket: UnixDatagram::bind(directory.path().join("notify")).unwrap(), directory }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("notify")
    }

    /// The lines of the next message.
    async fn is_told(&self) -> Vec<String> {
        let mut message = [0; 1024];
        let length = within(self.socket.recv(&mut message)).await.unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap().lines().map(str::to_owned).collect()
    }

    /// The next message with this line in it.
    async fn hears(&self, line: &str) -> Vec<String> {
        loop {
            let message = self.is_told().await;
            if message.iter().any(|told| told == line) {
                return message;
            }
        }
    }
}

fn told_to(path: &Path) -> String {
    format!("export NOTIFY_SOCKET={}", path.display())
}

#[tokio::test]
async fn it_is_told_of_the_start_of_reloads_and_of_the_stop_in_order() {
    let (wechat, manager) = (sandbox().await, Manager::new());
    let keys = format!("server.stop_delay = '1h'\n{}", account());
    let mut program = Program::limited(&told_to(&manager.path()), &config_text(&wechat.base_url(), &keys));
    assert!(manager.is_told().await.contains(&"READY=1".to_owned()), "first of all");
    let mut caller = Caller::connect(program.address().await).await;
    caller.request("GET", "/wxa/any", &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);

    program.signal("HUP");
    let reloading = manager.is_told().await;
    assert_eq!(reloading[0], "RELOADING=1");
    let at: u64 = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(at > 0);
    assert!(manager.is_told().await.contains(&"READY=1".to_owned()));

    program.signal("TERM");
    assert!(manager.is_told().await.contains(&"STOPPING=1".to_owned()), "while it still serves");
    caller.request("GET", "/wxa/any", &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test]
async fn the_watchdog_is_kept_quiet_to_the_end_of_the_drain() {
    let (wechat, manager) = (sandbox().await, Manager::new());
    let gate = wxgate::sandbox::Gate::new();
    wechat.world().faults().add(wxgate::sandbox::Fault::at("/wxa/slow").hold(&gate));
    let before = format!("{}; export WATCHDOG_USEC=100000 WATCHDOG_PID=$$", told_to(&manager.path()));
    let mut program = Program::limited(&before, &config_text(&wechat.base_url(), &account()));
    for _ in 0..3 {
        manager.hears("WATCHDOG=1").await;
    }
    let mut caller = Caller::connect(program.address().await).await;
    caller.request("GET", "/wxa/slow", &[], b"").await;
    within(gate.held(1)).await;
    program.signal("TERM");
    manager.hears("STOPPING=1").await;
    for _ in 0..3 {
        manager.hears("WATCHDOG=1").await;
    }
    gate.open();
    assert_eq!(caller.reply().await.status, 200);
    assert_eq!(program.ended().await.code(), Some(0));
}

/// One that is not there, or of another process, must not keep wxgate from serving.
#[tokio::test]
async fn without_a_manager_at_the_other_end_it_serves_all_the_same() {
    let wechat = sandbox().await;
    let before = told_to(Path::new("/nonexistent/notify"));
    let mut program = Program::limited(&before, &config_text(&wechat.base_url(), &account()));
    let mut caller = Caller::connect(program.address().await).await;
    caller.request("GET", "/wxa/any", &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
}

//! A real Redis as a child process, and gateways that share their token through it.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::sync::mpsc::unbounded_channel;
use wxgate::sandbox::Sandbox;

use crate::support::{Gateway, account, within};

/// A running `redis-server` or `redis-sentinel`. Dropping it kills it.
pub struct Redis {
    child: Child,
    directory: TempDir,
}

impl Redis {
    /// On a Unix socket, which needs no free port, and keeping nothing on the disk.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same with further settings.
    pub async fn with(settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let own = ["--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "no"];
        let started = Self::try_start("redis-server", &[&own[..], settings].concat(), directory).await;
        started.unwrap_or_else(|said| panic!("{said}"))
    }

    /// On a free TCP port, which `settings` get to know.
    pub async fn on_port(settings: impl Fn(u16) -> Vec<String>) -> (Self, u16) {
        Self::program_on_port("redis-server", |port| {
            let own = ["--save", "", "--appendonly", "no"].map(str::to_owned);
            (own.into_iter().chain(settings(port)).collect(), String::new())
        })
        .await
    }

    /// A sentinel on a free port, with this configuration behind its port.
    pub async fn sentinel(config: &str) -> (Self, u16) {
        Self::program_on_port("redis-sentinel", |port| {
            (vec!["sentinel.conf".to_owned()], format!("port {port}\nbind 127.0.0.1\n{config}"))
        })
        .await
    }

    /// A free port may be taken by somebody else before the program has it: then once more.
    async fn program_on_port(program: &str, arguments: impl Fn(u16) -> (Vec<String>, String)) -> (Self, u16) {
        let mut said = String::new();
        for _ in 0..5 {
            let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            let directory = tempfile::tempdir().unwrap();
            let (arguments, config) = arguments(port);
            std::fs::write(directory.path().join("sentinel.conf"), config).unwrap();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            match Self::try_start(program, &arguments, directory).await {
                Ok(redis) => return (redis, port),
                Err(line) => said = line,
            }
        }
        panic!("{said}");
    }

    async fn try_start(program: &str, arguments: &[&str], directory: TempDir) -> Result<Self, String> {
        let spawned = Command::new(program)
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match spawned {
            Err(error) if error.kind() == ErrorKind::NotFound => panic!(
                "{program} is missing. These tests need a real Redis: apt-get install redis-server redis-sentinel \
                 (docs/development.md)"
            ),
            spawned => spawned.unwrap(),
        };
        let (says, mut said) = unbounded_channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| _ = says.send(line)));
        let redis = Self { child, directory };
        let mut lines = String::new();
        while let Some(line) = within(said.recv()).await {
            if line.contains("eady to accept connections") || line.contains("+monitor") {
                return Ok(redis);
            }
            lines.push_str(&line);
            lines.push('\n');
        }
        Err(lines)
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// `store` keys for it.
    pub fn keys(&self) -> String {
        format!("store.kind = 'redis'\nstore.url = 'unix:{}'\n", self.socket().display())
    }

    /// A connection of the test's own.
    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(format!("unix://{}", self.socket().display())).unwrap();
        within(client.get_multiplexed_async_connection()).await.unwrap()
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gateway keys for a classic account behind `store` keys.
pub fn classic(store: &str) -> String {
    format!("{store}\n{}token = 'classic'\n", account())
}

/// So many replicas, started at once.
pub async fn replicas(count: usize, wechat: &Sandbox, keys: &str) -> Vec<Gateway> {
    let mut replicas = Vec::new();
    for _ in 0..count {
        replicas.push(Gateway::with_accounts(wechat, keys).await);
    }
    replicas
}

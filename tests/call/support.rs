//! The vocabulary of these tests: a sandbox, a gateway in front of it, and runs of the program.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use std::io::Write;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use wxgate::app::{App, AppError};
use wxgate::config::{Environment, parse};
use wxgate::sandbox::{CLASSIC, DEFAULT_APPID, DEFAULT_SECRET, STABLE, Sandbox, Seen, Settings};
use wxgate::stage::{Control, Stage, control};

/// What a run of the program left behind.
pub struct Run {
    pub exit: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    pub fn stdout(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// A directory to run `wxgate call` in.
pub struct Place {
    directory: TempDir,
    variables: Vec<(String, String)>,
}

impl Place {
    /// Without a configuration.
    pub fn empty() -> Self {
        Self { directory: TempDir::new().unwrap(), variables: Vec::new() }
    }

    /// With this `config.toml`.
    pub fn with(config: &str) -> Self {
        Self::empty().file("config.toml", config.as_bytes())
    }

    pub fn file(self, name: &str, content: &[u8]) -> Self {
        std::fs::write(self.path(name), content).unwrap();
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self, name: impl AsRef<Path>) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Runs `wxgate call`.
    pub async fn call(&self, arguments: &[&str]) -> Run {
        self.call_with_input(arguments, b"").await
    }

    /// The same, with this on its standard input. Whatever it shows, it shows no secret.
    pub async fn call_with_input(&self, arguments: &[&str], input: &'static [u8]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wxgate"));
        command.arg("call").args(arguments.iter().map(OsStr::new)).current_dir(&self.directory);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = move || {
            let mut child = command.spawn()?;
            let _ = child.stdin.take().unwrap().write_all(input); // it may not want it
            child.wait_with_output()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        for shown in [&String::from_utf8_lossy(&output.stdout), stderr.as_str()] {
            assert!(!shown.contains(DEFAULT_SECRET), "the secret is never shown: {shown}");
        }
        Run { exit: output.status.code().unwrap(), stdout: output.stdout, stderr }
    }
}

pub async fn sandbox() -> Sandbox {
    Sandbox::start(Settings::default()).await.unwrap()
}

/// A configuration of one account with `more` keys, for this listener.
pub fn config(wechat: &Sandbox, listener: &str, more: &str) -> String {
    format!(
        "upstream.base_url = 'http://{}'\nadmin.address = 'off'\n{listener}\n[[account]]\nname = 'main'\n\
         appid = '{DEFAULT_APPID}'\nsecret = '{DEFAULT_SECRET}'\n{more}",
        wechat.address()
    )
}

/// A running gateway. Dropping it ends it.
pub struct Gateway {
    pub address: Option<SocketAddr>,
    control: Control,
    running: JoinHandle<Result<(), AppError>>,
}

impl Gateway {
    pub async fn start(config: &str) -> Self {
        let config = parse(config, &Environment::default()).unwrap().config;
        let app = App::bind(config).await.unwrap();
        let (address, control) = (app.addresses().first().copied(), control());
        let running = tokio::spawn({
            let control = control.clone();
            async move { app.run(&control).await }
        });
        Self { address, control, running }
    }

    /// In front of `wechat`, on a free port.
    pub async fn before(wechat: &Sandbox) -> Self {
        Self::start(&config(wechat, "listen.address = '127.0.0.1:0'", "")).await
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address.unwrap())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.control.advance(Stage::Ended);
        self.running.abort();
    }
}

/// The newest call at WeChat that is none for a token.
pub fn last_call(wechat: &Sandbox) -> std::sync::Arc<Seen> {
    let requests = wechat.world().journal().requests();
    requests.into_iter().rfind(|seen| ![STABLE, CLASSIC].contains(&seen.path())).unwrap()
}

//! The real program as a child process, as an operator starts it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::within;

/// The program, and what it says. Dropping it kills it.
pub struct Program {
    child: Child,
    said: UnboundedReceiver<String>,
    /// Every line so far, standard error and standard output together.
    pub lines: Vec<String>,
    directory: TempDir,
}

impl Program {
    /// `wxgate run` with this configuration.
    pub fn run(config: &str) -> Self {
        Self::limited("", config)
    }

    /// The same after commands of the shell, such as `ulimit -n 40`.
    pub fn limited(before: &str, config: &str) -> Self {
        let (directory, file) = configured(config);
        Self::start(before, &["run", "--config", file.to_str().unwrap()], directory, Stdio::null())
    }

    /// With a listening socket that is there already, as systemd passes it (sd_listen_fds(3)).
    pub fn with_socket(socket: &TcpListener, config: &str) -> Self {
        let (directory, file) = configured(config);
        // The only descriptor that goes over to a child by itself is one of the first three.
        let passing = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$";
        let stdin = Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
        Self::start(passing, &["run", "--config", file.to_str().unwrap()], directory, stdin)
    }

    /// Any of its commands.
    pub fn command(arguments: &[&str]) -> Self {
        Self::start("", arguments, tempfile::tempdir().unwrap(), Stdio::null())
    }

    fn start(before: &str, arguments: &[&str], directory: TempDir, stdin: Stdio) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("{before}\nexec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_wxgate")])
            .args(arguments)
            .current_dir(directory.path())
            .env_clear()
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (says, said) = unbounded_channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stderr.take().unwrap()), Box::new(child.stdout.take().unwrap())];
        for stream in streams {
            let says = says.clone();
            std::thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).all(|line| says.send(line).is_ok())
            });
        }
        Self { child, said, lines: Vec::new(), directory }
    }

    /// The first line that contains `text`, as soon as it comes; panics where the program ends before.
    pub async fn says(&mut self, text: &str) -> String {
        if let Some(line) = self.lines.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        loop {
            let Some(line) = within(self.said.recv()).await else { panic!("never {text:?} in {:#?}", self.lines) };
            self.lines.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Where it listens for callers, as it says itself.
    pub async fn address(&mut self) -> SocketAddr {
        address_in(&self.says("listening for callers").await)
    }

    /// Where it listens for the operator.
    pub async fn admin_address(&mut self) -> SocketAddr {
        address_in(&self.says("listening for the operator").await)
    }

    /// Where it was started, and where `config.toml` lies.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        while let Some(line) = within(self.said.recv()).await {
            self.lines.push(line);
        }
        self.child.wait().unwrap()
    }

    /// The most memory that it had at any time, in bytes (`VmHWM` of proc_pid_status(5)).
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory with this configuration in it.
fn configured(config: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    std::fs::write(&file, config).unwrap();
    (directory, file)
}

/// The address in a line of the log, in either of its formats.
pub fn address_in(line: &str) -> SocketAddr {
    let (_, rest) = line.rsplit_once("127.0.0.1:").unwrap();
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    ([127, 0, 0, 1], port.parse().unwrap()).into()
}

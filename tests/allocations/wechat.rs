//! The sandbox in a process of its own: this very test program, asked through its environment to be that.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use tokio::task::spawn_blocking;
use tokio_rustls::rustls::version::TLS13;

use crate::authority::Authority;

const ASKED: &str = "WXGATE_TEST_WECHAT";
/// Before the two things that it says.
const MARK: &str = "wechat: ";

/// The other process. It ends with this value, or with this process.
pub struct WeChat {
    child: Child,
    base_url: String,
    ca_file: String,
}

impl WeChat {
    pub fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "wechat_of_the_other_process", "--nocapture"])
            .env(ASKED, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut said = lines.filter_map(|line| Some(line.split_once(MARK)?.1.to_owned()));
        let (base_url, ca_file) = (said.next().unwrap(), said.next().unwrap());
        Self { child, base_url, ca_file }
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The key that makes a gateway trust it.
    pub fn ca_file(&self) -> String {
        format!("{}\n", self.ca_file)
    }
}

impl Drop for WeChat {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// In the other process: the sandbox, until the first one lets go of its input.
pub async fn serve_if_asked() {
    if std::env::var_os(ASKED).is_none() {
        return;
    }
    let authority = Authority::new();
    let sandbox = authority.sandbox("localhost", &[&TLS13]).await;
    println!("{MARK}https://localhost:{}", sandbox.address().port());
    println!("{MARK}{}", authority.ca_file().trim());
    spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

//! The real program at TRACE, with a note of everything that it says to anybody.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;

use super::search::Secrets;
use crate::process::{Program, address_in};
use crate::support::{Caller, config_text, within};

/// Shown to the admin listener alone.
pub const ADMIN_TOKEN: &str = "adm1n-t0ken-of-the-operator";

/// The program, and what its callers heard.
pub struct Watched {
    program: Program,
    /// Where it listens for callers, in the order of the configuration.
    pub listeners: Vec<SocketAddr>,
    admin: SocketAddr,
    heard: Vec<String>,
    /// Placeholders are meant for callers, and for nobody else.
    placeholders: Secrets,
    /// What the log must hold in the end.
    expected: Vec<&'static str>,
}

impl Watched {
    /// `format` is that of the log.
    pub async fn start(format: &str, base_url: &str, keys: &str) -> Self {
        let top = format!(
            "log = {{ level = 'trace', format = '{format}', access = 'all' }}\nadmin.address = '127.0.0.1:0'\n\
             admin.token = '{ADMIN_TOKEN}'\n{keys}"
        );
        let mut program = Program::run(&config_text(base_url, &top));
        let admin = program.admin_address().await;
        let said = program.lines.iter().filter(|line| line.contains("listening for callers"));
        let listeners = said.map(|line| address_in(line)).collect();
        Self { program, listeners, admin, heard: Vec::new(), placeholders: Secrets::default(), expected: Vec::new() }
    }

    pub async fn get(&mut self, target: &str) {
        self.say(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n")).await;
    }

    pub async fn post(&mut self, target: &str, body: &str) {
        let length = body.len();
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close");
        self.say(&format!("{head}\r\n\r\n{body}")).await;
    }

    /// Asks the gateway's own token endpoint, and remembers the placeholder.
    pub async fn token(&mut self, target: &str) {
        self.get(target).await;
        let (_, rest) = self.heard.last().and_then(|heard| heard.split_once("\"wxgate_")).unwrap();
        self.placeholders.add(rest.split('"').next().unwrap());
    }

    /// These bytes to the first listener; see [`call`].
    pub async fn say(&mut self, request: &str) {
        let heard = call(self.listeners[0], request).await;
        self.hear(heard);
    }

    /// Notes what a caller heard.
    pub fn hear(&mut self, heard: String) {
        self.heard.push(heard);
    }

    /// Writes these bytes and leaves.
    pub async fn leave(&mut self, bytes: &str) {
        Caller::connect(self.listeners[0]).await.write(bytes).await;
    }

    /// Each of these kinds of refusal was heard, and no other: the way to it has not changed.
    #[track_caller]
    pub fn expect_kinds(&self, kinds: &[&str]) {
        let field = |heard: &String| {
            let (_, rest) = heard.split_once("x-wxgate-error: ")?;
            Some(rest.split("\r\n").next()?.to_owned())
        };
        let mut heard: Vec<String> = self.heard.iter().filter_map(field).collect();
        heard.sort();
        heard.dedup();
        assert_eq!(heard.join(" "), kinds.join(" "));
    }

    /// The log has a line with each of these: it is the log that is meant to be searched.
    pub fn expect_lines(&mut self, expected: &'static [&'static str]) {
        self.expected.extend(expected);
    }

    /// Stops the program and searches all that it said.
    pub async fn finish(mut self, secrets: &Secrets) {
        for path in ["/livez", "/readyz", "/startupz", "/metrics", "/status", "/"] {
            self.heard.push(call(self.admin, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n")).await);
        }
        let known = format!("Host: localhost\r\nX-Wxgate-Admin: 1\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n");
        for path in ["/accounts/main/refresh", "/accounts/main/refresh?force=true", "/reload"] {
            self.heard.push(call(self.admin, &format!("POST {path} HTTP/1.1\r\n{known}")).await);
        }
        self.heard.push(call(self.admin, "GET /status HTTP/1.1\r\nHost: localhost\r\n").await);
        self.program.signal("TERM");
        assert_eq!(self.program.ended().await.code(), Some(0));
        for expected in &self.expected {
            self.program.says(expected).await;
        }
        let log = self.program.lines.join("\n");
        secrets.assert_none_in("the log", &log);
        self.placeholders.assert_none_in("the log", &log);
        for heard in &self.heard {
            assert!(!heard.is_empty());
            secrets.assert_none_in("an answer", heard);
        }
    }
}

/// What comes back for a request on a connection of its own, to the last byte. A head that is not ended is ended here.
pub async fn call(address: SocketAddr, request: &str) -> String {
    let mut caller = Caller::connect(address).await;
    let end = if request.contains("\r\n\r\n") { "" } else { "Connection: close\r\n\r\n" };
    caller.write(format!("{request}{end}")).await;
    let mut heard = Vec::new();
    let _ = within(caller.stream.read_to_end(&mut heard)).await; // also what comes before a reset
    String::from_utf8_lossy(&heard).into_owned()
}

//! What the operator wrote → what the program may trust: the sections, and what must hold between them.

mod account;
mod address;
mod caller;
mod listen;
mod store;
#[cfg(test)]
mod tests;
mod traces;
mod upstream;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use bytesize::ByteSize;
use secrecy::ExposeSecret;
use toml::Table;

use self::address::listen_address;
use super::environment::Environment;
use super::problem::Findings;
use super::secret_source;
use super::section::Section;
use super::value::{choice, count, duration, duration_or_zero, errcode, host_name, path, size};
use super::{AccessLines, Admin, Body, Config, Heal, Log, LogFormat, LogLevel, Server, Token, disk};

/// The configuration, which may be trusted if no problem was found.
pub(super) fn validate(table: Table, environment: &Environment) -> (Config, Findings) {
    let mut findings = Findings::default();
    let mut root = Section::root(table, environment, &mut findings);
    let listeners = listen::listeners(&mut root);
    let config = Config {
        server: root.section("server", server),
        admin: root.section("admin", admin),
        body: root.section("body", body),
        upstream: root.section("upstream", upstream::upstream),
        heal: root.section("heal", heal),
        token: root.section("token", token),
        store: root.section("store", store::store),
        accounts: account::accounts(&mut root),
        callers: caller::callers(&mut root),
        log: root.section("log", log),
        traces: root.section("traces", traces::traces),
        listeners: listeners.iter().map(|(_, listener)| listener.clone()).collect(),
    };
    listen::check_accounts(&mut root, &listeners, &config.accounts);
    listen::check_admission(&mut root, &listeners, &config.callers);
    caller::check(&mut root, &config.callers, &config.accounts);
    listen::check_addresses(&mut root, &listeners, &config.admin);
    if config.server.connections < listeners.len() {
        let message = "must be at least the number of listeners: each keeps one for its next caller";
        root.problem("server.connections", message);
    }
    root.finish();
    (config, findings)
}

fn server(section: &mut Section<'_>) -> Server {
    const WORKERS: RangeInclusive<usize> = 1..=256;
    // Far above what the descriptors of one process allow; a slip of the hand is above it.
    const AT_ONCE: RangeInclusive<usize> = 1..=1_000_000;
    let cores = || thread::available_parallelism().map_or(1, |cores| cores.get().min(*WORKERS.end()));
    Server {
        workers: section.read("workers", count(WORKERS)).ok().flatten().unwrap_or_else(cores),
        connections: section.read_or("connections", 16_384, count(AT_ONCE)),
        requests: section.read_or("requests", 4_096, count(AT_ONCE)),
        head_size: section.read_or("head_size", 64 << 10, size(ByteSize::kib(1)..=ByteSize::mib(1))),
        head_timeout: section.read_or("head_timeout", Duration::from_secs(15), duration),
        idle_timeout: section.read_or("idle_timeout", Duration::from_secs(75), duration),
        send_timeout: section.read_or("send_timeout", Duration::from_secs(30), duration),
        stop_delay: section.read_or("stop_delay", Duration::ZERO, duration_or_zero),
        drain_timeout: section.read_or("drain_timeout", Duration::from_secs(25), duration),
    }
}

fn admin(section: &mut Section<'_>) -> Admin {
    /// A token shorter than this can be guessed.
    const SHORTEST_TOKEN: usize = 16;
    let token = secret_source::read(section, "token").ok().flatten();
    if token.as_ref().is_some_and(|token| token.literal) {
        section.literal_secret("token");
    }
    if token.as_ref().is_some_and(|token| token.text.expose_secret().len() < SHORTEST_TOKEN) {
        section.problem("token", format!("must have at least {SHORTEST_TOKEN} bytes"));
    }
    Admin {
        address: listen_address(section, 8081, true),
        hosts: section.items("hosts", host_name).ok().flatten().unwrap_or_default(),
        token: token.map(|token| token.text),
    }
}

fn body(section: &mut Section<'_>) -> Body {
    let body = Body {
        memory: section.read_or("memory", 1 << 20, size(ByteSize::b(0)..=ByteSize::gib(1))),
        memory_total: section.read_or("memory_total", 256 << 20, size(ByteSize::b(0)..=ByteSize::tib(1))),
        limit: section.read_or("limit", 64 << 20, size(ByteSize::b(1)..=ByteSize::tib(1))),
        directory: section.read_or("directory", PathBuf::from("/var/tmp"), path),
        idle_timeout: section.read_or("idle_timeout", Duration::from_secs(30), duration),
    };
    if let Err(message) = disk::check_writable(&body.directory) {
        section.problem("directory", message);
    } else if let Some(kind) = disk::memory_backed(&body.directory) {
        section.warning("directory", format!("is on {kind}, which is memory: large bodies fill it; use a disk"));
    }
    body
}

fn heal(section: &mut Section<'_>) -> Heal {
    let errcodes = section.items("errcodes", errcode).ok().flatten().unwrap_or_else(|| vec![40001, 42001, 40014]);
    if errcodes.is_empty() {
        section.problem("errcodes", "must name at least one errcode, such as 40001");
    }
    Heal { errcodes, pause: section.read_or("pause", Duration::from_millis(500), duration) }
}

fn token(section: &mut Section<'_>) -> Token {
    Token {
        fetch_timeout: section.read_or("fetch_timeout", Duration::from_secs(10), duration),
        wait_timeout: section.read_or("wait_timeout", Duration::from_secs(8), duration),
        margin: section.read("margin", duration).ok().flatten(),
    }
}

fn log(section: &mut Section<'_>) -> Log {
    const LEVELS: [(&str, LogLevel); 5] = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    const ACCESS: [(&str, AccessLines); 3] =
        [("off", AccessLines::Off), ("errors", AccessLines::Errors), ("all", AccessLines::All)];
    Log {
        level: section.read_or("level", LogLevel::Info, choice(&LEVELS)),
        format: section.read_or(
            "format",
            LogFormat::Text,
            choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        ),
        access: section.read_or("access", AccessLines::Errors, choice(&ACCESS)),
    }
}

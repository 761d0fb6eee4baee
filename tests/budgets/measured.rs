//! The program under a tool that counts, while callers call.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_rustls::rustls::version::TLS13;

use crate::authority::Authority;
use crate::process::Program;
use crate::support::{Caller, account, config_text};

/// The sandbox answers `{"errcode":0,"errmsg":"ok"}`, 27 bytes, to a good token of about 140 characters.
pub const PATH: &str = "/wxa/any?openid=oABCD";

/// What `tool` wrote to its output file about a run in which `callers` sent `requests` each, one after the other on a
/// connection of its own. `tool` is the beginning of a command line, made from the file's name.
pub async fn run(tool: impl Fn(&Path) -> String, callers: usize, requests: usize) -> String {
    let authority = Authority::new();
    let wechat = authority.sandbox("localhost", &[&TLS13]).await;
    let base_url = format!("https://localhost:{}", wechat.address().port());
    // Further keys, to see what each costs: WXGATE_KEYS="log.access = 'all'".
    let more = std::env::var("WXGATE_KEYS").unwrap_or_default();
    let keys = format!("server.workers = 1\ntoken.wait_timeout = '15s'\n{more}\n{}{}", authority.ca_file(), account());
    let config = config_text(&base_url, &keys).replace("server.workers = 2\n", "");

    let directory = TempDir::new().unwrap();
    let file = directory.path().join("counts");
    let command = format!("exec {} '{}' \"$@\"", tool(&file), program().display());
    let mut program = Program::limited(&command, &config);
    let address = program.address().await;
    let mut load = JoinSet::new();
    for _ in 0..callers {
        load.spawn(async move {
            let mut caller = Caller::connect(address).await;
            for _ in 0..requests {
                caller.request("GET", PATH, &[], b"").await;
                assert_eq!(caller.reply().await.body, br#"{"errcode":0,"errmsg":"ok"}"#);
            }
        });
    }
    load.join_all().await;
    program.signal("TERM");
    program.ended().await;
    std::fs::read_to_string(file).unwrap()
}

/// The release build, where `WXGATE_PROGRAM` names it: the figures are about what users run.
pub fn program() -> PathBuf {
    let named = std::env::var_os("WXGATE_PROGRAM");
    named.map_or_else(|| env!("CARGO_BIN_EXE_wxgate").into(), |path| PathBuf::from(path).canonicalize().unwrap())
}

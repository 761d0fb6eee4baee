//! `address`, and for Unix sockets `mode` and `owner`, of a listener.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Value;

use crate::config::ListenAddress;
use crate::config::section::Section;
use crate::config::value::{address, mode, owner};

/// What stands there.
enum Written {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Off,
}

/// The address of a listener on `port` of 127.0.0.1 unless another is written; `None` for `"off"`, where that
/// `may_be_off`.
pub(super) fn listen_address(section: &mut Section<'_>, port: u16, may_be_off: bool) -> Option<ListenAddress> {
    let loopback = |port| Written::Tcp(([127, 0, 0, 1], port).into());
    let mode = section.read("mode", mode);
    let owner = section.read("owner", owner);
    // Port 0 clashes with nothing: one wrong address is one problem.
    let written = section.read("address", |value| parse(value, may_be_off));
    match written.map_or(loopback(0), |written| written.unwrap_or(loopback(port))) {
        Written::Unix(path) => Some(ListenAddress::Unix {
            path,
            mode: mode.ok().flatten().unwrap_or(0o660),
            owner: owner.ok().flatten().unwrap_or_default(),
        }),
        other => {
            for (key, is_written) in [("mode", matches!(mode, Ok(Some(_)))), ("owner", matches!(owner, Ok(Some(_))))] {
                if is_written {
                    section.problem(key, "is for Unix sockets; a TCP address has none");
                }
            }
            if let Written::Tcp(address) = other { Some(ListenAddress::Tcp(address)) } else { None }
        }
    }
}

fn parse(value: Value, may_be_off: bool) -> Result<Written, String> {
    match value.as_str() {
        Some("off") if may_be_off => return Ok(Written::Off),
        Some("unix:") => return Err("must have a path behind \"unix:\", such as \"unix:/run/wxgate.sock\"".to_owned()),
        Some(text) => {
            if let Some(path) = text.strip_prefix("unix:") {
                return Ok(Written::Unix(PathBuf::from(path)));
            }
        }
        None => {}
    }
    let off = if may_be_off { ", or \"off\"" } else { "" };
    let parsed = address(value).map(Written::Tcp);
    parsed.map_err(|message| format!("{message}, or \"unix:/run/wxgate.sock\"{off}"))
}

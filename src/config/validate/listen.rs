//! `[listen]` or `[[listen]]`.

use std::net::IpAddr;
use std::path::PathBuf;

use toml::Value;

use super::address::listen_address;
use crate::config::disk;
use crate::config::section::Section;
use crate::config::value::{boolean, choice, host_name, one_of, path, quoted, text};
use crate::config::{Account, Admin, Admit, Caller, ListenAddress, ListenTls, Listener, TokenEndpoint};

/// The listeners, each with the path of its section.
pub(super) fn listeners(root: &mut Section<'_>) -> Vec<(String, Listener)> {
    let listeners = root.section_or_sections("listen", |section| (section.path().to_owned(), listener(section)));
    if listeners.is_empty() {
        root.problem("listen", "must be at least one listener");
    }
    listeners
}

fn listener(section: &mut Section<'_>) -> Listener {
    let endpoints =
        [("placeholder", TokenEndpoint::Placeholder), ("real", TokenEndpoint::Real), ("refuse", TokenEndpoint::Refuse)];
    let listener = Listener {
        address: listen_address(section, 8080, false).unwrap_or(ListenAddress::Tcp(([127, 0, 0, 1], 0).into())),
        reuse_port: section.read_or("reuse_port", false, boolean),
        tls: tls(section),
        account: section.read("account", text).ok().flatten(),
        token_endpoint: section.read_or("token_endpoint", TokenEndpoint::Placeholder, choice(&endpoints)),
        hosts: section.items("hosts", host_name).ok().flatten().unwrap_or_default(),
        admit: section.items("admit", one_of(&ADMITS)).ok().flatten().unwrap_or_default(),
        browsers: section.read_or("browsers", false, boolean),
    };
    let client_ca = listener.tls.as_ref().and_then(|tls| tls.client_ca.as_ref());
    if listener.admit.contains(&Admit::Certificate) && client_ca.is_none() {
        section.problem("admit", "\"certificate\" needs tls.client_ca, which says whose certificates count");
    }
    match &listener.address {
        ListenAddress::Tcp(address) if !is_loopback(address.ip()) && listener.admit.is_empty() => {
            let message =
                "is beyond loopback: anyone who reaches it speaks as the account, unless admit demands callers";
            section.warning("address", message);
            if listener.token_endpoint == TokenEndpoint::Real {
                let message = "\"real\" hands the token to anyone on an address beyond loopback; \
                               use \"placeholder\", demand callers with admit, or listen on 127.0.0.1";
                section.problem("token_endpoint", message);
            }
        }
        ListenAddress::Unix { .. } if listener.reuse_port => {
            section.problem("reuse_port", "is for TCP; a Unix socket is one process's, or one that systemd hands over");
        }
        ListenAddress::Unix { .. } if listener.tls.is_some() => {
            section.problem("tls", "is for TCP; a Unix socket never leaves the machine");
        }
        ListenAddress::Tcp(_) | ListenAddress::Unix { .. } => {}
    }
    listener
}

const ADMITS: [(&str, Admit); 4] = [
    ("placeholder", Admit::Placeholder),
    ("bearer", Admit::Bearer),
    ("certificate", Admit::Certificate),
    ("network", Admit::Network),
];

fn tls(section: &mut Section<'_>) -> Option<ListenTls> {
    let Value::Table(table) = section.take("tls")? else {
        section.problem("tls", "must be a table: { certificate = \"chain.pem\", private_key = \"key.pem\" }");
        return None;
    };
    section.inline("tls", table, |section| {
        let certificate = file(section, "certificate", true);
        let private_key = file(section, "private_key", true);
        let client_ca = file(section, "client_ca", false);
        Some(ListenTls { certificate: certificate?, private_key: private_key?, client_ca })
    })
}

/// A file that can be read.
fn file(section: &mut Section<'_>, key: &'static str, required: bool) -> Option<PathBuf> {
    let path = section.read(key, path).ok()?;
    match &path {
        None if required => {
            section.problem(key, "is missing");
        }
        Some(path) => {
            if let Err(message) = disk::check_readable(path) {
                section.problem(key, message);
            }
        }
        None => {}
    }
    path
}

/// Every listener's account exists.
pub(super) fn check_accounts(root: &mut Section<'_>, listeners: &[(String, Listener)], accounts: &[Account]) {
    // A name that was refused, or may have been meant, is already a problem.
    if accounts.is_empty() || accounts.iter().any(|account| account.name.is_empty()) {
        return;
    }
    let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
    for (path, listener) in listeners {
        if listener.account.as_deref().is_some_and(|account| !names.contains(&account)) {
            root.problem(&format!("{path}.account"), format!("must name an account: {}", quoted(&names)));
        }
    }
}

/// Where callers are demanded, there are some.
pub(super) fn check_admission(root: &mut Section<'_>, listeners: &[(String, Listener)], callers: &[Caller]) {
    for (path, listener) in listeners {
        if !listener.admit.is_empty() && callers.is_empty() {
            root.problem(&format!("{path}.admit"), "demands callers, but there is no [[caller]]");
        }
    }
}

/// No address is listened on twice. Port 0 is a new port each time.
pub(super) fn check_addresses(root: &mut Section<'_>, listeners: &[(String, Listener)], admin: &Admin) {
    let mut taken: Vec<(String, ListenAddress)> = Vec::new();
    let all = listeners.iter().map(|(path, listener)| (path.as_str(), listener.address.clone()));
    for (path, address) in all.chain(admin.address.clone().map(|address| ("admin", address))) {
        let key = format!("{path}.address");
        let taken_by = taken.iter().find(|(_, other)| is_same(other, &address));
        if let Some((first, _)) = taken_by {
            root.problem(&key, format!("is the same as {first}"));
        }
        taken.push((key, address));
    }
}

fn is_same(one: &ListenAddress, other: &ListenAddress) -> bool {
    match (one, other) {
        (ListenAddress::Tcp(one), ListenAddress::Tcp(other)) => one == other && one.port() != 0,
        (ListenAddress::Unix { path: one, .. }, ListenAddress::Unix { path: other, .. }) => one == other,
        _ => false,
    }
}

/// Also for an IPv4 address in IPv6 clothes.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

//! `[listen]` or `[[listen]]`.

use std::net::{IpAddr, SocketAddr};

use crate::config::section::Section;
use crate::config::value::{address, boolean, choice, host_name, quoted, text};
use crate::config::{Account, Admin, Listener, TokenEndpoint};

/// The listeners, each with the path of its section.
pub(super) fn listeners(root: &mut Section<'_>) -> Vec<(String, Listener)> {
    let listeners = root.section_or_sections("listen", |section| (section.path().to_owned(), listener(section)));
    if listeners.is_empty() {
        root.problem("listen", "must be at least one listener");
    }
    listeners
}

fn listener(section: &mut Section<'_>) -> Listener {
    // Port 0 clashes with nothing: one wrong address is one problem.
    let (default, refused) = (([127, 0, 0, 1], 8080).into(), ([127, 0, 0, 1], 0).into());
    let endpoints =
        [("placeholder", TokenEndpoint::Placeholder), ("real", TokenEndpoint::Real), ("refuse", TokenEndpoint::Refuse)];
    let listener = Listener {
        address: section.read("address", address).map_or(refused, |address| address.unwrap_or(default)),
        account: section.read("account", text).ok().flatten(),
        token_endpoint: section.read_or("token_endpoint", TokenEndpoint::Placeholder, choice(&endpoints)),
        hosts: section.items("hosts", host_name).ok().flatten().unwrap_or_default(),
        browsers: section.read_or("browsers", false, boolean),
    };
    if !is_loopback(listener.address.ip()) {
        section.warning("address", "is beyond loopback: anyone who reaches it speaks as the account");
        if listener.token_endpoint == TokenEndpoint::Real {
            let message = "\"real\" hands the token to anyone on an address beyond loopback; \
                           use \"placeholder\", or listen on 127.0.0.1";
            section.problem("token_endpoint", message);
        }
    }
    listener
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

/// No address is listened on twice. Port 0 is a new port each time.
pub(super) fn check_addresses(root: &mut Section<'_>, listeners: &[(String, Listener)], admin: &Admin) {
    let mut taken: Vec<(String, SocketAddr)> = Vec::new();
    let all = listeners.iter().map(|(path, listener)| (path.as_str(), listener.address));
    for (path, address) in all.chain(admin.address.map(|address| ("admin", address))) {
        let key = format!("{path}.address");
        if let Some((first, _)) = taken.iter().find(|(_, other)| *other == address && address.port() != 0) {
            root.problem(&key, format!("is the same as {first}"));
        }
        taken.push((key, address));
    }
}

/// Also for an IPv4 address in IPv6 clothes.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

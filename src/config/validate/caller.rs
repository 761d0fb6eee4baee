//! `[[caller]]`.

use std::collections::HashSet;
use std::hash::Hash;

use crate::config::section::Section;
use crate::config::value::{boolean, checked_name, host_name, network, path_pattern, quoted, rate, sha256, text};
use crate::config::{Account, Caller};

/// The callers, in their order.
pub(super) fn callers(root: &mut Section<'_>) -> Vec<Caller> {
    root.sections("caller", caller).unwrap_or_default()
}

fn caller(section: &mut Section<'_>) -> Caller {
    let caller = Caller {
        name: match section.read("name", |value| text(value).and_then(checked_name)) {
            Ok(None) => {
                section.problem("name", "is missing");
                String::new()
            }
            written => written.ok().flatten().unwrap_or_default(),
        },
        secrets: section.items("secrets", sha256).ok().flatten().unwrap_or_default(),
        certificates: section.items("certificates", host_name).ok().flatten().unwrap_or_default(),
        networks: section.items("networks", network).ok().flatten().unwrap_or_default(),
        accounts: section.items("accounts", text).ok().flatten().unwrap_or_default(),
        allow: section.items("allow", path_pattern).ok().flatten().unwrap_or_default(),
        deny: section.items("deny", path_pattern).ok().flatten().unwrap_or_default(),
        report_only: section.read_or("report_only", false, boolean),
        rate: section.read("rate", rate).ok().flatten(),
    };
    let shows_nothing = caller.secrets.is_empty() && caller.certificates.is_empty() && caller.networks.is_empty();
    if shows_nothing {
        section.warning("secrets", "is empty, as are certificates and networks: nobody can be this caller");
    }
    caller
}

/// What one caller is known by is nobody else's, and its accounts exist.
pub(super) fn check(root: &mut Section<'_>, callers: &[Caller], accounts: &[Account]) {
    unique(root, "name", callers.iter().enumerate().map(|(index, caller)| (index, &caller.name)));
    unique(root, "secrets", each(callers, |caller| &caller.secrets));
    unique(root, "certificates", each(callers, |caller| &caller.certificates));
    unique(root, "networks", each(callers, |caller| &caller.networks));
    let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
    for (index, account) in each(callers, |caller| &caller.accounts) {
        if !names.contains(&account.as_str()) && !names.is_empty() {
            root.problem(&format!("caller[{index}].accounts"), format!("must name accounts: {}", quoted(&names)));
        }
    }
}

/// Every item of a list of every caller, with the caller's number.
fn each<'a, T: 'a>(
    callers: &'a [Caller],
    list: impl Fn(&'a Caller) -> &'a Vec<T>,
) -> impl Iterator<Item = (usize, &'a T)> {
    callers.iter().enumerate().flat_map(move |(index, caller)| list(caller).iter().map(move |item| (index, item)))
}

fn unique<'a, T: Hash + Eq + 'a>(root: &mut Section<'_>, key: &str, items: impl Iterator<Item = (usize, &'a T)>) {
    let mut seen = HashSet::new();
    for (index, item) in items {
        if !seen.insert(item) {
            root.problem(&format!("caller[{index}].{key}"), "stands there twice; it must belong to one caller, once");
        }
    }
}

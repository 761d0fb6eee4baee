//! `[[account]]`.

use secrecy::{ExposeSecret, SecretString};
use toml::{Table, Value};

use crate::config::secret_source;
use crate::config::section::Section;
use crate::config::value::{boolean, checked_name, choice, text};
use crate::config::{Account, TokenKind};

/// The two variables that make an account where the file has none.
const VARIABLES: [&str; 2] = ["WXGATE_APPID", "WXGATE_SECRET"];
/// An HMAC key shorter than this can be guessed.
const SHORTEST_KEY: usize = 16;

/// The accounts. What was refused is empty in them; their problems are noted.
pub(super) fn accounts(root: &mut Section<'_>) -> Vec<Account> {
    if VARIABLES.iter().any(|name| root.environment().text(name).is_some()) {
        root.supply("account", from_environment());
    }
    let mut accounts = root.sections("account", account).unwrap_or_default();
    if accounts.is_empty() {
        let message = "there is none: write [[account]] with appid and secret, or set WXGATE_APPID and WXGATE_SECRET";
        root.problem("account", message);
    }
    check_unique(root, "name", &accounts, |account| &account.name);
    check_unique(root, "appid", &accounts, |account| &account.appid);
    check_default(root, &accounts);
    if let [only] = accounts.as_mut_slice() {
        only.default = true;
    }
    accounts
}

/// `[[account]]` as the operator would have written it.
fn from_environment() -> Value {
    let [appid, secret] = VARIABLES.map(secret_source::variable);
    let keys = [("name", Value::from("main")), ("appid", appid), ("secret", secret)];
    Value::Array(vec![Value::Table(Table::from_iter(keys.map(|(key, value)| (key.to_owned(), value))))])
}

fn account(section: &mut Section<'_>) -> Account {
    let kinds = [("auto", TokenKind::Auto), ("stable", TokenKind::Stable), ("classic", TokenKind::Classic)];
    let appid = appid(section);
    Account {
        name: name(section, &appid),
        secret: secret(section),
        token: section.read_or("token", TokenKind::Auto, choice(&kinds)),
        default: section.read_or("default", false, boolean),
        placeholder_key: placeholder_key(section),
        appid,
    }
}

fn appid(section: &mut Section<'_>) -> String {
    match secret_source::read(section, "appid") {
        Ok(Some(appid)) if is_appid(appid.text.expose_secret()) => return appid.text.expose_secret().to_owned(),
        Ok(Some(_)) => {
            section.problem("appid", "must be an appid, such as \"wx0123456789abcdef\": letters, digits, _ and - only");
        }
        Ok(None) => {
            section.problem("appid", "is missing");
        }
        Err(_) => {}
    }
    String::new()
}

/// It stands in queries as it is, so it must need no encoding.
fn is_appid(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn secret(section: &mut Section<'_>) -> SecretString {
    match secret_source::read(section, "secret") {
        Ok(Some(secret)) => {
            if secret.literal {
                section.literal_secret("secret");
            }
            return secret.text;
        }
        Ok(None) => {
            section.problem("secret", "is missing: { env = \"NAME\" } or { file = \"path\" }");
        }
        Err(_) => {}
    }
    SecretString::default()
}

fn placeholder_key(section: &mut Section<'_>) -> Option<SecretString> {
    let key = secret_source::read(section, "placeholder_key").ok().flatten()?;
    if key.literal {
        section.literal_secret("placeholder_key");
    }
    if key.text.expose_secret().len() < SHORTEST_KEY {
        section.problem("placeholder_key", format!("must have at least {SHORTEST_KEY} bytes"));
    }
    Some(key.text)
}

/// The name, or the appid, which is always fit to be one.
fn name(section: &mut Section<'_>, appid: &str) -> String {
    match section.read("name", |value| text(value).and_then(checked_name)) {
        Ok(Some(name)) => name,
        Ok(None) => appid.to_owned(),
        Err(_) => String::new(),
    }
}

fn check_unique(root: &mut Section<'_>, key: &str, accounts: &[Account], value: impl Fn(&Account) -> &String) {
    for (index, account) in accounts.iter().enumerate() {
        let first = accounts.iter().position(|other| value(other) == value(account));
        if let Some(first) = first.filter(|first| *first < index && !value(account).is_empty()) {
            root.problem(&format!("account[{index}].{key}"), format!("is the same as account[{first}].{key}"));
        }
    }
}

fn check_default(root: &mut Section<'_>, accounts: &[Account]) {
    let mut defaults = accounts.iter().enumerate().filter(|(_, account)| account.default).map(|(index, _)| index);
    let Some(first) = defaults.next() else { return };
    for index in defaults {
        root.problem(&format!("account[{index}].default"), format!("only one can be, and account[{first}] is already"));
    }
}

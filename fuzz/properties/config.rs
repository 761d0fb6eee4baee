//! Configuration: any text is either refused, with what is wrong and never with a value, or gives what the program may
//! trust.
//!
//! `PLANTED` in the input stands for a secret.

use std::collections::HashSet;

use toml::{Table, Value};
use wxgate::config::{Config, Environment, parse};
use wxgate::secret::ExposeSecret;

const SECRET: &str = "f00dfeedf00dfeedf00dfeedf00dfeed";
/// What names something: a problem may repeat it.
const NAMES: [&str; 2] = ["env", "file"];

pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // It would read the machine's own files, for ever in the case of `/dev/zero`.
    if text.contains("/dev") || text.contains("/proc") {
        return;
    }
    let text = text.replace("PLANTED", SECRET);
    let environment = Environment::from_iter([("SECRET_HERE", SECRET), ("APPID_HERE", "wx1")]);
    let written: Option<Table> = text.parse().ok();
    match parse(&text, &environment) {
        Err(problems) => {
            let shown = format!("{problems} {problems:?}");
            assert!(!problems.0.is_empty());
            assert!(written.is_some_and(|table| names_the_secret(&table)) || !shown.contains(SECRET), "{shown}");
        }
        Ok(loaded) => {
            let table = written.expect("it is TOML");
            let warnings = format!("{:?}", loaded.warnings);
            assert!(names_the_secret(&table) || !warnings.contains(SECRET), "{warnings}");
            can_be_trusted(&loaded.config);
            let again = parse(&text, &environment).expect("as before");
            assert_eq!(format!("{:?}", again.config), format!("{:?}", loaded.config));
        }
    }
}

/// Whether the secret stands where a name does: a key, a variable, a path.
fn names_the_secret(table: &Table) -> bool {
    table.iter().any(|(key, value)| {
        let named = NAMES.contains(&key.as_str()) && value.as_str().is_some_and(|text| text.contains(SECRET));
        key.contains(SECRET) || named || within(value)
    })
}

fn within(value: &Value) -> bool {
    match value {
        Value::Table(table) => names_the_secret(table),
        Value::Array(values) => values.iter().any(within),
        _ => false,
    }
}

fn can_be_trusted(config: &Config) {
    let distinct = |texts: Vec<&str>| texts.iter().collect::<HashSet<_>>().len() == texts.len();
    assert!(!config.listeners.is_empty() && !config.accounts.is_empty());
    assert!(distinct(config.accounts.iter().map(|account| account.name.as_str()).collect()));
    assert!(distinct(config.accounts.iter().map(|account| account.appid.as_str()).collect()));
    assert!(distinct(config.callers.iter().map(|caller| caller.name.as_str()).collect()));
    assert!(config.accounts.iter().filter(|account| account.default).count() <= 1);
    assert!((1..=256).contains(&config.server.workers) && !config.heal.errcodes.contains(&0));
    for account in &config.accounts {
        let shown = format!("{account:?}");
        let secret = account.secret.expose_secret();
        let elsewhere = [&account.name, &account.appid].iter().any(|text| text.contains(secret));
        assert!(secret.len() < 16 || elsewhere || !shown.contains(secret), "{shown}");
        let in_a_query = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        assert!(!account.appid.is_empty() && account.appid.chars().all(in_a_query), "{}", account.appid);
    }
    let names: HashSet<&str> = config.accounts.iter().map(|account| account.name.as_str()).collect();
    assert!(
        config.listeners.iter().filter_map(|listener| listener.account.as_deref()).all(|name| names.contains(name))
    );
    assert!(config.callers.iter().flat_map(|caller| &caller.accounts).all(|name| names.contains(name.as_str())));
}

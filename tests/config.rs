//! The configuration as an operator meets it: the example file, the environment, and secrets that stay secret.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may; clippy.toml's leave does not reach the helpers")]

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use tempfile::TempDir;
use wxgate::config::{Config, Environment, Loaded, Problems, load, parse};

const EXAMPLE: &str = include_str!("../config.toml");
const REFERENCES: [&str; 2] =
    [include_str!("../docs/configuration.md"), include_str!("../docs/configuration.zh-CN.md")];
const CREDENTIALS: [(&str, &str); 2] = [("WXGATE_APPID", "wx1234"), ("WXGATE_SECRET", "s3cr3t-value")];
const ACCOUNT: &str = "[[account]]\nname = 'main'\nappid = 'wx1234'\nsecret = 's3cr3t-value'\n";

/// Two values for every scalar key outside lists.
const SCALARS: [(&str, &str, [&str; 2]); 55] = [
    ("listen", "address", ["127.0.0.1:9999", "127.0.0.1:9998"]),
    ("listen", "mode", ["0600", "0666"]),
    ("listen", "owner", ["root", ":0"]),
    ("listen", "account", ["main", "shop"]),
    ("listen", "token_endpoint", ["refuse", "real"]),
    ("listen", "browsers", ["true", "false"]),
    ("listen", "reuse_port", ["true", "false"]),
    ("server", "workers", ["7", "8"]),
    ("server", "connections", ["7", "8"]),
    ("server", "requests", ["7", "8"]),
    ("server", "head_size", ["7KiB", "8KiB"]),
    ("server", "head_timeout", ["7s", "8s"]),
    ("server", "idle_timeout", ["7s", "8s"]),
    ("server", "send_timeout", ["7s", "8s"]),
    ("server", "stop_delay", ["0s", "8s"]),
    ("server", "drain_timeout", ["7s", "8s"]),
    ("admin", "address", ["off", "127.0.0.1:9999"]),
    ("admin", "mode", ["0600", "0666"]),
    ("admin", "owner", ["root", ":0"]),
    ("body", "memory", ["7KiB", "8KiB"]),
    ("body", "memory_total", ["7KiB", "8KiB"]),
    ("body", "limit", ["7KiB", "8KiB"]),
    ("body", "directory", ["/tmp", "/var/tmp"]),
    ("body", "idle_timeout", ["7s", "8s"]),
    ("upstream", "base_url", ["http://localhost:8090", "https://sh.api.weixin.qq.com"]),
    ("upstream", "ca_file", ["Cargo.toml", "config.toml"]),
    ("upstream", "proxy", ["http://10.0.0.1:3128", "http://10.0.0.2:3128"]),
    ("upstream", "connect_timeout", ["7s", "8s"]),
    ("upstream", "first_byte_timeout", ["7s", "8s"]),
    ("upstream", "idle_body_timeout", ["7s", "8s"]),
    ("upstream", "idle_timeout", ["7s", "8s"]),
    ("upstream", "idle_connections", ["7", "8"]),
    ("upstream", "connection_life", ["7s", "8s"]),
    ("upstream", "resolver", ["dns", "system"]),
    ("upstream", "cool_down", ["7s", "8s"]),
    ("heal", "pause", ["7s", "8s"]),
    ("token", "fetch_timeout", ["7s", "8s"]),
    ("token", "wait_timeout", ["7s", "8s"]),
    ("token", "margin", ["7s", "8s"]),
    ("store", "kind", ["file", "memory"]),
    ("store", "directory", ["/tmp", "/var/tmp"]),
    ("store", "url", ["redis://cache", "unix:/run/redis.sock"]),
    ("store", "master_name", ["mymaster", "other"]),
    ("store", "ca_file", ["Cargo.toml", "config.toml"]),
    ("store", "prefix", ["a:", "b:"]),
    ("store", "connect_timeout", ["1500ms", "2s"]),
    ("store", "timeout", ["1500ms", "2s"]),
    ("log", "level", ["debug", "error"]),
    ("log", "format", ["json", "text"]),
    ("log", "access", ["all", "off"]),
    ("traces", "endpoint", ["http://127.0.0.1:4318/v1/traces", "https://otlp.example/v1/traces"]),
    ("traces", "sample", ["0.5", "0"]),
    ("traces", "service_name", ["a", "b"]),
    ("traces", "ca_file", ["Cargo.toml", "config.toml"]),
    ("traces", "timeout", ["7s", "8s"]),
];
/// Lists and tables, which have no variable.
const COMPOUND: [(&str, &str); 9] = [
    ("listen", "admit"),
    ("listen", "hosts"),
    ("listen", "tls"),
    ("admin", "hosts"),
    ("heal", "errcodes"),
    ("upstream", "base_urls"),
    ("upstream", "name_servers"),
    ("store", "sentinels"),
    ("traces", "headers"),
];
/// Scalar keys whose value no output shows.
const HIDDEN: [(&str, &str); 3] = [("admin", "token"), ("store", "password"), ("store", "sentinel_password")];

fn from_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    parse(text, &Environment::from_iter(variables.iter().copied()))
}

fn config(text: &str, variables: &[(&str, &str)]) -> Config {
    from_text(text, variables).unwrap_or_else(|problems| panic!("{problems}")).config
}

fn shown(config: &Config) -> String {
    format!("{config:#?}")
}

/// A directory with one file in it, readable by its owner alone unless `mode` says otherwise.
fn file(text: &str, mode: u32) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("wxgate.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    (directory, path)
}

/// The keys that a section knows, as its answer to an unknown one lists them; `""` is the whole file.
fn known_keys(section: &str) -> Vec<String> {
    let header = match section {
        "" => String::new(),
        "account" | "caller" => format!("[[{section}]]"),
        _ => format!("[{section}]"),
    };
    let problems = from_text(&format!("{header}\nno-such-key = 1"), &[]).unwrap_err().to_string();
    let line = problems.lines().find(|line| line.contains("no-such-key: unknown key")).unwrap();
    let (_, known) = line.split_once("known here: ").unwrap();
    known.trim_end_matches(')').split(", ").map(str::to_owned).collect()
}

/// The example with the lines that start with `marks` switched on.
fn example(marks: &[&str]) -> String {
    let switch = |line: &str| marks.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line).to_owned();
    EXAMPLE.lines().map(|line| if line.starts_with("# ") { line.to_owned() } else { switch(line) } + "\n").collect()
}

// ---- The example file ----

#[test]
fn the_example_loads_with_the_two_variables() {
    let environment = Environment::from_iter(CREDENTIALS);
    for path in [None, Some(Path::new("config.toml"))] {
        let loaded = load(path, &environment).unwrap();
        assert_eq!(loaded.file.as_deref(), Some(Path::new("config.toml")));
        let account = &loaded.config.accounts[0];
        assert_eq!((account.name.as_str(), account.appid.as_str()), ("main", "wx1234"));
        assert_eq!(account.secret.expose_secret(), "s3cr3t-value");
    }
}

#[test]
fn the_defaults_that_the_example_states_are_the_defaults() {
    let defaults = config("", &CREDENTIALS);
    assert_eq!(shown(&config(EXAMPLE, &CREDENTIALS)), shown(&defaults));

    // The leading "#" alone goes: "## " becomes "# " and stays a comment.
    let stated = example(&["#"]);
    assert!(stated.contains("\nidle_timeout = \"75s\"") && stated.contains("\n# margin = "), "{stated}");
    assert_eq!(shown(&config(&stated, &CREDENTIALS)), shown(&defaults));
}

#[test]
fn the_settings_without_a_default_in_the_example_work_too() {
    let (directory, secret) = file("shop-secret", 0o600);
    let text = example(&["## ", "#"])
        .replace("\n[listen]\n", "\n[[listen]]\n")
        .replace("\nbase_url = ", "\n# instead of base_urls: ")
        .replace("\nresolver = \"system\"", "\nresolver = \"dns\"")
        .replace("/run/secrets/shop", secret.to_str().unwrap())
        .replace("extra-ca.pem", secret.to_str().unwrap())
        .replace("certificate.pem", secret.to_str().unwrap())
        .replace("private-key.pem", secret.to_str().unwrap())
        .replace("wxgate:www-data", "root:0")
        .replace("redis-ca.pem", secret.to_str().unwrap())
        .replace("wxgate:operators", "root:0")
        .replace("address = \"127.0.0.1:8081\"", "address = \"unix:/run/wxgate-admin.sock\"")
        .replace("collector-ca.pem", secret.to_str().unwrap())
        .replace("/var/lib/wxgate", directory.path().to_str().unwrap());
    let text = if cfg!(feature = "otlp") { text } else { text.replace("\nendpoint = ", "\n# takes the feature: ") };
    let variables = [
        CREDENTIALS[0],
        CREDENTIALS[1],
        ("WXGATE_KEY", "sixteen-bytes-xx"),
        ("ADMIN_TOKEN", "sixteen-bytes-yy"),
        ("REDIS_PASSWORD", "p"),
        ("SENTINEL_PASSWORD", "p"),
        ("OTLP_KEY", "p"),
    ];
    let config = config(&text, &variables);
    assert_eq!((config.accounts.len(), config.listeners.len(), config.callers.len()), (2, 4, 1));
    assert!(
        config.accounts[0].placeholder_key.is_some() && config.admin.token.is_some() && config.upstream.proxy.is_some()
    );
}

#[test]
fn the_example_names_every_key() {
    let text = example(&["## ", "#"]);
    for section in known_keys("") {
        let is_header = |line: &str| line == format!("[{section}]") || line == format!("[[{section}]]");
        let mut inside = false;
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| {
                inside = if line.starts_with('[') { is_header(line) } else { inside };
                inside
            })
            .collect();
        assert!(!lines.is_empty(), "no section {section}");
        for key in known_keys(&section) {
            assert!(lines.iter().any(|line| line.starts_with(&format!("{key} = "))), "{section}.{key} is missing");
        }
    }
}

// ---- The reference, in both languages ----

#[test]
fn the_references_have_the_keys_of_the_example_in_its_order_with_their_variables_and_defaults() {
    let expected: Vec<_> = stated_keys()
        .into_iter()
        .map(|(section, key, default)| {
            let variable = variable_that_is_read(&section, &key);
            (section, key, variable, default)
        })
        .collect();
    for reference in REFERENCES {
        let title = reference.lines().next().unwrap();
        let documented = documented_keys(reference);
        for row in &expected {
            assert!(documented.contains(row), "{title}: has no row {row:?}");
        }
        for row in &documented {
            assert!(expected.contains(row), "{title}: has a row too many, {row:?}");
        }
        assert_eq!(documented, expected, "{title}: another order, or a row twice");
    }
}

#[test]
fn the_examples_of_the_references_are_valid_and_the_same() {
    let directory = TempDir::new().unwrap();
    for name in ["certificate.pem", "private-key.pem"] {
        fs::write(directory.path().join(name), "PEM").unwrap();
    }
    let variables = ["MAIN_SECRET", "SHOP_SECRET", "REDIS_PASSWORD"].map(|name| (name, "s3cr3t-value"));
    let variables: Vec<_> = variables.into_iter().chain(CREDENTIALS).collect();
    let [english, chinese] = REFERENCES.map(|reference| {
        let blocks = reference.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let blocks = blocks.map(|block| block.replace("/etc/wxgate", directory.path().to_str().unwrap()));
        blocks.map(|block| shown(&config(&block, &variables))).collect::<Vec<_>>()
    });
    assert_eq!(english.len(), 4);
    assert_eq!(english, chinese);
}

/// Section, key and default of each key that the example names, in its order. Only what `#` alone switches off is a
/// default; a key may stand there once more with a value for a special case.
fn stated_keys() -> Vec<(String, String, Option<String>)> {
    let mut section = String::new();
    let mut keys: Vec<(String, String, Option<String>)> = Vec::new();
    for line in EXAMPLE.lines().filter(|line| !line.starts_with("# ")) {
        let (line, is_default) = match (line.strip_prefix("## "), line.strip_prefix('#')) {
            (Some(line), _) => (line, false),
            (None, Some(line)) => (line, true),
            (None, None) => (line, false),
        };
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once(" = ")
            && !keys.iter().any(|(its_section, its_key, _)| *its_section == section && its_key == key)
        {
            keys.push((section.clone(), key.to_owned(), is_default.then(|| value.to_owned())));
        }
    }
    // Listeners of special cases stand further down; the reference has all of a section together.
    let sections: Vec<String> = keys.iter().map(|(section, ..)| section.clone()).collect();
    keys.sort_by_key(|(section, ..)| sections.iter().position(|first| first == section));
    keys
}

/// The environment variable that the code looks at for a key: the only kind that can be no UTF-8.
fn variable_that_is_read(section: &str, key: &str) -> Option<String> {
    let names = [format!("WXGATE_{section}_{key}"), format!("WXGATE_{key}")].map(|name| name.to_uppercase());
    names.into_iter().find(|name| {
        let environment = Environment::from_iter([(name, OsString::from_vec(vec![0xff]))]);
        parse("", &environment).unwrap_err().to_string().contains(&format!("{name} is not UTF-8"))
    })
}

/// Section, key, variable and default of each row under a heading such as `` ### `[listen]` ``. What stands in words
/// instead of a variable or a default is none.
fn documented_keys(reference: &str) -> Vec<(String, String, Option<String>, Option<String>)> {
    let code = |cell: &str| Some(cell.trim().strip_prefix('`')?.strip_suffix('`')?.to_owned());
    let sections = reference.split("\n### `[").skip(1).flat_map(|rest| {
        let (heading, rest) = rest.split_once("]`\n").unwrap();
        let section = heading.trim_matches(['[', ']']).to_owned();
        let rows = rest.split("\n#").next().unwrap().lines().filter(|line| line.starts_with("| `"));
        rows.map(move |row| (section.clone(), row))
    });
    let keys = sections.map(|(section, row)| {
        let cells: Vec<&str> = row.split('|').collect();
        assert_eq!(cells.len(), 6, "{row}");
        assert!(!cells[4].trim().is_empty(), "{row}");
        (section, code(cells[1]).unwrap(), code(cells[2]), code(cells[3]))
    });
    keys.collect()
}

// ---- The environment ----

#[test]
fn every_scalar_key_has_a_variable_that_wins_over_the_file() {
    // A build without the feature refuses that one, as another test says.
    let refused = |key: &(&str, &str, _)| !cfg!(feature = "otlp") && (key.0, key.1) == ("traces", "endpoint");
    for (section, key, [value, other]) in SCALARS.into_iter().filter(|key| !refused(key)) {
        let beside = match (section, key) {
            ("store", "kind") => "directory = '/tmp'",
            ("store", "directory") => "kind = 'file'",
            ("store", "url") => "kind = 'redis'",
            ("store", "master_name") => "kind = 'redis'\nurl = 'redis://cache'\nsentinels = ['one:26379']",
            ("store", _) => "kind = 'redis'\nurl = 'rediss://cache'",
            ("listen" | "admin", "mode" | "owner") => "address = 'unix:/run/wxgate.sock'",
            _ => "",
        };
        let shop = "[[account]]\nname = 'shop'\nappid = 'wx2'\nsecret = 's2'";
        let file = |value| format!("[{section}]\n{beside}\n{key} = '{value}'\n{ACCOUNT}\n{shop}");
        let variable = format!("WXGATE_{section}_{key}").to_uppercase();

        let overridden = shown(&config(&file(other), &[(&variable, value)]));
        assert_eq!(overridden, shown(&config(&file(value), &[])), "{variable}");
        assert_ne!(overridden, shown(&config(&file(other), &[])), "{variable} changes nothing");
        assert!(!variable.starts_with("WXGATE_PORT") && !variable.starts_with("WXGATE_SERVICE_"), "{variable}");
    }
}

#[test]
#[cfg(not(feature = "otlp"))]
fn the_one_key_that_takes_a_feature_is_refused_without_it_and_the_message_says_what_to_do() {
    let text = format!("[traces]\nendpoint = 'http://127.0.0.1:4318/v1/traces'\n{ACCOUNT}");
    let problems = from_text(&text, &[]).unwrap_err().to_string();
    assert!(problems.starts_with("traces.endpoint: this wxgate was built without the feature otlp"), "{problems}");
    assert!(problems.contains("cargo build --release --features otlp"), "{problems}");
}

#[test]
fn the_table_of_scalar_keys_is_complete() {
    let keys = SCALARS.iter().map(|(section, key, _)| (*section, *key)).chain(COMPOUND).chain(HIDDEN);
    let mut keys: Vec<String> = keys.map(|(section, key)| format!("{section}.{key}")).collect();
    let sections = known_keys("").into_iter().filter(|section| section != "account" && section != "caller");
    let mut known: Vec<String> = sections
        .flat_map(|section| known_keys(&section).into_iter().map(move |key| format!("{section}.{key}")))
        .collect();
    keys.sort();
    known.sort();
    assert_eq!(keys, known);
}

#[test]
fn a_wrong_value_from_a_variable_names_both() {
    let problems = from_text(ACCOUNT, &[("WXGATE_SERVER_WORKERS", "many"), ("WXGATE_BODY_LIMIT", "")]).unwrap_err();
    let problems = problems.to_string();
    assert!(problems.contains("server.workers: must be a whole number from 1 to 256 (from WXGATE_SERVER_WORKERS)"));
    assert!(problems.contains("body.limit: must be a size") && problems.contains("(from WXGATE_BODY_LIMIT)"));
}

#[test]
fn unknown_variables_are_ignored() {
    let kubernetes = [
        ("WXGATE_PORT", "tcp://10.0.0.1:8080"),
        ("WXGATE_SERVICE_HOST", "10.0.0.1"),
        ("WXGATE_LISTEN_PORT", "1"),
        ("WXGATE_NONSENSE", "1"),
    ];
    assert_eq!(shown(&config(ACCOUNT, &kubernetes)), shown(&config(ACCOUNT, &[])));
    config(&format!("[[listen]]\n{ACCOUNT}"), &kubernetes);
}

#[test]
fn a_listen_variable_beside_several_listeners_is_an_error() {
    let text = format!("[[listen]]\n[[listen]]\naddress = '127.0.0.1:1'\n{ACCOUNT}");
    let problems = from_text(&text, &[("WXGATE_LISTEN_ADDRESS", "127.0.0.1:2")]).unwrap_err();
    assert_eq!(problems.0.len(), 1, "{problems}");
    assert!(problems.to_string().starts_with("listen: WXGATE_LISTEN_ADDRESS is set"), "{problems}");
}

#[test]
fn the_variable_of_one_upstream_beside_several_is_an_error() {
    let text = format!("[upstream]\nbase_urls = ['https://api.weixin.qq.com']\n{ACCOUNT}");
    let problems = from_text(&text, &[("WXGATE_UPSTREAM_BASE_URL", "http://localhost")]).unwrap_err().to_string();
    assert!(problems.starts_with("upstream.base_url: stands beside base_urls"), "{problems}");
    assert!(problems.ends_with("(from WXGATE_UPSTREAM_BASE_URL)"), "{problems}");
}

#[test]
fn two_variables_make_an_account() {
    let config = config("", &CREDENTIALS);
    let [account] = config.accounts.as_slice() else { panic!("{config:?}") };
    assert_eq!((account.name.as_str(), account.appid.as_str(), account.default), ("main", "wx1234", true));
    assert_eq!(account.secret.expose_secret(), "s3cr3t-value");

    let problems = |variables| from_text("", variables).unwrap_err().to_string();
    assert_eq!(problems(&CREDENTIALS[..1]), "account[0].secret: the environment variable WXGATE_SECRET is not set");
    assert_eq!(problems(&CREDENTIALS[1..]), "account[0].appid: the environment variable WXGATE_APPID is not set");
    assert!(problems(&[]).starts_with("account: there is none: write [[account]]"));
}

#[test]
fn beside_accounts_the_two_variables_are_only_values() {
    let text = "[[account]]\nname = 'own'\nappid = 'wx9'\nsecret = { env = 'WXGATE_SECRET' }";
    let config = config(text, &CREDENTIALS);
    let [account] = config.accounts.as_slice() else { panic!("{config:?}") };
    assert_eq!((account.name.as_str(), account.appid.as_str()), ("own", "wx9"));
    assert_eq!(account.secret.expose_secret(), "s3cr3t-value");
}

// ---- Secrets ----

#[test]
fn a_secret_comes_from_a_file_less_one_line_break() {
    for (content, secret) in [("s3cr3t", Ok("s3cr3t")), ("s3cr3t\n", Ok("s3cr3t")), ("s3cr3t\r\n", Ok("s3cr3t"))]
        .into_iter()
        .chain(["s3cr3t\n\n", "s3 cr3t", "", "\n"].map(|content| (content, Err(()))))
    {
        let (_directory, path) = file(content, 0o600);
        let text = format!("[[account]]\nappid = 'wx1'\nsecret = {{ file = '{}' }}", path.display());
        let read = from_text(&text, &[]);
        match (&read, secret) {
            (Ok(loaded), Ok(secret)) => assert_eq!(loaded.config.accounts[0].secret.expose_secret(), secret),
            (Err(problems), Err(())) => assert!(!problems.to_string().contains("cr3t"), "{problems}"),
            _ => panic!("{content:?}: {read:?}"),
        }
    }
}

#[test]
fn a_secret_file_that_cannot_be_read_is_named() {
    let text = "[[account]]\nappid = 'wx1'\nsecret = { file = '/nowhere/secret' }";
    let problems = from_text(text, &[]).unwrap_err().to_string();
    assert!(problems.starts_with("account[0].secret: the file /nowhere/secret cannot be read"), "{problems}");
}

#[test]
fn a_secret_has_exactly_one_source() {
    for source in ["{}", "{ env = 'A', file = 'b' }", "5", "['s']", "''"] {
        let text = format!("[[account]]\nappid = 'wx1'\nsecret = {source}");
        let problems = from_text(&text, &[("A", "a")]).unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert_eq!(problems.0[0].key, "account[0].secret");
    }
}

#[test]
fn a_literal_secret_in_a_file_that_others_read_is_a_warning() {
    let store = "[store]\nkind = 'redis'\nurl = 'redis://:pa55word@cache'\npassword = 'pa55word'\n";
    let text =
        format!("upstream.proxy = 'http://me:pa55word@proxy'\n{store}{ACCOUNT}placeholder_key = 'k3y-of-16-bytes-x'");
    let secret_warnings = |mode: u32, variables: &[(&str, &str)]| {
        let (_directory, path) = file(&text, mode);
        let warnings = load(Some(&path), &Environment::from_iter(variables.iter().copied())).unwrap().warnings;
        warnings.into_iter().filter(|warning| warning.message.contains("chmod 600")).collect::<Vec<_>>()
    };
    let warnings = secret_warnings(0o644, &[]);
    let keys: Vec<&str> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(
        keys,
        ["upstream.proxy", "store.password", "store.url", "account[0].secret", "account[0].placeholder_key"]
    );
    let printed = format!("{warnings:?}");
    assert!(["s3cr3t", "pa55word", "k3y"].iter().all(|secret| !printed.contains(secret)), "{printed}");

    assert_eq!(secret_warnings(0o640, &[]), []);
    let overridden = secret_warnings(0o644, &[("WXGATE_UPSTREAM_PROXY", "http://me:other@proxy")]);
    assert!(overridden.iter().all(|warning| warning.key != "upstream.proxy"), "{overridden:?}");
}

#[test]
fn debug_output_shows_no_secret() {
    let store = "[store]\nkind = 'redis'\nurl = 'redis://:s3cr3t@cache'\nsentinels = ['one:1']\nmaster_name = 'm'\n\
                 sentinel_password = 's3cr3t'\n";
    let text =
        format!("upstream.proxy = 'http://me:s3cr3t@proxy'\n{store}{ACCOUNT}placeholder_key = 's3cr3t-of-16-bytes'");
    let loaded = from_text(&text, &[]).unwrap();
    assert!(!format!("{loaded:?} {loaded:#?}").contains("s3cr3t"));
}

#[test]
fn no_problem_repeats_a_value_that_may_be_a_secret() {
    let scalars = SCALARS.iter().map(|(section, key, _)| format!("[{section}]\n{key} = 's3cr3t hidden'"));
    let compounds = COMPOUND.iter().map(|(section, key)| format!("[{section}]\n{key} = ['s3cr3t hidden']"));
    let accounts = ["name", "appid", "secret", "token", "default", "placeholder_key"]
        .map(|key| format!("[[account]]\n{key} = 's3cr3t hidden'"));
    let broken = [
        "secret = 's3cr3t",
        "secret = \"s3cr3t\\q\"",
        "secret = s3cr3t",
        "secret = 's3cr3t' 's3cr3t'",
        "secret s3cr3t",
        "secret = 's3cr3t'\nsecret = 's3cr3t'",
        "secret = { env = 's3cr3t'",
        "secret = { env = 's3cr3t' }",
    ]
    .map(|line| format!("[[account]]\n{line}\n"));
    let hidden = HIDDEN.iter().map(|(section, key)| format!("[{section}]\n{key} = 's3cr3t hidden'"));
    for text in scalars.chain(hidden).chain(compounds).chain(accounts).chain(broken) {
        let problems = from_text(&text, &[]).unwrap_err();
        assert!(!format!("{problems} {problems:?}").contains("s3cr3t"), "{text}\n{problems}");
    }
}

// ---- The file itself ----

#[test]
fn a_file_that_is_missing_or_no_text_is_an_error() {
    let environment = Environment::from_iter(CREDENTIALS);
    let problems = load(Some(Path::new("/nowhere/wxgate.toml")), &environment).unwrap_err().to_string();
    assert!(problems.starts_with("/nowhere/wxgate.toml: cannot be read: "), "{problems}");

    let (_directory, path) = file("", 0o600);
    fs::write(&path, b"\xff").unwrap();
    assert!(load(Some(&path), &environment).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn a_syntax_error_has_a_line_and_a_column() {
    let (_directory, path) = file("[server]\nworkers = = 2\n", 0o600);
    let problems = load(Some(&path), &Environment::default()).unwrap_err().to_string();
    assert!(problems.starts_with(&format!("{}, line 2, column 11: ", path.display())), "{problems}");
}

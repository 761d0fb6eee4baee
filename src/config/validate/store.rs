//! `[store]`.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use toml::Value;

use crate::config::secret_source::{self, Sourced};
use crate::config::section::{Refused, Section};
use crate::config::value::{choice, duration, host_and_port, path, text};
use crate::config::{Redis, RedisAddress, Sentinels, Store, disk, url};

/// A claim lasts for 5 s and is renewed each second; what takes longer than this would lose it.
const LONGEST: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memory,
    File,
    Redis,
}

pub(super) fn store(section: &mut Section<'_>) -> Store {
    const KINDS: [(&str, Kind); 3] = [("memory", Kind::Memory), ("file", Kind::File), ("redis", Kind::Redis)];
    let kind = section.read("kind", choice(&KINDS));
    let directory = section.read("directory", path);
    let redis = redis(section);
    let (Ok(kind), Ok(directory), Ok(redis)) = (kind, directory, redis) else { return Store::Memory };
    match (kind, directory, redis) {
        (Some(Kind::File), Some(directory), _) => in_directory(section, directory),
        (Some(Kind::File), None, _) => refuse(section, "directory", "is missing: kind = \"file\" needs one"),
        (Some(Kind::Redis), _, Some(redis)) => Store::Redis(redis),
        (Some(Kind::Redis), _, None) => refuse(section, "url", "is missing: kind = \"redis\" needs one"),
        (None, Some(_), _) => refuse(section, "kind", "is missing: a directory is for kind = \"file\""),
        (None, _, Some(_)) => refuse(section, "kind", "is missing: a url is for kind = \"redis\""),
        (Some(Kind::Memory) | None, ..) => Store::Memory,
    }
}

fn refuse(section: &mut Section<'_>, key: &str, message: &str) -> Store {
    section.problem(key, message);
    Store::Memory
}

fn in_directory(section: &mut Section<'_>, directory: PathBuf) -> Store {
    match disk::check_writable(&directory) {
        Ok(()) => Store::File { directory },
        Err(message) => refuse(section, "directory", &message),
    }
}

/// `None` without a `url`.
fn redis(section: &mut Section<'_>) -> Result<Option<Redis>, Refused> {
    let url = secret_source::read(section, "url");
    let password = secret(section, "password");
    let sentinels = sentinels(section);
    let ca_file = section.read("ca_file", |value| {
        let file = path(value)?;
        disk::check_readable(&file).map(|()| file)
    });
    let prefix = section.read_or("prefix", "wxgate:".to_owned(), text);
    let connect_timeout = section.read_or("connect_timeout", Duration::from_secs(1), short);
    let timeout = section.read_or("timeout", Duration::from_secs(1), short);
    let Some(Sourced { text, literal }) = url? else { return Ok(None) };
    let url = url::redis(&text).map_err(|message| section.problem("url", message))?;
    if literal && url.password.is_some() {
        section.literal_secret("url");
    }
    if sentinels.is_some() && matches!(url.address, RedisAddress::Unix(_)) {
        section.problem("url", "must be \"redis://\" or \"rediss://\" where sentinels say where the master is");
    }
    Ok(Some(Redis {
        address: url.address,
        username: url.username,
        password: password.or(url.password),
        database: url.database,
        sentinels,
        ca_file: ca_file.ok().flatten(),
        prefix,
        connect_timeout,
        timeout,
    }))
}

fn sentinels(section: &mut Section<'_>) -> Option<Sentinels> {
    let addresses = section.items("sentinels", host_and_port).ok().flatten();
    let master_name = section.read("master_name", text).ok().flatten();
    let password = secret(section, "sentinel_password");
    match (addresses, master_name) {
        (Some(addresses), Some(master_name)) if !addresses.is_empty() => {
            Some(Sentinels { addresses, master_name, password })
        }
        (Some(_), Some(_)) => refused(section, "sentinels", "must name at least one sentinel"),
        (Some(_), None) => refused(section, "master_name", "is missing: sentinels are asked for a master by its name"),
        (None, Some(_)) => refused(section, "sentinels", "is missing: a master_name is for asking sentinels"),
        (None, None) => None,
    }
}

fn refused(section: &mut Section<'_>, key: &str, message: &str) -> Option<Sentinels> {
    section.problem(key, message);
    None
}

fn secret(section: &mut Section<'_>, key: &'static str) -> Option<SecretString> {
    let secret = secret_source::read(section, key).ok().flatten()?;
    if secret.literal {
        section.literal_secret(key);
    }
    Some(secret.text)
}

fn short(value: Value) -> Result<Duration, String> {
    let duration = duration(value)?;
    if duration <= LONGEST { Ok(duration) } else { Err("must be at most \"2s\": replicas wait for it".to_owned()) }
}

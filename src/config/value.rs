//! Single values: text that was written → a value in its range.
//!
//! Each parser says in its error what would be right. None repeats the value: it may be a secret
//! that landed in the wrong place. Numbers and truth values may also be written as text, since the
//! environment knows nothing else.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use data_encoding::HEXLOWER_PERMISSIVE;
use ipnet::IpNet;
use toml::Value;

use super::section::nearest;
use super::{Owner, Rate};

/// Longer than this is a slip of the unit, not a deadline.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The finest step of tokio's timers.
const SHORTEST: Duration = Duration::from_millis(1);

/// Any text.
pub(super) fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("must be a text in quotes".to_owned()),
    }
}

/// A path; whether anything is there is not asked here.
pub(super) fn path(value: Value) -> Result<PathBuf, String> {
    match text(value)? {
        path if path.is_empty() => Err("must not be empty".to_owned()),
        path => Ok(path.into()),
    }
}

/// `true` or `false`.
pub(super) fn boolean(value: Value) -> Result<bool, String> {
    match value {
        Value::Boolean(value) => Some(value),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| "must be true or false".to_owned())
}

/// A whole number within `range`.
pub(super) fn count(range: RangeInclusive<usize>) -> impl FnOnce(Value) -> Result<usize, String> {
    move |value| {
        let count = match value {
            Value::Integer(number) => usize::try_from(number).ok(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        count
            .filter(|count| range.contains(count))
            .ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

/// A part of a whole, 0 … 1.
pub(super) fn part(value: Value) -> Result<f64, String> {
    let part = match value {
        Value::Integer(number) => u8::try_from(number).ok().map(f64::from),
        Value::Float(number) => Some(number),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    part.filter(|part| (0.0..=1.0).contains(part)).ok_or_else(|| "must be a number from 0 to 1, such as 0.1".to_owned())
}

/// An IP address, with a port other than 53 behind it or without one.
pub(super) fn name_server(value: Value) -> Result<SocketAddr, String> {
    let text = text(value)?;
    let with_port = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)).or_else(|_| text.parse());
    with_port.ok().filter(|address| address.port() != 0).ok_or_else(|| {
        "must be the IP address of a name server, such as \"10.0.0.2\", \"10.0.0.2:5353\" or \"[::1]:53\"".to_owned()
    })
}

/// A duration with its unit, from 1 ms to a day.
pub(super) fn duration(value: Value) -> Result<Duration, String> {
    from(SHORTEST, value)
}

/// The same, or none at all: `"0s"`.
pub(super) fn duration_or_zero(value: Value) -> Result<Duration, String> {
    from(Duration::ZERO, value)
}

fn from(shortest: Duration, value: Value) -> Result<Duration, String> {
    let text = with_unit(value, "s", "a duration, such as \"5s\" or \"500ms\"")?;
    humantime::parse_duration(&text)
        .map_err(|_| "must be a duration with its unit, such as \"5s\", \"500ms\" or \"1m 30s\"".to_owned())
        .and_then(|duration| match (shortest..=LONGEST).contains(&duration) {
            true => Ok(duration),
            false if shortest.is_zero() => Err("must be a duration from \"0s\" to \"1day\"".to_owned()),
            false => Err("must be a duration from \"1ms\" to \"1day\"".to_owned()),
        })
}

/// A number of bytes with its unit, within `range`.
pub(super) fn size<T>(range: RangeInclusive<ByteSize>) -> impl FnOnce(Value) -> Result<T, String>
where
    T: TryFrom<u64>,
{
    move |value| {
        let text = with_unit(value, "KiB", "a size, such as \"64KiB\" or \"16MiB\"")?;
        let bytes = ByteSize::from_str(&text)
            .map_err(|_| "must be a size with its unit, such as \"64KiB\" or \"16MiB\"".to_owned())?;
        let value = T::try_from(bytes.0).ok().filter(|_| range.contains(&bytes));
        value.ok_or_else(|| format!("must be a size from \"{}\" to \"{}\"", range.start(), range.end()))
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(words: &[(&str, T)]) -> impl FnOnce(Value) -> Result<T, String> {
    move |value| {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let refusal = |hint: String| format!("must be one of {}{hint}", quoted(&names));
        let Value::String(text) = value else { return Err(refusal(String::new())) };
        words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let near = nearest(&text, &names).map(|near| format!("; did you mean \"{near}\"?"));
            refusal(near.unwrap_or_default())
        })
    }
}

/// As [`choice`], for the items of a list.
pub(super) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(Value) -> Result<T, String> {
    move |value| choice(words)(value)
}

/// SHA-256 in hexadecimal digits.
pub(super) fn sha256(value: Value) -> Result<[u8; 32], String> {
    let hash = HEXLOWER_PERMISSIVE.decode(text(value)?.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    hash.ok_or_else(|| "must be a SHA-256 in 64 hexadecimal digits, as \"wxgate caller add\" prints it".to_owned())
}

/// An address range, `10.0.0.0/8`, or a single address.
pub(super) fn network(value: Value) -> Result<IpNet, String> {
    let text = text(value)?;
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.ok_or_else(|| "must be an address range, such as \"10.0.0.0/8\" or \"fd00::/8\"".to_owned())
}

/// A pattern of paths, in which `*` stands for any run of characters.
pub(super) fn path_pattern(value: Value) -> Result<String, String> {
    let pattern = text(value)?;
    let valid = (pattern.starts_with('/') || pattern.starts_with('*')) && !pattern.contains(['?', '%', ' ']);
    if valid { Ok(pattern) } else { Err("must be a path as WeChat writes it, such as \"/cgi-bin/user/*\"".to_owned()) }
}

/// Requests in a time: `100/s`, `1000/m`, `5000/h`.
pub(super) fn rate(value: Value) -> Result<Rate, String> {
    let text = text(value)?;
    let parsed = text.split_once('/').and_then(|(requests, per)| {
        let seconds = match per {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return None,
        };
        Some(Rate { requests: requests.parse().ok()?, per: Duration::from_secs(seconds) })
    });
    parsed.ok_or_else(|| "must be requests in a time, such as \"100/s\", \"1000/m\" or \"5000/h\"".to_owned())
}

/// The name of an account or a caller, if it is fit to be one. Names stand in paths (`/@name/…`) and name files: `.` and
/// `..` would be something else there.
///
/// # Errors
///
/// What would be right.
pub(crate) fn checked_name(name: String) -> Result<String, String> {
    let charset = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    let dots = name.bytes().all(|byte| byte == b'.');
    if charset && !dots && (1..=64).contains(&name.len()) {
        Ok(name)
    } else {
        Err("must have 1 to 64 of the characters A-Z, a-z, 0-9, \"_\", \".\" and \"-\", and not only dots".to_owned())
    }
}

/// An IP address and a port.
pub(super) fn address(value: Value) -> Result<SocketAddr, String> {
    text(value)?
        .parse()
        .map_err(|_| "must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"".to_owned())
}

/// A host's name or address, and a port.
pub(super) fn host_and_port(value: Value) -> Result<(String, u16), String> {
    let text = text(value)?.to_ascii_lowercase();
    let parsed = text.rsplit_once(':').and_then(|(host, port)| {
        let host = host.strip_prefix('[').map_or(Some(host), |host| host.strip_suffix(']'))?;
        let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (plain && !host.is_empty()).then(|| (host.to_owned(), port))
    });
    parsed.ok_or_else(|| "must be a host and a port, such as \"10.0.0.1:26379\"".to_owned())
}

/// The permissions of a file in octal, `"0660"`.
pub(super) fn mode(value: Value) -> Result<u32, String> {
    let mode = text(value)?;
    let parsed = u32::from_str_radix(&mode, 8).ok().filter(|mode| *mode <= 0o777);
    parsed.ok_or_else(|| "must be permissions in octal, such as \"0660\"".to_owned())
}

/// `user`, `user:group` or `:group`, each by name or number.
pub(super) fn owner(value: Value) -> Result<Owner, String> {
    let text = text(value)?;
    let (user, group) = text.split_once(':').unwrap_or((&text, ""));
    let by_number = |text: &str| text.parse().ok();
    let user_id = by_number(user).or_else(|| uzers::get_user_by_name(user).map(|user| user.uid()));
    let group_id = by_number(group).or_else(|| uzers::get_group_by_name(group).map(|group| group.gid()));
    let is_known = (user.is_empty() || user_id.is_some()) && (group.is_empty() || group_id.is_some());
    match is_known && !(user.is_empty() && group.is_empty()) {
        true => Ok(Owner { user: user_id, group: group_id }),
        false => Err("must be a user and a group of this machine, such as \"wxgate:www-data\"".to_owned()),
    }
}

/// A host's name as it stands in a `Host` field, without its port; in lower case.
pub(super) fn host_name(value: Value) -> Result<String, String> {
    let name = text(value)?.to_ascii_lowercase();
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if plain && !name.is_empty() { Ok(name) } else { Err("must be a host name without a port".to_owned()) }
}

/// An errcode that can mean "this token is bad": 0 is success and -1 "system busy" (wechat.md §1).
pub(super) fn errcode(value: Value) -> Result<i64, String> {
    match value {
        Value::Integer(0) => Err("0 means success and cannot call for a heal".to_owned()),
        Value::Integer(-1) => Err("-1 means that WeChat is busy and cannot call for a heal".to_owned()),
        Value::Integer(errcode) => Ok(errcode),
        _ => Err("must be a whole number, such as 40001".to_owned()),
    }
}

/// `"a", "b", "c"`.
pub(super) fn quoted<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// A number followed by a unit; a bare number is answered with what was probably meant.
fn with_unit(value: Value, unit: &str, right: &str) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text,
        Value::Integer(number) => number.to_string(),
        _ => return Err(format!("must be {right}")),
    };
    let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match number {
        true if text.len() <= 6 => Err(format!("needs a unit: did you mean \"{text}{unit}\"?")),
        true => Err(format!("needs a unit: {right}")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Value {
        Value::from(text)
    }

    #[test]
    fn a_duration_has_a_unit_and_a_range() {
        for (text, milliseconds) in [("5s", 5_000), ("500ms", 500), ("1m 30s", 90_000), ("1day", 86_400_000)] {
            assert_eq!(duration(written(text)), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["0", "0s", "999us", "25h", "-5s", "", "s", "5 parsecs", "99999999999999999999y"] {
            duration(written(text)).unwrap_err();
        }
        for value in [written("5"), Value::Integer(5)] {
            assert_eq!(duration(value).unwrap_err(), "needs a unit: did you mean \"5s\"?");
        }
    }

    #[test]
    fn a_size_has_a_unit_and_a_range() {
        let parse = |text: &str| size::<u64>(ByteSize::kib(1)..=ByteSize::mib(1))(written(text));
        for (text, bytes) in [("1KiB", 1024), ("64 kib", 65_536), ("1.5KiB", 1536), ("2000B", 2000), ("1MB", 1_000_000)]
        {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["1023B", "2MiB", "", "KiB", "1.", "2000.", "-1KiB", "1 potato", "1e9KiB"] {
            parse(text).unwrap_err();
        }
        assert_eq!(parse("64").unwrap_err(), "needs a unit: did you mean \"64KiB\"?");
        assert_eq!(parse("1").unwrap_err(), "needs a unit: did you mean \"1KiB\"?");
        assert_eq!(parse("2GiB").unwrap_err(), "must be a size from \"1.0 KiB\" to \"1.0 MiB\"");
    }

    #[test]
    fn numbers_and_truth_values_may_be_text() {
        for value in [Value::Integer(4), written("4")] {
            assert_eq!(count(1..=8)(value), Ok(4));
        }
        for value in [written("0"), written("9"), written(""), written("4.0"), Value::Integer(-1), Value::Float(4.0)] {
            assert_eq!(count(1..=8)(value).unwrap_err(), "must be a whole number from 1 to 8");
        }
        assert_eq!(boolean(Value::Boolean(true)), Ok(true));
        assert_eq!(boolean(written("false")), Ok(false));
        boolean(written("yes")).unwrap_err();
    }

    #[test]
    fn a_part_is_a_number_from_0_to_1() {
        for (value, expected) in [
            (Value::Float(0.25), 0.25),
            (Value::Integer(1), 1.0),
            (Value::Integer(0), 0.0),
            (written("0.5"), 0.5),
            (written("1"), 1.0),
        ] {
            assert_eq!(part(value), Ok(expected));
        }
        for value in [Value::Float(1.1), Value::Float(f64::NAN), Value::Integer(-1), written("-0.1"), written("10%")] {
            part(value).unwrap_err();
        }
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_nearest() {
        let parse = |text| choice(&[("memory", 1), ("file", 2)])(written(text));
        assert_eq!(parse("file"), Ok(2));
        assert_eq!(parse("flie").unwrap_err(), "must be one of \"memory\", \"file\"; did you mean \"file\"?");
    }

    #[test]
    fn an_address_is_an_ip_address_with_a_port() {
        for text in ["127.0.0.1:0", "[::1]:8080", "0.0.0.0:80"] {
            assert_eq!(address(written(text)).unwrap().to_string(), text);
        }
        for text in ["localhost:8080", "127.0.0.1", ":8080", "8080", "127.0.0.1:65536", ""] {
            address(written(text)).unwrap_err();
        }
    }

    #[test]
    fn a_rate_is_so_many_in_a_second_a_minute_or_an_hour() {
        let parse = |text| rate(written(text)).map(|rate| (rate.requests.get(), rate.per.as_secs()));
        for (text, expected) in [("100/s", (100, 1)), ("5/m", (5, 60)), ("1/h", (1, 3600))] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        for text in ["", "100", "0/s", "-1/s", "100/d", "/s", "1.5/s"] {
            parse(text).unwrap_err();
        }
    }

    #[test]
    fn networks_hashes_and_patterns_are_what_they_say() {
        for text in ["10.0.0.0/8", "10.1.2.3", "fd00::/8", "::1"] {
            network(written(text)).unwrap();
        }
        for text in ["", "10.0.0.0/33", "10.0.0", "localhost"] {
            network(written(text)).unwrap_err();
        }
        assert_eq!(sha256(written(&"0A".repeat(32))), Ok([10; 32]));
        for text in ["", "00", &"0g".repeat(32), &"00".repeat(33)] {
            sha256(written(text)).unwrap_err();
        }
        for text in ["cgi-bin/*", "", "/a?b", "/%61"] {
            path_pattern(written(text)).unwrap_err();
        }
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(mode(written("0660")), Ok(0o660));
        for text in ["", "0888", "rw-rw----", "01777", "-1"] {
            mode(written(text)).unwrap_err();
        }
    }

    #[test]
    fn an_owner_is_a_user_or_a_group_or_both() {
        let ids = |user, group| Ok(Owner { user, group });
        assert_eq!(owner(written("root")), ids(Some(0), None));
        assert_eq!(owner(written("root:0")), ids(Some(0), Some(0)));
        assert_eq!(owner(written(":12")), ids(None, Some(12)));
        for text in ["", ":", "no-such-user-here", "root:no-such-group-here", "root:0:0"] {
            owner(written(text)).unwrap_err();
        }
    }

    #[test]
    fn a_host_name_is_lower_case_and_has_no_port() {
        assert_eq!(host_name(written("WxGate.Internal")).unwrap(), "wxgate.internal");
        for text in ["", "wxgate:8080", "http://wxgate", "a b", "wx/gate"] {
            host_name(written(text)).unwrap_err();
        }
    }
}

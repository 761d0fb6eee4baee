//! Query rewriting: what is named goes, what is added is there once, and every other byte stays.

use wxgate::gateway::rewrite::{Pair, target, values};

pub fn holds(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    assert_eq!(target("/p", Some(query), &[], &[]), format!("/p?{query}"));
    is_rewritten(query, &["access_token"], &[("access_token", "T")]);
    let credentials = ["access_token", "appid", "secret", "appsecret"];
    is_rewritten(query, &credentials, &[("appid", "wx1"), ("secret", "s%2F")]);
}

fn is_rewritten(query: &str, removed: &[&str], added: &[Pair<'_>]) {
    let kept: Vec<&str> = query.split('&').filter(|parameter| !is_named(parameter, removed)).collect();
    let kept = kept.join("&");
    let ours: Vec<String> = added.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let separator = if kept.is_empty() { "" } else { "&" };
    let written = target("/p", Some(query), removed, added);
    assert_eq!(written, format!("/p?{kept}{separator}{}", ours.join("&")));

    let (_, written) = written.split_once('?').unwrap();
    for (name, value) in added {
        assert_eq!(values(written, name).collect::<Vec<_>>(), [text(value)], "{name} in {written:?}");
    }
}

/// Whether the decoded name of a parameter is one of these.
fn is_named(parameter: &str, names: &[&str]) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    names.contains(&text(name).as_str())
}

fn text(encoded: &str) -> String {
    String::from_utf8_lossy(&decoded(encoded.as_bytes())).into_owned()
}

/// RFC 3986 §2.1, once more and in other words than the gateway's. A `%` without two digits stands for itself.
fn decoded(encoded: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    match encoded {
        [] => Vec::new(),
        [b'%', high, low, rest @ ..] if digit(high).is_some() && digit(low).is_some() => {
            let byte = digit(high).unwrap() * 16 + digit(low).unwrap();
            [vec![byte], decoded(rest)].concat()
        }
        [byte, rest @ ..] => [vec![*byte], decoded(rest)].concat(),
    }
}

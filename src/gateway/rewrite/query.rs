//! The query: some parameters out, some in, and every other byte as it was.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A parameter to add: a name and a value, both as they are to stand in the query.
pub type Pair<'a> = (&'a str, &'a str);

/// `path?query` without any parameter named in `removed` (also where the name is percent-encoded), and with `added`
/// at the end. Order, encoding, empty values and repeated names of all others stay as they are.
pub fn target(path: &str, query: Option<&str>, removed: &[&str], added: &[Pair<'_>]) -> String {
    let kept = without(query.unwrap_or_default(), removed);
    let added_length: usize = added.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut target = String::with_capacity(path.len() + 1 + kept.len() + added_length);
    target.push_str(path);
    if query.is_some() || !added.is_empty() {
        target.push('?');
    }
    target.push_str(&kept);
    let mut separate = !kept.is_empty();
    for (name, value) in added {
        if separate {
            target.push('&');
        }
        target.push_str(name);
        target.push('=');
        target.push_str(value);
        separate = true;
    }
    target
}

/// The percent-decoded values of every parameter of this name, in their order.
pub fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    query.split('&').filter(move |parameter| is_named(parameter, name)).map(|parameter| {
        let value = parameter.split_once('=').map_or("", |(_, value)| value);
        percent_decode_str(value).decode_utf8_lossy()
    })
}

fn without<'a>(query: &'a str, removed: &[&str]) -> Cow<'a, str> {
    let is_removed = |parameter: &str| removed.iter().any(|name| is_named(parameter, name));
    if !query.split('&').any(is_removed) {
        return Cow::Borrowed(query);
    }
    let mut kept = String::with_capacity(query.len());
    let mut first = true;
    for parameter in query.split('&').filter(|parameter| !is_removed(parameter)) {
        if !first {
            kept.push('&');
        }
        kept.push_str(parameter);
        first = false;
    }
    Cow::Owned(kept)
}

fn is_named(parameter: &str, name: &str) -> bool {
    let written = parameter.split_once('=').map_or(parameter, |(name, _)| name);
    written == name || (written.contains('%') && percent_decode_str(written).eq(name.bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: [&str; 1] = ["access_token"];

    fn injected(query: Option<&str>) -> String {
        target("/p", query, &TOKEN, &[("access_token", "T")])
    }

    #[test]
    fn exactly_one_token_goes_out_and_the_rest_stays_as_it_was() {
        for (query, expected) in [
            (None, "/p?access_token=T"),
            (Some(""), "/p?access_token=T"),
            (Some("a=1"), "/p?a=1&access_token=T"),
            (Some("access_token=x"), "/p?access_token=T"),
            (Some("access_token"), "/p?access_token=T"),
            (Some("access_token=x&a=1"), "/p?a=1&access_token=T"),
            (Some("a=1&access_token=x&b=2"), "/p?a=1&b=2&access_token=T"),
            (Some("access_token=x&access_token=y&a"), "/p?a&access_token=T"),
            (Some("%61ccess_token=x&a=1"), "/p?a=1&access_token=T"),
            (Some("access%5Ftoken=x"), "/p?access_token=T"),
            (Some("access%5ftoken=x&access_%74oken=y"), "/p?access_token=T"),
            (Some("a=access_token=x"), "/p?a=access_token=x&access_token=T"),
            (Some("a=x%26access_token=y"), "/p?a=x%26access_token=y&access_token=T"),
            (Some("cloud_access_token=x"), "/p?cloud_access_token=x&access_token=T"),
            (Some("access_token2=x"), "/p?access_token2=x&access_token=T"),
            (Some("a=&b&&c=1&c=2&"), "/p?a=&b&&c=1&c=2&&access_token=T"),
            (Some("a=%E4%BD%A0+%zz%"), "/p?a=%E4%BD%A0+%zz%&access_token=T"),
        ] {
            assert_eq!(injected(query), expected, "{query:?}");
        }
    }

    #[test]
    fn nothing_is_touched_where_nothing_is_asked_for() {
        assert_eq!(target("/p", None, &[], &[]), "/p");
        assert_eq!(target("/p", Some(""), &[], &[]), "/p?");
        assert_eq!(target("/p", Some("a&&access_token=x"), &[], &[]), "/p?a&&access_token=x");
    }

    #[test]
    fn one_true_pair_replaces_whatever_stood_for_appid_and_secret() {
        let query = "appid=x&secret=dummy&js_code=c&%73ecret=z&appsecret=q&grant_type=authorization_code";
        let written = target(
            "/sns/jscode2session",
            Some(query),
            &["appid", "secret", "appsecret"],
            &[("appid", "wx1"), ("secret", "s")],
        );
        assert_eq!(written, "/sns/jscode2session?js_code=c&grant_type=authorization_code&appid=wx1&secret=s");
    }

    #[test]
    fn values_are_decoded_and_in_order() {
        let found = |query, name| values(query, name).collect::<Vec<_>>().join("|");
        assert_eq!(found("appid=a&x=1&%61ppid=b%2Dc&appid", "appid"), "a|b-c|");
        assert_eq!(found("x=appid=1", "appid"), "");
        assert_eq!(values("", "appid").count(), 0);
    }

    /// Removing our own parameter from the end gives back what the caller sent, less its own token.
    fn expected(query: &str) -> String {
        let keep = |parameter: &&str| {
            let name = parameter.split('=').next().unwrap_or_default();
            percent_decode_str(name).collect::<Vec<u8>>() != b"access_token"
        };
        query.split('&').filter(keep).collect::<Vec<_>>().join("&")
    }

    proptest! {
        #[test]
        fn any_bytes_in_the_same_bytes_out_but_for_the_token(
            parts in prop::collection::vec(
                prop_oneof![
                    "[ -~]{0,12}",
                    "\\PC{0,6}",
                    Just("access_token=old".to_owned()),
                    Just("acce%73s_token=old".to_owned()),
                    Just("%61%63%63%65%73%73%5f%74%6f%6b%65%6e".to_owned()),
                    Just("access_token".to_owned()),
                    Just("=access_token".to_owned()),
                ],
                0..8,
            )
        ) {
            let query = parts.join("&");
            let written = injected(Some(&query));
            let rest = written.strip_prefix("/p?").unwrap().strip_suffix("access_token=T").unwrap();
            let rest = rest.strip_suffix('&').unwrap_or(rest);
            prop_assert_eq!(rest, expected(&query));
            let ours = written.split('&').map(|p| p.rsplit('?').next().unwrap_or(p));
            prop_assert_eq!(ours.filter(|p| is_named(p, "access_token") && p.ends_with("=T")).count(), 1);
        }
    }
}

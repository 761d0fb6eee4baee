//! The query: some parameters out, some in, and every other byte as it was.

use std::borrow::Cow;

use memchr::memchr;
use percent_encoding::percent_decode_str;

/// A parameter to add: a name and a value, both as they are to stand in the query.
pub type Pair<'a> = (&'a str, &'a str);

/// `path?query` without any parameter named in `removed` (also where the name is percent-encoded), and with `added`
/// at the end. Order, encoding, empty values and repeated names of all others stay as they are.
pub fn target(path: &str, query: Option<&str>, removed: &[&str], added: &[Pair<'_>]) -> String {
    let target = Target { path, query, removed, added };
    let mut text = Vec::with_capacity(target.longest());
    target.push_to(&mut text);
    String::from_utf8(text).unwrap_or_default() // all of its parts are text
}

/// What [`target`] is made from, before it is text.
#[derive(Clone, Copy)]
pub(in crate::gateway) struct Target<'a> {
    pub(in crate::gateway) path: &'a str,
    pub(in crate::gateway) query: Option<&'a str>,
    pub(in crate::gateway) removed: &'a [&'a str],
    pub(in crate::gateway) added: &'a [Pair<'a>],
}

impl Target<'_> {
    /// Its length in bytes, or somewhat more.
    pub(super) fn longest(&self) -> usize {
        let added: usize = self.added.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        self.path.len() + 1 + self.query.map_or(0, str::len) + added
    }

    pub(super) fn push_to(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(self.path.as_bytes());
        if self.query.is_some() || !self.added.is_empty() {
            text.push(b'?');
        }
        let start = text.len();
        self.push_kept(text);
        for (name, value) in self.added {
            if text.len() > start {
                text.push(b'&');
            }
            text.extend_from_slice(name.as_bytes());
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
        }
    }

    fn push_kept(&self, text: &mut Vec<u8>) {
        let is_removed = |parameter: &str| self.removed.iter().any(|name| is_named(parameter, name));
        let parameters = parameters(self.query.unwrap_or_default());
        for (number, parameter) in parameters.filter(|parameter| !is_removed(parameter)).enumerate() {
            if number > 0 {
                text.push(b'&');
            }
            text.extend_from_slice(parameter.as_bytes());
        }
    }
}

/// The percent-decoded values of every parameter of this name, in their order.
pub fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    parameters(query).filter(move |parameter| is_named(parameter, name)).map(|parameter| {
        let value = parameter.split_once('=').map_or("", |(_, value)| value);
        percent_decode_str(value).decode_utf8_lossy()
    })
}

/// What stands between the `&`; one that is empty where the query is. (`str::split` takes three times as long.)
fn parameters(query: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(query);
    std::iter::from_fn(move || {
        let query = rest?;
        let end = memchr(b'&', query.as_bytes());
        rest = end.map(|end| &query[end + 1..]);
        Some(end.map_or(query, |end| &query[..end]))
    })
}

fn is_named(parameter: &str, name: &str) -> bool {
    // Most have another first letter, and need no closer look.
    let first = parameter.as_bytes().first();
    if first != Some(&b'%') && first != name.as_bytes().first() {
        return false;
    }
    let end = memchr(b'=', parameter.as_bytes()).unwrap_or(parameter.len());
    let written = &parameter[..end];
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

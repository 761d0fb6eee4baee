//! Which paths a caller may call: patterns in which `*` stands for any run of characters.

use std::borrow::Cow;

use crate::wechat::normalise;

/// An allow list and a deny list, in lower case.
#[derive(Debug, Clone, Default)]
pub struct PathList {
    allow: Vec<String>,
    deny: Vec<String>,
}

/// What the lists say of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Allowed,
    Denied,
    /// It meets a list only in its normalised form: see [`normalise`].
    Disguised,
}

impl PathList {
    /// An empty `allow` allows everything; `deny` goes before it. Case does not matter.
    pub fn new(allow: &[String], deny: &[String]) -> Self {
        let lower = |patterns: &[String]| patterns.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
        Self { allow: lower(allow), deny: lower(deny) }
    }

    /// Judges the normalised copy of `path`. One that differs from it in more than case and meets a list is disguised:
    /// some of WeChat's own paths have capitals (`/wxaapi/broadcast/goods/deleteInRoom`), none has anything else.
    pub(super) fn judge(&self, path: &str) -> Judgement {
        if self.allow.is_empty() && self.deny.is_empty() {
            return Judgement::Allowed;
        }
        let normal = normalise(path);
        let met = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, &normal));
        let (allowed, denied) = (met(&self.allow), met(&self.deny));
        let disguised = matches!(&normal, Cow::Owned(normal) if !normal.eq_ignore_ascii_case(path));
        match (denied, allowed || self.allow.is_empty()) {
            _ if disguised && (allowed || denied) => Judgement::Disguised,
            (true, _) | (false, false) => Judgement::Denied,
            (false, true) => Judgement::Allowed,
        }
    }
}

/// Whether `pattern` stands for the whole of `text`. Linear in both: the last `*` is the only place to come back to.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, read));
            at += 1;
        } else if pattern.get(at) == Some(&text[read]) {
            at += 1;
            read += 1;
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            at = star_at + 1;
            read = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("/cgi-bin/user/*", "/cgi-bin/user/info", true),
            ("/cgi-bin/user/*", "/cgi-bin/user/info/batchget", true),
            ("/cgi-bin/user/*", "/cgi-bin/user", false),
            ("/cgi-bin/user/info", "/cgi-bin/user/info", true),
            ("/cgi-bin/user/info", "/cgi-bin/user/information", false),
            ("*", "/", true),
            ("/*/get", "/cgi-bin/user/get", true),
            ("/*/get", "/cgi-bin/user/get/x", false),
            ("/a*b*c", "/axbxbxc", true),
            ("", "/", false),
            ("/**", "/", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn deny_goes_before_allow_and_a_disguise_is_seen_through() {
        let list = PathList::new(&["/cgi-bin/*".to_owned()], &["/cgi-bin/menu/*".to_owned()]);
        for (path, expected) in [
            ("/cgi-bin/user/get", Judgement::Allowed),
            ("/cgi-bin/menu/delete", Judgement::Denied),
            ("/CGI-BIN/menu/delete", Judgement::Denied),
            ("/wxa/getwxacode", Judgement::Denied),
            ("/cgi-bin//menu/delete", Judgement::Disguised),
            ("/cgi-bin/user/../menu/delete", Judgement::Disguised),
            ("/cgi-bin/%75ser/get", Judgement::Disguised),
            ("/wxa//getwxacode", Judgement::Denied),
        ] {
            assert_eq!(list.judge(path), expected, "{path}");
        }
        let capitals = PathList::new(&["/wxaapi/broadcast/goods/deleteInRoom".to_owned()], &[]);
        assert_eq!(capitals.judge("/wxaapi/broadcast/goods/deleteInRoom"), Judgement::Allowed);
        assert_eq!(PathList::default().judge("/x//y/%2e"), Judgement::Allowed);
    }
}

//! The form of a request, and the rules against browsers and DNS rebinding (architecture.md §3.2).

use hyper::http::request::Parts;
use hyper::{Method, Version};

use crate::browser::{canonical, is_own_name, without_port};
use crate::gateway::error::Error;
use crate::gateway::fields::{Fields, Values};

/// What a listener demands of a request.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Requests from browsers and foreign hosts are let through.
    pub browsers: bool,
    /// Only callers on this machine reach it, so that `Host` must be one of theirs.
    pub loopback: bool,
    /// Further names for it, in lower case.
    pub hosts: Vec<String>,
    /// The upstream's own names, in lower case: callers with a hosts entry use them.
    pub upstream_hosts: Vec<String>,
    /// Bytes of a request's line and fields at most.
    pub head_size: usize,
}

impl Rules {
    /// Lets the request through.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::gateway) fn admit(&self, head: &Parts, fields: &Fields<'_>) -> Result<(), Error> {
        // CONNECT would make a tunnel, TRACE would show the token to the caller.
        if head.method == Method::CONNECT || head.method == Method::TRACE {
            return Err(Error::Method("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"));
        }
        if !head.uri.path().starts_with('/') {
            return Err(Error::Target);
        }
        if head_size(head, fields) > self.head_size {
            return Err(Error::HeadTooLarge);
        }
        if !is_at_most_chunked(fields) {
            return Err(Error::TransferCoding);
        }
        let hosts = hosts(head, fields)?;
        if self.browsers {
            return Ok(());
        }
        if fields.from_browser {
            return Err(Error::Browser);
        }
        if self.loopback && !hosts.into_iter().flatten().all(|host| self.answers_to(host)) {
            return Err(Error::Misdirected);
        }
        Ok(())
    }

    fn answers_to(&self, host: &str) -> bool {
        let host = canonical(host);
        is_own_name(&host, &self.hosts)
            || self.upstream_hosts.iter().any(|name| *name == host)
            || host == "weixin.qq.com"
            || host.ends_with(".weixin.qq.com")
    }
}

/// The request's line and fields as they were on the wire, to within the white space.
fn head_size(head: &Parts, fields: &Fields<'_>) -> usize {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    head.method.as_str().len() + target + 12 + fields.size
}

/// The names that the request calls us by: that in an absolute target and that in `Host` (RFC 9112 §3.2: exactly one in
/// HTTP/1.1, also beside an absolute target; RFC 9113 §8.3.1: HTTP/2 has its own in the target, and may have both).
fn hosts<'a>(head: &'a Parts, fields: &Fields<'a>) -> Result<[Option<&'a str>; 2], Error> {
    let field = match fields.host {
        Values::One(host) => Some(host.to_str().ok().and_then(without_port).ok_or(Error::Host)?),
        Values::None if head.version <= Version::HTTP_10 => None,
        Values::None if head.version == Version::HTTP_2 && head.uri.authority().is_some() => None,
        Values::None | Values::Several => return Err(Error::Host),
    };
    let target =
        head.uri.authority().map(|authority| without_port(authority.as_str()).ok_or(Error::Host)).transpose()?;
    Ok([target, field])
}

/// No other transfer coding is undone here, so that the body would go on still coded (RFC 9112 §6.1).
fn is_at_most_chunked(fields: &Fields<'_>) -> bool {
    match fields.transfer_encoding {
        Values::None => true,
        Values::One(coding) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        Values::Several => false,
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn rules() -> Rules {
        Rules {
            browsers: false,
            loopback: true,
            hosts: vec!["gateway.internal".to_owned()],
            upstream_hosts: vec!["wechat.example".to_owned()],
            head_size: 1000,
        }
    }

    fn parts(method: &str, target: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn admit(rules: &Rules, head: &Parts) -> Result<(), Error> {
        rules.admit(head, &Fields::of(&head.headers))
    }

    fn outcome(rules: &Rules, target: &str, fields: &[(&str, &str)]) -> String {
        format!("{:?}", admit(rules, &parts("GET", target, fields)))
    }

    #[test]
    fn a_loopback_listener_answers_to_names_that_rebinding_cannot_use() {
        for (host, expected) in [
            ("localhost", "Ok(())"),
            ("LOCALHOST:8080", "Ok(())"),
            ("localhost.", "Ok(())"),
            ("127.0.0.1:8080", "Ok(())"),
            ("192.0.2.7", "Ok(())"),
            ("[::1]:8080", "Ok(())"),
            ("api.weixin.qq.com", "Ok(())"),
            ("sh.api.weixin.qq.com:443", "Ok(())"),
            ("wechat.example", "Ok(())"),
            ("Gateway.Internal", "Ok(())"),
            ("evil.example", "Err(Misdirected)"),
            ("weixin.qq.com.evil.example", "Err(Misdirected)"),
            ("evilweixin.qq.com", "Err(Misdirected)"),
            ("localhost.evil.example", "Err(Misdirected)"),
            ("", "Err(Misdirected)"),
            ("a b", "Err(Host)"),
            ("user@localhost", "Err(Host)"),
            ("localhost:80:80", "Err(Host)"),
            ("localhost:x", "Err(Host)"),
            ("[::1", "Err(Host)"),
        ] {
            assert_eq!(outcome(&rules(), "/p", &[("host", host)]), expected, "{host}");
        }
    }

    #[test]
    fn every_name_counts_and_one_host_is_demanded() {
        let rules = rules();
        assert_eq!(outcome(&rules, "http://evil.example/p", &[("host", "localhost")]), "Err(Misdirected)");
        assert_eq!(outcome(&rules, "http://localhost/p", &[("host", "evil.example")]), "Err(Misdirected)");
        assert_eq!(outcome(&rules, "http://localhost/p", &[("host", "localhost")]), "Ok(())");
        assert_eq!(outcome(&rules, "/p", &[]), "Err(Host)");
        assert_eq!(outcome(&rules, "/p", &[("host", "localhost"), ("host", "localhost")]), "Err(Host)");
        let mut old = parts("GET", "/p", &[]);
        old.version = Version::HTTP_10;
        assert!(admit(&rules, &old).is_ok());
    }

    #[test]
    fn browsers_are_refused_unless_the_listener_takes_them() {
        let mut rules = rules();
        let refused: [&[(&str, &str)]; 4] = [
            &[("host", "localhost"), ("origin", "https://evil.example")],
            &[("host", "localhost"), ("origin", "null")],
            &[("host", "localhost"), ("sec-fetch-site", "cross-site")],
            &[("host", "localhost"), ("sec-fetch-site", "none"), ("sec-fetch-site", "same-origin")],
        ];
        for fields in refused {
            assert_eq!(outcome(&rules, "/p", fields), "Err(Browser)", "{fields:?}");
        }
        assert_eq!(outcome(&rules, "/p", &[("host", "localhost"), ("sec-fetch-site", "none")]), "Ok(())");
        rules.loopback = false;
        assert_eq!(outcome(&rules, "/p", refused[0]), "Err(Browser)", "beyond loopback too");
        rules.browsers = true;
        rules.loopback = true;
        assert_eq!(outcome(&rules, "/p", refused[0]), "Ok(())");
        assert_eq!(outcome(&rules, "/p", &[("host", "evil.example")]), "Ok(())");
        assert_eq!(outcome(&rules, "/p", &[]), "Err(Host)");
    }

    #[test]
    fn beyond_loopback_any_host_will_do() {
        let rules = Rules { loopback: false, ..rules() };
        assert_eq!(outcome(&rules, "/p", &[("host", "gateway.example")]), "Ok(())");
    }

    #[test]
    fn tunnels_traces_and_odd_targets_are_refused() {
        let rules = rules();
        for (method, target, expected) in [
            ("CONNECT", "api.weixin.qq.com:443", "Err(Method("),
            ("TRACE", "/p", "Err(Method("),
            ("OPTIONS", "*", "Err(Target)"),
        ] {
            let refused = admit(&rules, &parts(method, target, &[("host", "localhost")]));
            assert!(format!("{refused:?}").starts_with(expected), "{method}: {refused:?}");
        }
    }

    #[test]
    fn a_head_beyond_the_limit_is_too_large() {
        let long = "x".repeat(1000);
        assert_eq!(outcome(&rules(), "/p", &[("host", "localhost"), ("x", &long)]), "Err(HeadTooLarge)");
        assert_eq!(outcome(&rules(), &format!("/p?{long}"), &[("host", "localhost")]), "Err(HeadTooLarge)");
    }
}

//! The URLs of a configuration: where WeChat is, the proxy on the way there, Redis, and a collector of traces.
//!
//! No message repeats a URL: it may carry a password.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use percent_encoding::percent_decode_str;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use toml::Value;

use super::value::text;
use super::{BaseUrl, Proxy, RedisAddress};

/// `https://api.weixin.qq.com`: a scheme and an authority.
pub(super) fn base_url(value: Value) -> Result<BaseUrl, String> {
    const RIGHT: &str = "must be a scheme and a host, such as \"https://api.weixin.qq.com\"";
    let url = Url::parse(&text(value)?).map_err(|_| RIGHT)?;
    let (tls, default_port) = match url.scheme() {
        "https" => (true, 443),
        "http" => (false, 80),
        _ => return Err(format!("{RIGHT}; the scheme is https or http")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{RIGHT}; it takes no user or password"));
    }
    let host = only_host(&url).ok_or_else(|| format!("{RIGHT}; it takes no path, query or fragment"))?;
    let port = port(&url, default_port)?;
    Ok(BaseUrl { tls, host, port })
}

/// `http://[user:password@]host[:port]`.
pub(super) fn proxy(value: Value) -> Result<Proxy, String> {
    const RIGHT: &str = "must be an \"http://\" URL of a host and a port, such as \"http://10.0.0.1:3128\"";
    let url = Url::parse(&text(value)?).map_err(|_| RIGHT)?;
    if url.scheme() != "http" {
        return Err(RIGHT.to_owned());
    }
    let host = only_host(&url).ok_or_else(|| format!("{RIGHT}; it takes no path, query or fragment"))?;
    let port = port(&url, 80)?;
    Ok(Proxy { host, port, credentials: credentials(&url)? })
}

/// `http://host[:port]/path`: where a collector takes spans.
pub(super) fn collector(value: Value) -> Result<Url, String> {
    const RIGHT: &str =
        "must be the URL of a collector's OTLP/HTTP receiver, such as \"http://127.0.0.1:4318/v1/traces\"";
    let url = Url::parse(&text(value)?).map_err(|_| RIGHT)?;
    let bare = url.query().is_none() && url.fragment().is_none();
    let has_place = matches!(url.scheme(), "http" | "https") && url.has_host() && url.port() != Some(0);
    match url.path() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err(format!("{RIGHT}; it takes no user or password: traces.headers is for them"))
        }
        "/" => Err(format!("{RIGHT}; it takes the path too")),
        _ if bare && has_place => Ok(url),
        _ => Err(RIGHT.to_owned()),
    }
}

/// What the URL of a Redis says.
pub(super) struct RedisUrl {
    pub(super) address: RedisAddress,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) database: u32,
}

/// `redis://[user:password@]host[:port][/database]`, the same with `rediss://`, or `unix:/path[?db=database]`.
pub(super) fn redis(text: &SecretString) -> Result<RedisUrl, String> {
    const RIGHT: &str = "must be \"redis://host:port\", \"rediss://host:port\" for TLS, or \"unix:/path\"";
    let url = Url::parse(text.expose_secret()).map_err(|_| RIGHT)?;
    let (address, database) = match url.scheme() {
        "redis" | "rediss" => {
            let host = host(&url).filter(|host| !host.is_empty() && url.query().is_none());
            let host = host.ok_or(RIGHT)?.to_ascii_lowercase();
            let tls = url.scheme() == "rediss";
            (RedisAddress::Tcp { host, port: port(&url, 6379)?, tls }, url.path().trim_start_matches('/'))
        }
        "unix" if url.path().starts_with('/') && url.host_str().is_none() => {
            let database = url.query().map_or(Some(""), |query| query.strip_prefix("db=")).ok_or(RIGHT)?;
            let path = percent_decode_str(url.path()).decode_utf8().map_err(|_| RIGHT)?;
            (RedisAddress::Unix(path.into_owned().into()), database)
        }
        _ => return Err(RIGHT.to_owned()),
    };
    let database = if database.is_empty() { Ok(0) } else { database.parse() };
    let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    let not_utf_8 = || "user and password must be UTF-8".to_owned();
    let password = url.password().map(|password| decode(password).ok_or_else(not_utf_8)).transpose()?;
    Ok(RedisUrl {
        address,
        username: Some(decode(url.username()).ok_or_else(not_utf_8)?).filter(|name| !name.is_empty()),
        password: password.map(SecretString::from),
        database: database.map_err(|_| format!("{RIGHT}; a number of the database may follow, and nothing else"))?,
    })
}

/// The addresses of a URL's host, if that takes no asking: it is an IP address, or `localhost`, which is both loopback
/// addresses whatever name servers say (RFC 6761 §6.3).
pub(crate) fn known_addresses(url: &Url) -> Vec<IpAddr> {
    match host(url) {
        Some("localhost") => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        host => host.and_then(|host| host.parse().ok()).into_iter().collect(),
    }
}

/// The host, without the brackets around an IPv6 address.
fn host(url: &Url) -> Option<&str> {
    url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']'))
}

/// The host, where nothing follows the authority.
fn only_host(url: &Url) -> Option<String> {
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    host(url).filter(|_| bare).map(str::to_owned)
}

fn port(url: &Url, default: u16) -> Result<u16, String> {
    match url.port().unwrap_or(default) {
        0 => Err("the port must not be 0".to_owned()),
        port => Ok(port),
    }
}

/// `user:password`, percent-decoded. RFC 7617 §2: a user has no colon, and neither has a control character.
fn credentials(url: &Url) -> Result<Option<SecretString>, String> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    let (user, password) = (decode(url.username()), decode(url.password().unwrap_or_default()));
    match (user, password) {
        (Some(user), Some(password)) if user.is_empty() && password.is_empty() => Ok(None),
        (Some(user), Some(password))
            if !user.contains(':') && !(user.clone() + &password).contains(char::is_control) =>
        {
            Ok(Some(SecretString::from(format!("{user}:{password}"))))
        }
        _ => Err("user and password must be UTF-8 without control characters, the user without a colon".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_is_named_with_user_password_and_database() {
        let tcp = |host: &str, port, tls| RedisAddress::Tcp { host: host.to_owned(), port, tls };
        for (text, address, username, password, database) in [
            ("redis://cache", tcp("cache", 6379, false), None, None, 0),
            ("redis://Cache:7000/3", tcp("cache", 7000, false), None, None, 3),
            ("rediss://[::1]/", tcp("::1", 6379, true), None, None, 0),
            ("redis://:p%40ss@cache", tcp("cache", 6379, false), None, Some("p@ss"), 0),
            ("redis://me:pass@cache/1", tcp("cache", 6379, false), Some("me"), Some("pass"), 1),
            ("unix:/run/redis.sock", RedisAddress::Unix("/run/redis.sock".into()), None, None, 0),
            ("unix:///run/a%20b.sock?db=2", RedisAddress::Unix("/run/a b.sock".into()), None, None, 2),
        ] {
            let url = redis(&text.into()).unwrap();
            assert_eq!((url.address, url.username.as_deref(), url.database), (address, username, database), "{text}");
            assert_eq!(url.password.as_ref().map(ExposeSecret::expose_secret), password, "{text}");
        }
    }

    #[test]
    fn a_wrong_redis_is_refused_and_not_repeated() {
        for text in [
            "",
            "hidden:6379",
            "http://hidden",
            "redis:///hidden",
            "redis://hidden:0",
            "redis://cache/hidden",
            "redis://cache/1/2",
            "redis://cache?hidden=1",
            "redis://me:hidden%ff@cache",
            "unix:hidden",
            "unix:/run/redis.sock?hidden=1",
            "unix:/run/redis.sock?db=hidden",
        ] {
            let message = redis(&text.into()).err().unwrap_or_else(|| panic!("{text}"));
            assert!(!message.contains("hidden"), "{text}: {message}");
        }
    }

    #[test]
    fn a_base_url_is_a_scheme_and_an_authority() {
        for (text, tls, host, port) in [
            ("https://api.weixin.qq.com", true, "api.weixin.qq.com", 443),
            ("https://API.weixin.qq.com/", true, "api.weixin.qq.com", 443),
            ("http://localhost", false, "localhost", 80),
            ("http://127.0.0.1:8090", false, "127.0.0.1", 8090),
            ("https://[2001:DB8::1]:8443", true, "2001:db8::1", 8443),
        ] {
            let expected = BaseUrl { tls, host: host.to_owned(), port };
            assert_eq!(base_url(Value::from(text)), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_base_url_with_more_is_refused_and_not_repeated() {
        for text in [
            "",
            "api.weixin.qq.com",
            "//api.weixin.qq.com",
            "ftp://hidden",
            "localhost:8080",
            "https://",
            "https://hidden/cgi-bin",
            "https://hidden/?",
            "https://hidden/#",
            "https://user:hidden@host",
            "https://hidden@host",
            "https://hidden:0",
            "https://hidden:65536",
            "https://hidden host",
        ] {
            let message = base_url(Value::from(text)).unwrap_err();
            assert!(!message.contains("hidden"), "{text}: {message}");
        }
    }

    #[test]
    fn a_collector_has_a_path_and_no_credentials() {
        for text in ["http://127.0.0.1:4318/v1/traces", "https://otlp.example/a/v1/traces", "http://[::1]/v1/traces"] {
            assert_eq!(collector(Value::from(text)).unwrap().as_str(), text);
        }
        for text in [
            "",
            "hidden",
            "hidden:4318",
            "http://hidden:4318",
            "http://hidden:4318/",
            "grpc://hidden:4317/v1/traces",
            "http://hidden:0/v1/traces",
            "http://hidden/v1/traces?key=hidden",
            "http://hidden/v1/traces#hidden",
            "http://hidden@collector/v1/traces",
            "http://me:hidden@collector/v1/traces",
        ] {
            let message = collector(Value::from(text)).unwrap_err();
            assert!(!message.contains("hidden"), "{text}: {message}");
        }
    }

    #[test]
    fn the_addresses_of_a_host_are_known_where_nobody_must_be_asked() {
        for (text, expected) in [
            ("http://127.0.0.1:4318/", &["127.0.0.1"][..]),
            ("http://[2001:DB8::1]/", &["2001:db8::1"]),
            ("http://LocalHost:4318/", &["127.0.0.1", "::1"]),
            ("http://collector:4318/", &[]),
        ] {
            let addresses = known_addresses(&Url::parse(text).unwrap());
            assert_eq!(addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn a_proxy_may_carry_credentials() {
        let proxy = |text: &str| {
            let proxy = proxy(Value::from(text)).unwrap();
            (proxy.host, proxy.port, proxy.credentials.map(|credentials| credentials.expose_secret().to_owned()))
        };
        assert_eq!(proxy("http://10.0.0.1:3128"), ("10.0.0.1".to_owned(), 3128, None));
        assert_eq!(proxy("http://[::1]"), ("::1".to_owned(), 80, None));
        assert_eq!(proxy("http://me:p%40ss@proxy/"), ("proxy".to_owned(), 80, Some("me:p@ss".to_owned())));
        assert_eq!(proxy("http://me@proxy"), ("proxy".to_owned(), 80, Some("me:".to_owned())));
    }

    #[test]
    fn a_wrong_proxy_is_refused_and_not_repeated() {
        for text in [
            "",
            "proxy:3128",
            "https://hidden:3128",
            "socks5://hidden",
            "http://proxy/hidden",
            "http://me:hidden%ff@proxy",
            "http://me:hidden%0d@proxy",
            "http://m%3Ae:hidden@proxy",
        ] {
            let message = proxy(Value::from(text)).unwrap_err();
            assert!(!message.contains("hidden"), "{text}: {message}");
        }
    }
}

//! What is called: a path and a query, in any of the ways in which people have them at hand.

use hyper::Uri;
use reqwest::Url;

use crate::wechat::{self, Credential};

/// The path and the query, as they go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) query: Option<String>,
}

impl Target {
    /// The same at this origin (`http://host:port`).
    pub(super) fn at(&self, origin: &str) -> String {
        match &self.query {
            Some(query) => format!("{origin}{}?{query}", self.path),
            None => format!("{origin}{}", self.path),
        }
    }
}

/// `/cgi-bin/user/get?…`, or the same behind `https://api.weixin.qq.com`. What may not stand in a URL is encoded.
pub(super) fn parse(text: &str) -> Result<Target, &'static str> {
    let url = match text.starts_with('/') {
        true => Url::parse(&format!("http://wechat{text}")),
        false => Url::parse(text),
    };
    let url = url.map_err(|_| "must be a path that begins with /, or a URL of WeChat's")?;
    if !text.starts_with('/') && !url.host_str().is_some_and(|host| host.ends_with(".weixin.qq.com")) {
        return Err("a URL must be one of WeChat's: the way there is chosen by --gateway or --direct");
    }
    if let Ok(Credential::TokenEndpoint(_)) = wechat::classify(without_account(url.path())) {
        return Err("hands out a token, which is never shown; `wxgate check` says whether WeChat hands one out");
    }
    let target = Target { path: url.path().to_owned(), query: url.query().map(str::to_owned) };
    target.at("").parse::<Uri>().map_err(|_| "cannot be written as a URL")?;
    Ok(target)
}

/// The path behind a gateway's `/@name`.
fn without_account(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/@") else { return path };
    rest.find('/').map_or("/", |end| &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_a_url_out_of_the_documentation_are_both_good() {
        for (text, target) in [
            ("/cgi-bin/user/get", "/cgi-bin/user/get"),
            ("/cgi-bin/user/get?next_openid=", "/cgi-bin/user/get?next_openid="),
            (
                "https://api.weixin.qq.com/cgi-bin/user/get?access_token=ACCESS_TOKEN&a=1",
                "/cgi-bin/user/get?access_token=ACCESS_TOKEN&a=1",
            ),
            ("/wxa/x?name=你好 b", "/wxa/x?name=%E4%BD%A0%E5%A5%BD%20b"),
            ("/@shop/cgi-bin/user/get", "/@shop/cgi-bin/user/get"),
        ] {
            assert_eq!(parse(text).map(|target| target.at("")), Ok(target.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_hosts_and_what_would_show_a_token_are_refused() {
        for text in ["cgi-bin/user/get", "", "https://example.com/cgi-bin/user/get", "https://weixin.qq.com.example/"] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in
            ["/cgi-bin/token?grant_type=client_credential", "/cgi-bin/stable_token", "/@shop/cgi-bin/stable_token"]
        {
            assert!(parse(text).is_err_and(|error| error.contains("never shown")), "{text}");
        }
    }
}

//! The status page: one HTML document with its style and scripts in it, which asks `/status` for what it shows.
//!
//! It is the same for everybody and holds no data, so it may be seen by whoever finds it; what it asks for is guarded. Its
//! policy lets in nothing but these very bytes: no other script or style, no other origin, and no text that becomes HTML.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{Html, IntoResponse};
use data_encoding::BASE64;

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// In the order in which they run. They share one scope; only the last one does anything.
const SCRIPT: &str = concat!(
    "'use strict';\n",
    include_str!("render.js"),
    include_str!("format.js"),
    include_str!("charts.js"),
    include_str!("advice.js"),
    include_str!("words.js"),
    include_str!("view.js"),
    include_str!("page.js"),
);

struct Page {
    html: String,
    policy: String,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| Page {
    html: HTML.replace("<!-- style -->", STYLE).replace("<!-- script -->", SCRIPT),
    policy: format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        source(SCRIPT),
        source(STYLE)
    ),
});

/// `GET /`
pub(super) async fn page() -> impl IntoResponse {
    let fields = [
        (CONTENT_SECURITY_POLICY, PAGE.policy.as_str()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"), // another build has another page
        (CONTENT_TYPE, "text/html; charset=utf-8"),
    ];
    (fields, Html(PAGE.html.as_str()))
}

/// An inline script or style as a policy names it (CSP Level 3, §2.3.1).
fn source(text: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(digest(&SHA256, text.as_bytes()).as_ref()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::wechat::{call_advice, is_known};

    #[test]
    fn the_page_is_whole_and_its_policy_names_what_stands_in_it() {
        for (start, end, text) in [("<style>", "</style>", STYLE), ("<script>", "</script>", SCRIPT)] {
            let (_, rest) = PAGE.html.split_once(start).unwrap();
            let (inside, _) = rest.split_once(end).unwrap();
            assert_eq!(inside, text);
            assert!(PAGE.policy.contains(&source(inside)));
        }
        assert!(!PAGE.html.contains("<!-- s"));
    }

    #[test]
    fn nothing_in_the_page_comes_from_elsewhere_or_turns_text_into_html() {
        let namespace = "http://www.w3.org/2000/svg";
        assert_eq!(PAGE.html.matches("://").count(), PAGE.html.matches(namespace).count());
        for word in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "@import"]
        {
            assert!(!PAGE.html.contains(word), "{word}");
        }
    }

    /// In English, `/status` has the advice of each errcode; in Chinese, the page.
    #[test]
    fn every_errcode_with_an_advice_has_it_in_chinese_too() {
        let (_, rest) = include_str!("advice.js").split_once("const CALL_ADVICE = {").unwrap();
        let (calls, tokens) = rest.split_once("const TOKEN_ADVICE = {").unwrap();
        let of_page = |table: &str| -> BTreeSet<i64> {
            let keys = table.lines().filter_map(|line| line.strip_prefix("  ")?.split(':').next());
            keys.filter_map(|key| key.trim_matches('\'').parse().ok()).collect()
        };
        let range = || -1_000..1_000_000;
        assert_eq!(of_page(calls), range().filter(|&errcode| call_advice(errcode).is_some()).collect());
        assert_eq!(of_page(tokens), range().filter(|&errcode| is_known(errcode)).collect());
    }
}

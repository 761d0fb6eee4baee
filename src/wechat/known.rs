//! The endpoints that are known by name: what may be shown of a path where few values are wanted.
//!
//! Only spans ask, so the linker leaves the table out of a program without the feature `otlp`.

use std::sync::LazyLock;

/// Path, method and credential, a line each, sorted; `tests/wechat.rs` holds [`EXCEPTIONS`](super::EXCEPTIONS) against it.
static ENDPOINTS: &str = include_str!("endpoints.tsv");

/// Sorted and without duplicates.
static PATHS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let rows = ENDPOINTS.lines().filter(|line| line.starts_with('/'));
    let mut paths: Vec<_> = rows.filter_map(|row| row.split('\t').next()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
});

/// The endpoint at `path`, byte for byte; WeChat has more than those that are known.
pub fn endpoint(path: &str) -> Option<&'static str> {
    PATHS.binary_search(&path).ok().map(|at| PATHS[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_known_and_nothing_else_is() {
        assert_eq!(endpoint("/cgi-bin/user/info"), Some("/cgi-bin/user/info"));
        assert_eq!(PATHS.first().and_then(|path| endpoint(path)), PATHS.first().copied());
        assert_eq!(PATHS.last().and_then(|path| endpoint(path)), PATHS.last().copied());
        for path in ["", "/", "/cgi-bin", "/cgi-bin/user/info/", "/CGI-BIN/user/info", "path"] {
            assert_eq!(endpoint(path), None, "{path}");
        }
    }
}

//! Paths written in a misleading way.
//!
//! What a call may do is judged by its path, but the path goes to WeChat as the caller wrote it, and
//! how WeChat reads `/cgi-bin//token` is WeChat's affair. So it is judged on a copy, normalised in every
//! way that some web server is known for, and a path that only the copy shows to be special is refused.

use std::borrow::Cow;

use memchr::memchr3;
use percent_encoding::percent_decode_str;

use super::{Credential, credential};

/// A path that names a special endpoint, but not in the way WeChat writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path names an endpoint in a disguised way")]
pub struct Disguised;

/// The credential that the endpoint at `path` (without the query) takes.
///
/// # Errors
///
/// [`Disguised`] when the normalised copy of `path` names an endpoint that takes something else than
/// [`Credential::AppToken`], and `path` itself differs from that copy; or when no single copy would do.
pub fn classify(path: &str) -> Result<Credential, Disguised> {
    let normal = normalise(path);
    match credential(&normal) {
        _ if matches!(normal, Cow::Owned(_)) && is_ambiguous(path) => Err(Disguised),
        // The exceptions are all in normal form, so a path that differs from its copy is none of them.
        Credential::AppToken => Ok(Credential::AppToken),
        special if normal == path => Ok(special),
        _ => Err(Disguised),
    }
}

/// The copy of a path (without the query) on which class and admission are judged.
///
/// In this order: percent-decoded, cut at the first NUL, `?` or `#`, ASCII letters in lower case, `\` as `/`, the `;…` of
/// every segment dropped, empty segments collapsed, dot segments resolved (never above the root), no slash at
/// the end; it always starts with one. A path that needs none of this comes back borrowed.
///
/// Decoding happens once, as in every web server that is in order: `%2574oken` becomes `%74oken`, which is no
/// token endpoint.
pub fn normalise(path: &str) -> Cow<'_, str> {
    if is_plain(path) {
        return Cow::Borrowed(path);
    }
    let mut bytes: Vec<u8> = percent_decode_str(path).collect();
    if let Some(end) = memchr3(0, b'?', b'#', &bytes) {
        bytes.truncate(end);
    }
    bytes.make_ascii_lowercase();
    Cow::Owned(resolve_segments(&String::from_utf8_lossy(&bytes)))
}

/// Whether [`normalise`] would change nothing, told in one pass. It may say no where the answer is yes: at
/// every segment that starts with a dot.
fn is_plain(path: &str) -> bool {
    let mut previous = 0;
    for &byte in path.as_bytes() {
        match byte {
            b'A'..=b'Z' | b'%' | b'\\' | b';' | 0 => return false,
            b'/' | b'.' if previous == b'/' => return false,
            _ => previous = byte,
        }
    }
    path == "/" || (path.starts_with('/') && previous != b'/')
}

/// Whether servers would take the path to different places. Where `..` climbs, it depends on what a server decodes, merges
/// or cuts before it resolves: `/cgi-bin//../token`, `/cgi-bin/x%2Fy/../token` and `/cgi-bin/;/../token` are `/cgi-bin/token`
/// to some. Where a slash hides behind a `;`, it depends on whether the parameter goes before it is decoded:
/// `/cgi-bin/token;%2Fx`.
fn is_ambiguous(path: &str) -> bool {
    let is_odd = path.contains(['%', '\\', ';', '\0']) || path.contains("//");
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    let climbs = decoded.split(|byte| b"/\\;?#\0".contains(byte)).any(|segment| segment == b"..");
    (is_odd && climbs) || path.split('/').any(hides_a_slash)
}

/// Whether the parameter of a segment holds what ends a segment to some servers.
fn hides_a_slash(segment: &str) -> bool {
    percent_decode_str(segment).skip_while(|byte| *byte != b';').any(|byte| b"/\\?#\0".contains(&byte))
}

fn resolve_segments(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split(['/', '\\']) {
        let name = segment.split_once(';').map_or(segment, |(name, _parameters)| name);
        match name {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wechat::{EXCEPTIONS, TokenEndpoint};
    use proptest::prelude::*;
    use proptest::sample::select;

    const CLASSIC: Credential = Credential::TokenEndpoint(TokenEndpoint::Classic);

    #[test]
    fn plain_paths_are_borrowed() {
        for path in ["/", "/cgi-bin/token", "/a.b/c..d", "/wxa/business/getuserphonenumber", "/中文"] {
            assert!(matches!(normalise(path), Cow::Borrowed(same) if same == path), "{path}");
        }
    }

    #[test]
    fn normalising_shows_what_a_path_means() {
        for (path, normal) in [
            ("", "/"),
            ("*", "/*"),
            ("//", "/"),
            ("/..", "/"),
            ("/%00", "/"),
            ("/A/b", "/a/b"),
            ("a/b", "/a/b"),
            ("/a/b/", "/a/b"),
            ("/a//b", "/a/b"),
            ("/a/./b/.", "/a/b"),
            ("/a/../../b", "/b"),
            ("/a/b/..", "/a"),
            ("/a/...", "/a/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a;x=1/b;y;z", "/a/b"),
            ("/a/..;x/b", "/b"),
            ("/;x/a", "/a"),
            (r"\a\b", "/a/b"),
            ("/%61%2Fb", "/a/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a%5c..%5cb", "/b"),
            ("/a%3bx/b", "/a/b"),
            ("/a%00/../b", "/a"),
            ("/a%3f/../b", "/a"),
            ("/a%23b", "/a"),
            ("/a%", "/a%"),
            ("/a%4", "/a%4"),
            ("/a%zz", "/a%zz"),
            ("/%2561", "/%61"),
            ("/%ff", "/\u{fffd}"),
            ("/%E4%B8%AD", "/中"),
        ] {
            assert_eq!(normalise(path), normal, "{path}");
        }
    }

    #[test]
    fn disguised_paths_are_told() {
        for path in [
            "/cgi-bin//token",
            "//cgi-bin/token",
            "/CGI-BIN/token",
            "/cgi-bin/Token",
            "/cgi-bin/./token",
            "/cgi-bin/token/.",
            "/cgi-bin/x/../token",
            "/x/../cgi-bin/token",
            "/cgi-bin/;/../token",
            "/cgi-bin/%3b/%2e%2e/token",
            "/x%00/../cgi-bin/token",
            "/../cgi-bin/token",
            "/cgi-bin/token/",
            "/cgi-bin/token//",
            "/cgi-bin/token;a=b",
            "/cgi-bin/token;",
            "/cgi-bin;x/token",
            "/;x/cgi-bin/token",
            "/cgi-bin/x/..;/token",
            "/cgi-bin/%74oken",
            "/cgi-bin/%54oken",
            "/cgi-bin%2Ftoken",
            "/cgi-bin%2ftoken",
            "/cgi-bin/token%00.json",
            "/cgi-bin/token%00",
            "/cgi-bin/token%2f",
            "/cgi-bin/token%3bx",
            "/cgi-bin/token%3f",
            "/cgi-bin/token%23x",
            "/x%3f/../cgi-bin/token",
            "/..%2fcgi-bin/token",
            r"/cgi-bin\token",
            r"\cgi-bin\token",
            "/cgi-bin%5ctoken",
            "/%2e%2e/cgi-bin/token",
            "/x/%2e%2E/cgi-bin/token",
            "/x/.%2e/cgi-bin/token",
            "/cgi-bin/%2e/token",
            "/cgi-bin/x%2f..%2ftoken",
            "/cgi-bin/token/x/..",
            "cgi-bin/token",
            "/SNS/userinfo",
            "/sns/jscode2session/",
            "/wxa/../sns/auth",
        ] {
            assert_eq!(classify(path), Err(Disguised), "{path}");
        }
    }

    /// Found by the fuzz target `route`: each is the token endpoint to a server that takes some step before another.
    #[test]
    fn a_path_that_servers_read_differently_is_refused() {
        for path in [
            "/cgi-bin//../token",
            "/cgi-bin/x%2Fy/../token",
            r"/cgi-bin/x\y/../token",
            "/cgi-bin/x%5cy/%2e%2e/token",
            "/cgi-bin/token;%2Fx",
            r"/cgi-bin/token;\x",
            "/cgi-bin;%00/token",
            "/cgi-bin/stable_token/x%2F../..",
        ] {
            assert_eq!(classify(path), Err(Disguised), "{path}");
        }
        for path in ["/a/../b/./c", "/New/API;v=1//x/%41%2f%zz/", "/a..b/%2e.c"] {
            assert_eq!(classify(path), Ok(Credential::AppToken), "one reading only: {path}");
        }
    }

    #[test]
    fn undisguised_paths_keep_their_class() {
        assert_eq!(classify("/cgi-bin/token"), Ok(CLASSIC));
        assert_eq!(classify("/sns/userinfo"), Ok(Credential::UserToken));
        for path in [
            "/",
            "",
            "/wxaapi/broadcast/goods/deleteInRoom",
            "/cgi-bin//message/custom/send",
            "/cgi-bin/token2",
            "/cgi-bin/token/x",
            "/cgi-bin/%2574oken",
            "/token",
        ] {
            assert_eq!(classify(path), Ok(Credential::AppToken), "{path}");
        }
    }

    /// Any path, made of the pieces that matter.
    fn any_path() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            "/", "/", "\\", ".", "..", ";", "%2f", "%5C", "%2e", "%3B", "%00", "%25", "%ff", "%", "a", "A", "=", "é",
            "\0",
        ];
        prop::collection::vec(select(PIECES), 0..16).prop_map(|pieces| pieces.concat())
    }

    /// A special endpoint, disguised in one to four ways.
    fn disguised_path() -> impl Strategy<Value = String> {
        let steps = prop::collection::vec((0..6u8, any::<prop::sample::Index>()), 1..5);
        (select(EXCEPTIONS), steps).prop_map(|((path, _), steps)| {
            steps.into_iter().fold(path.to_owned(), |path, (way, place)| disguise(&path, way, place))
        })
    }

    fn disguise(path: &str, way: u8, place: prop::sample::Index) -> String {
        let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        let at = slashes[place.index(slashes.len())];
        let (before, after) = path.split_at(at);
        match way {
            0 => format!("{before}/{after}"),
            1 => format!("{before}/.{after}"),
            2 => format!("{before}/x/..{after}"),
            3 => format!("{path}/"),
            4 => format!("{path};x"),
            _ => format!("{path}%00x"),
        }
    }

    proptest! {
        #[test]
        fn nothing_misleading_is_left(path in any_path()) {
            let normal = normalise(&path);
            prop_assert!(normal.starts_with('/'));
            prop_assert!(!normal.contains(['\\', ';', '\0']) && !normal.contains(|c: char| c.is_ascii_uppercase()));
            prop_assert!(normal == "/" || normal[1..].split('/').all(|segment| !matches!(segment, "" | "." | "..")));
        }

        /// But for what a second decoding would do.
        #[test]
        fn normalising_twice_changes_nothing(path in any_path()) {
            let once = normalise(&path).into_owned();
            prop_assert!(once.contains('%') || normalise(&once) == once, "{once}");
        }

        #[test]
        fn a_plain_path_would_not_be_changed(path in r"(/[a./%]{0,3}){0,4}") {
            prop_assert!(!is_plain(&path) || resolve_segments(&path) == path);
        }

        #[test]
        fn any_text_is_survived(path: String) {
            let _ = classify(&path);
        }

        #[test]
        fn no_disguise_helps(path in disguised_path()) {
            prop_assert_eq!(classify(&path), Err(Disguised));
        }

        #[test]
        fn encoding_any_letter_is_a_disguise((path, _) in select(EXCEPTIONS), place: prop::sample::Index) {
            let at = place.index(path.len());
            let encoded = format!("{}%{:02x}{}", &path[..at], path.as_bytes()[at], &path[at + 1..]);
            prop_assert_eq!(classify(&encoded), Err(Disguised));
        }
    }
}

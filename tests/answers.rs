//! The reader of WeChat's answers, held against hyper's client on the same bytes: a table of everything that RFC 9112 lets
//! an answer be, and much that it does not. The fuzz target `answer` goes on from here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(unreachable_pub, reason = "the modules here have no outside")]

#[path = "../fuzz/properties/answer.rs"]
#[allow(dead_code, reason = "the fuzz target's entrance")]
mod answer;

use answer::{End, Outcome, Wire, cut, hypers, is_intended, ours};

/// What an answer comes to.
#[derive(Debug, Clone, Copy)]
enum Is {
    /// Whole, with this body, and the connection may be kept.
    Kept(&'static str),
    /// Whole, but the connection may not be kept.
    Last(&'static str),
    /// An answer that breaks off.
    Broken,
    /// No answer.
    Refused,
}
use Is::{Broken, Kept, Last, Refused};

/// On a connection that stays open behind the answer.
#[rustfmt::skip]
const ANSWERS: &[(&str, Is)] = &[
    // Lengths (RFC 9112 §6.2, §6.3).
    ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Kept("")),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0004\r\n\r\ngood", Kept("good")),
    ("HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: 4, 5\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: 4,\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: 4 4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: four\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551614\r\n\r\ngood", Refused),
    // Chunks (§7.1).
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Kept("hello")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: ChunkeD\r\n\r\n0000A\r\n0123456789\r\n1\r\nx\r\n000\r\n\r\n", Kept("0123456789x")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Kept("")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;name=\"value\";b\r\nhello\r\n0;last\r\n\r\n", Kept("hello")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \t\r\nhello\r\n0\r\n\r\n", Kept("hello")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nDigest: x\r\nExpires: never\r\n\r\n", Kept("hello")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nno colon\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\rX\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\nC: d\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 5\r\nhello\r\n0\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", Broken),
    // Statuses and methods without a body (§6.3, rule 1), and interim answers (RFC 9110 §15.2).
    ("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", Kept("")),
    ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", Kept("")),
    ("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", Kept("")),
    ("HTTP/1.1 304 Not Modified\r\n\r\n", Kept("")),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\nContent-Length: 4\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    // Versions and persistence (§9.3).
    ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngood", Last("good")),
    ("HTTP/1.1 200 OK\r\nConnection: x,  CLOSE\r\nContent-Length: 4\r\n\r\ngood", Last("good")),
    ("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngood", Last("good")),
    ("HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    ("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ngood", Last("good")),
    ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    ("HTTP/1.0 200 OK\r\nConnection: close, keep-alive\r\nContent-Length: 4\r\n\r\ngood", Last("good")),
    ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused),
    ("HTTP/1.2 200 OK\r\nContent-Length: 4\r\n\r\ngood", Refused),
    ("HTTP/2 200 OK\r\nContent-Length: 4\r\n\r\ngood", Refused),
    // Status lines.
    ("HTTP/1.1 200\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    ("HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    ("HTTP/1.1 200 All is well\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    ("HTTP/1.1 999 ?\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    ("HTTP/1.1 099 ?\r\nContent-Length: 4\r\n\r\ngood", Refused),
    ("HTTP/1.1 20 OK\r\nContent-Length: 4\r\n\r\ngood", Refused),
    ("HTTP/1.1  200 OK\r\nContent-Length: 4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\x01\r\nContent-Length: 4\r\n\r\ngood", Refused),
    ("SSH-2.0-OpenSSH_9.2\r\n", Refused),
    ("<html>no head at all</html>\r\n\r\n", Refused),
    ("\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    // Field lines (§5).
    ("HTTP/1.1 200 OK\nContent-Length: 4\n\ngood", Kept("good")),
    ("HTTP/1.1 200 OK\r\nContent-Length:4\r\nX: \t a b \t\r\n\r\ngood", Kept("good")),
    ("HTTP/1.1 200 OK\r\nX: \u{4f60}\r\nContent-Length: 4\r\n\r\ngood", Kept("good")),
    ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 4\r\n\r\ngood", Refused), // obs-fold
    ("HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 4\r\n\r\ngood", Refused),
    ("HTTP/1.1 200 OK\r\nX(a): b\r\nContent-Length: 4\r\n\r\ngood", Refused),
    // What stands behind an answer belongs to nobody.
    ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Last("good")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n", Last("")),
    ("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\ngood", Last("")),
];

/// On a connection that ends behind the answer.
#[rustfmt::skip]
const LAST_ANSWERS: &[(&str, Is)] = &[
    ("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nuntil the end", Last("until the end")),
    ("HTTP/1.1 200 OK\r\n\r\n", Last("")),
    ("HTTP/1.0 200 OK\r\n\r\nuntil the end", Last("until the end")),
    ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", Last("good")),
    ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoo", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Last("hello")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", Broken),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Broken),
    ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", Refused),
    ("HTTP/1.1 100 Continue\r\n\r\n", Refused),
    ("", Refused),
];

/// To a HEAD request.
#[rustfmt::skip]
const HEADS: &[(&str, Is)] = &[
    ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", Kept("")),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Kept("")),
    ("HTTP/1.1 200 OK\r\n\r\n", Kept("")),
    ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", Last("")),
];

/// Where ours is stricter than hyper's, with the reason.
#[rustfmt::skip]
const DIFFERENCES: &[(&str, Is, &str)] = &[
    ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", Refused,
     "no request of ours asks for another protocol"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Refused,
     "hyper hands the coded bytes to its user; a caller of ours would not know that they are coded"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused,
     "the same, and RFC 9112 §6.1 forbids it"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\ngood", Refused,
     "the same; hyper would read to the end of the connection"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Last("hello"),
     "two framings are how smuggled answers look (RFC 9112 §6.3): the connection is not used again"),
    ("HTTP/1.1 200 OK\r\nConnection: \u{e9}, close\r\nContent-Length: 4\r\n\r\ngood", Last("good"),
     "hyper does not read a Connection field that is not ASCII"),
];

#[test]
fn answers_are_read_as_hyper_reads_them_however_they_are_cut() {
    for (open, to_head, table) in [(true, false, ANSWERS), (false, false, LAST_ANSWERS), (true, true, HEADS)] {
        for (text, expected) in table {
            for wire in cuts(text, open, to_head) {
                let (ours, hypers) = (ours(wire.clone()), hypers(wire));
                assert_eq!(ours, hypers, "ours and hyper's\n{text}");
                is(&ours, *expected, text);
            }
        }
    }
}

#[test]
fn every_difference_from_hyper_is_listed_and_makes_ours_stricter() {
    for (text, expected, reason) in DIFFERENCES {
        for wire in cuts(text, true, false) {
            let (ours, hypers) = (ours(wire.clone()), hypers(wire));
            assert!(ours != hypers, "no difference any more: {reason}\n{text}");
            assert!(is_intended(&ours, &hypers), "{ours:?}\n{hypers:?}");
            is(&ours, *expected, text);
        }
    }
}

#[test]
fn trailers_are_bounded_while_they_come() {
    for (count, expected) in [(100, Kept("")), (101, Broken)] {
        let lines: String = (0..count).map(|n| format!("X-{n}: y\r\n")).collect();
        let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{lines}");
        let text = if matches!(expected, Broken) { text } else { text + "\r\n" }; // it need not come to its end
        for wire in cuts(&text, true, false) {
            let (ours, hypers) = (ours(wire.clone()), hypers(wire));
            assert_eq!(ours, hypers, "{count}");
            is(&ours, expected, &text);
        }
    }
}

#[test]
fn heads_are_bounded() {
    let fields = |count| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let long = |length| format!("X: {}\r\n", "x".repeat(length));
    for (fields, expected) in [
        (fields(99), Kept("good")),
        (fields(100), Refused),
        (long(60_000), Kept("good")),
        (long(70_000), Refused), // hyper's limit is six times ours
        (long(1 << 20), Refused),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\ngood");
        for lengths in [&[][..], &[1_000]] {
            is(
                &ours(Wire { to_head: false, open: true, pieces: cut(text.as_bytes(), lengths) }),
                expected,
                &text[..40],
            );
        }
    }
    let endless = "\r\n".repeat(40_000);
    is(&ours(Wire { to_head: false, open: true, pieces: cut(endless.as_bytes(), &[1_000]) }), Refused, "empty lines");
}

fn cuts(text: &str, open: bool, to_head: bool) -> impl Iterator<Item = Wire> {
    let lengths = [0, 1, 2, 3, text.len() / 2 + 1, text.len().saturating_sub(1)];
    lengths.into_iter().map(move |length| {
        let length = (length > 0).then_some(length);
        Wire { to_head, open, pieces: cut(text.as_bytes(), length.as_slice()) }
    })
}

fn is(outcome: &Outcome, expected: Is, text: &str) {
    let matches = match (outcome, expected) {
        (Outcome::Refused, Refused) => true,
        (Outcome::Answer(seen), expected) => match (&seen.body, expected) {
            (End::Whole(body, true), Kept(text)) | (End::Whole(body, false), Last(text)) => body == text.as_bytes(),
            (End::Broken, Broken) => true,
            _ => false,
        },
        _ => false,
    };
    assert!(matches, "{expected:?} was expected, not {outcome:?}\n{text}");
}

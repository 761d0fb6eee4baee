//! Chunked bodies that are wrong (RFC 9112 §7.1): refused whole, before anything of them goes to WeChat.

use super::{Arrives, Case, Refused, SMUGGLED, assert_fates};

async fn assert_all(cases: &[Case<'_>]) {
    let head = "POST INTENDED HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let cases: Vec<_> =
        cases.iter().map(|(what, body, fate)| (*what, format!("{head}{body}{}", SMUGGLED), *fate)).collect();
    let cases: Vec<Case<'_>> = cases.iter().map(|(what, bytes, fate)| (*what, &**bytes, *fate)).collect();
    assert_fates(&cases).await;
}

#[tokio::test]
async fn sizes_that_are_none_are_refused() {
    assert_all(&[
        ("nothing", "\r\nhello\r\n0\r\n\r\n", Refused),
        ("a word", "five\r\nhello\r\n0\r\n\r\n", Refused),
        ("minus", "-5\r\nhello\r\n0\r\n\r\n", Refused),
        ("plus", "+5\r\nhello\r\n0\r\n\r\n", Refused),
        ("prefix", "0x5\r\nhello\r\n0\r\n\r\n", Refused),
        ("a space before", " 5\r\nhello\r\n0\r\n\r\n", Refused),
        ("two numbers", "5 5\r\nhello\r\n0\r\n\r\n", Refused),
        ("NUL", "5\0\r\nhello\r\n0\r\n\r\n", Refused),
        ("full width", "\u{ff15}\r\nhello\r\n0\r\n\r\n", Refused),
        ("2^64", "10000000000000000\r\nhello\r\n0\r\n\r\n", Refused),
        ("2^64 + 5", "10000000000000005\r\nhello\r\n0\r\n\r\n", Refused),
        ("2^64 - 1", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", Refused),
        ("2^63", "8000000000000000\r\nhello\r\n0\r\n\r\n", Refused),
        ("too long, then the next", "6\r\nhello\r\n0\r\n\r\n", Refused),
        ("too short", "4\r\nhello\r\n0\r\n\r\n", Refused),
        ("a bare CR", "5\rhello\r\n0\r\n\r\n", Refused),
    ])
    .await;
}

#[tokio::test]
async fn ends_that_are_missing_are_refused() {
    assert_all(&[
        ("no line end behind the data", "5\r\nhello0\r\n\r\n", Refused),
        ("only CR behind the data", "5\r\nhello\r0\r\n\r\n", Refused),
        ("only LF behind the data", "5\r\nhello\n0\r\n\r\n", Refused),
        ("two bytes instead of it", "5\r\nhelloXX0\r\n\r\n", Refused),
        ("only LF behind the size", "5\nhello\r\n0\r\n\r\n", Refused),
        ("LF in an extension", "5;a=\nhello\r\n0\r\n\r\n", Refused),
        ("a trailer that is none", "5\r\nhello\r\n0\r\nno colon\r\n\r\n", Refused),
        ("no last chunk", "5\r\nhello\r\n", Refused),
    ])
    .await;
}

#[tokio::test]
async fn extensions_and_trailers_end_here() {
    let many = format!("5\r\nhello\r\n0\r\n{}\r\n", "X-Trailer: 1\r\n".repeat(5_000));
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(200_000));
    assert_all(&[
        ("an extension", "5;name=value\r\nhello\r\n0\r\n\r\n", Arrives("hello")),
        ("a quoted one", "5;name=\"0\"\r\nhello\r\n0;last\r\n\r\n", Arrives("hello")),
        ("zeros before", "0005\r\nhello\r\n000\r\n\r\n", Arrives("hello")),
        ("capitals", "A\r\n0123456789\r\n0\r\n\r\n", Arrives("0123456789")),
        ("a trailer", "5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n", Arrives("hello")),
        ("a length in a trailer", "5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n", Arrives("hello")),
        ("trailers without end", &many, Refused),
        ("an extension without end", &long, Refused),
    ])
    .await;
}

//! Where a request ends: `Transfer-Encoding` and `Content-Length` that are wrong, doubled, or at odds (RFC 9112 §6).

use super::{Arrives, Case, Fate, Refused, SMUGGLED, assert_fates};

/// A POST with these fields and this body, and a smuggled request behind it.
fn post(version: &str, fields: &str, body: &str) -> String {
    format!("POST INTENDED HTTP/{version}\r\nHost: localhost\r\n{fields}\r\n\r\n{body}{SMUGGLED}")
}

/// `what`, its bytes, and its fate.
async fn assert_all<'a>(cases: impl IntoIterator<Item = (String, String, Fate<'a>)>) {
    let cases: Vec<_> = cases.into_iter().collect();
    let cases: Vec<Case<'_>> = cases.iter().map(|(what, bytes, fate)| (&**what, &**bytes, *fate)).collect();
    assert_fates(&cases).await;
}

/// RFC 9112 §6.1: where both stand, the connection must end after the answer.
#[tokio::test]
async fn with_both_of_them_nothing_behind_the_request_is_read() {
    let fields = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\ntransfer-encoding:\tChunKed",
        "Content-Length: 5\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 6",
    ];
    assert_all(fields.map(|fields| (fields.to_owned(), post("1.1", fields, "0\r\n\r\n"), Arrives("")))).await;
}

#[tokio::test]
async fn a_transfer_encoding_that_is_not_plainly_chunked_is_refused() {
    let fields = [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunk\u{e9}d",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: xchunked",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: \0chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "Transfer-Encoding\r\n : chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding\0: chunked",
    ];
    let with_length = fields.map(|fields| format!("Content-Length: 5\r\n{fields}"));
    let all = fields.map(ToOwned::to_owned).into_iter().chain(with_length);
    assert_all(all.map(|fields| (fields.clone(), post("1.1", &fields, "0\r\n\r\n"), Refused))).await;
}

#[tokio::test]
async fn a_transfer_coding_that_is_not_undone_is_refused() {
    let fields = [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ];
    assert_all(fields.map(|coding| {
        let fields = format!("{coding}\r\nConnection: close");
        (coding.to_owned(), post("1.1", &fields, "3\r\nabc\r\n0\r\n\r\n"), Refused)
    }))
    .await;
}

#[tokio::test]
async fn http_1_0_has_no_transfer_encoding() {
    let fields = ["Transfer-Encoding: chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked"];
    let alive = fields.map(|fields| format!("{fields}\r\nConnection: keep-alive"));
    let all = fields.map(ToOwned::to_owned).into_iter().chain(alive);
    assert_all(all.map(|fields| (fields.clone(), post("1.0", &fields, "0\r\n\r\n"), Refused))).await;
}

#[tokio::test]
async fn a_length_that_is_no_number_is_refused() {
    let lengths = [
        "",
        "+5",
        "-5",
        "-0",
        "0x5",
        "5.0",
        "5e0",
        "5 5",
        "5;",
        "5,",
        "5, 5",
        "5, 6",
        "1_0",
        "\u{665}",
        "five",
        "\"5\"",
        "5\u{b}",
        "\0",
        "18446744073709551616",
        "18446744073709551621",
        "99999999999999999999999999999999999999999",
    ];
    assert_all(lengths.map(|length| {
        let field = format!("Content-Length: {length}");
        (field.clone(), post("1.1", &field, "hello"), Refused)
    }))
    .await;
    let pairs =
        ["5\r\nContent-Length: 6", "5\r\nContent-Length: 05x", "5\r\nContent-Length:", "6\r\ncontent-length: 5"];
    let folded = ["5\r\n 0", "\r\n 5", "5\r\n\t"];
    assert_all(pairs.into_iter().chain(folded).map(|lengths| {
        let fields = format!("Content-Length: {lengths}");
        (fields.clone(), post("1.1", &fields, "hello"), Refused)
    }))
    .await;
}

/// The last number that is one is too large for any body, and no memory is set aside for it.
#[tokio::test]
async fn a_length_beyond_all_bounds_is_refused_before_the_body() {
    let lengths = ["18446744073709551615", "18446744073709551614", "9223372036854775808", "999999999999"];
    assert_all(lengths.map(|length| {
        let field = format!("Content-Length: {length}");
        (field.clone(), post("1.1", &field, "hello"), Refused)
    }))
    .await;
}

#[tokio::test]
async fn a_body_is_a_body_whatever_stands_in_it() {
    let body = "GET /smuggled/x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = body.len();
    let cases = ["POST", "GET", "DELETE", "OPTIONS", "HEAD", "PRI", "get"].map(|method| {
        let head = format!("{method} INTENDED HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n");
        (method.to_owned(), format!("{head}Connection: close\r\n\r\n{body}{SMUGGLED}"), Arrives(body))
    });
    assert_all(cases).await;
    let twice = format!(
        "POST INTENDED HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}{SMUGGLED}"
    );
    let padded = twice.replacen("Content-Length: ", "Content-Length: \t 000", 2);
    let asked = twice.replace("Connection: close", "Connection: close\r\nExpect: 100-continue");
    let upgraded = twice.replace("Connection: close", "Connection: close, upgrade\r\nUpgrade: websocket");
    assert_all(
        [("twice", twice), ("zeros", padded), ("expect", asked), ("upgrade", upgraded)]
            .map(|(what, bytes)| (what.to_owned(), bytes, Arrives(body))),
    )
    .await;
}

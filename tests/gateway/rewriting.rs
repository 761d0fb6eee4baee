//! What WeChat gets of a request: one token, and else every byte as the caller sent it, less what ends at this hop.

use aws_lc_rs::digest::{SHA256, digest};
use hyper::header::HeaderName;
use wxgate::sandbox::{DEFAULT_APPID, Fault, Kind, Seen};

use crate::support::{Gateway, last_call, sandbox};

const SEND: &str = "/cgi-bin/message/custom/send";

fn field(seen: &Seen, name: &str) -> Vec<String> {
    let name: HeaderName = name.parse().unwrap();
    seen.header(&name).into_iter().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

/// Bytes in which a piece that is lost, repeated or out of place shows.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8 ^ (n >> 16) as u8).collect()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

#[tokio::test]
async fn the_query_stays_byte_for_byte_and_carries_exactly_one_token() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    gateway.get("/x").await;
    let token = wechat.world().with_ledger(|ledger, _| ledger.newest(DEFAULT_APPID, Kind::Stable).unwrap().to_owned());
    for (sent, kept) in [
        ("", ""),
        ("?", ""),
        ("?a=1", "a=1&"),
        ("?a=&b&&c=1&c=2&", "a=&b&&c=1&c=2&&"),
        ("?a=%E4%BD%A0+%zz%&%41=%2b", "a=%E4%BD%A0+%zz%&%41=%2b&"),
        ("?a=你好;b='1'&c=(?/:@!$,*)", "a=你好;b='1'&c=(?/:@!$,*)&"),
        ("?a={x:[1,\\]}|^`~", "a={x:[1,\\]}|^`~&"),
        ("?access_token=x", ""),
        ("?access_token", ""),
        ("?a=1&access_token=x&b=2", "a=1&b=2&"),
        ("?access_token=x&access_token=&access_token", ""),
        ("?%61ccess_token=x&access%5Ftoken=y&access%5ftoken=z", ""),
        ("?a=access_token=x&b=%26access_token=y", "a=access_token=x&b=%26access_token=y&"),
        ("?access_token2=x&my_access_token=y&ACCESS_TOKEN=z", "access_token2=x&my_access_token=y&ACCESS_TOKEN=z&"),
    ] {
        assert_eq!(gateway.get(&format!("/x{sent}")).await.json()["errcode"], 0, "{sent}");
        assert_eq!(last_call(&wechat).target, format!("/x?{kept}access_token={token}"), "{sent}");
    }
}

#[tokio::test]
async fn fields_for_this_hop_end_here_and_all_others_go_on() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let sent = [
        ("Connection", "keep-alive, X-Private"),
        ("Connection", "x-other,Host"),
        ("X-Private", "1"),
        ("X-Other", "2"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic eA=="),
        ("TE", "trailers"),
        ("Trailer", "X-Sum"),
        ("Upgrade", "h2c"),
        ("X-Wxgate-Account", "main"),
        ("X-Wxgate-Anything", "1"),
        ("Authorization", "Bearer own"),
        ("Cookie", "a=1; b=2"),
        ("User-Agent", "sdk/1.0"),
        ("Accept-Encoding", "gzip"),
        ("X-Repeated", "one"),
        ("Wechatmp-Signature", "c2ln"),
        ("X-Repeated", "two, three"),
    ];
    gateway.request("POST", SEND, &sent, br#"{"touser":"o6"}"#).await;
    let seen = last_call(&wechat);
    let mut names: Vec<&str> = seen.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = [
        "accept-encoding",
        "authorization",
        "content-length",
        "cookie",
        "host",
        "user-agent",
        "wechatmp-signature",
        "x-repeated",
    ];
    assert_eq!(names, expected);
    assert_eq!(field(&seen, "host"), [wechat.address().to_string()]);
    assert_eq!(field(&seen, "x-repeated"), ["one", "two, three"]);
    assert_eq!(field(&seen, "authorization"), ["Bearer own"]);
}

#[tokio::test]
async fn an_answers_fields_for_this_hop_end_here_and_none_is_added() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let head = "HTTP/1.1 200 OK\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\
                X-Wxgate-Retry: healed\r\nX-Wxgate-Error: no_token\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
                Wechatmp-Signature: c2ln\r\nContent-Length: 2\r\n\r\n";
    wechat.world().faults().add(Fault::at("/x").raw(format!("{head}ok")));
    let reply = gateway.get("/x").await;
    let mut fields: Vec<String> = reply.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    fields.sort();
    let expected = ["content-length: 2", "set-cookie: a=1", "set-cookie: b=2", "wechatmp-signature: c2ln"];
    assert_eq!((fields, reply.text()), (expected.map(str::to_owned).to_vec(), "ok".to_owned()));
}

#[tokio::test]
async fn a_caller_that_expects_100_continue_is_served_and_wechat_hears_nothing_of_it() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let mut caller = gateway.connect().await;
    caller.request("POST", SEND, &[("Expect", "100-continue"), ("Content-Length", "15")], b"").await;
    assert_eq!(caller.until(b"\r\n\r\n").await.unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
    caller.write(r#"{"touser":"o6"}"#).await;
    assert_eq!(caller.reply().await.json()["errcode"], 0);
    assert!(field(&last_call(&wechat), "expect").is_empty());
}

#[tokio::test]
async fn a_chunked_body_arrives_with_its_length() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    for (chunks, body) in [
        ("8\r\n{\"touser\r\n7;x=y\r\n\":\"o6\"}\r\n0\r\nX-Trailer: 1\r\n\r\n", &br#"{"touser":"o6"}"#[..]),
        ("0\r\n\r\n", b""),
    ] {
        let mut caller = gateway.connect().await;
        caller.request("POST", "/x", &[("Transfer-Encoding", "chunked")], b"").await;
        caller.write(chunks).await;
        assert_eq!(caller.reply().await.json()["errcode"], 0);
        let seen = last_call(&wechat);
        assert_eq!(seen.body.as_deref(), Some(body));
        assert_eq!(field(&seen, "content-length"), [body.len().to_string()]);
        assert!(field(&seen, "transfer-encoding").is_empty() && field(&seen, "x-trailer").is_empty());
    }
}

#[tokio::test]
async fn a_request_without_a_body_states_a_length_where_its_method_expects_one() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    for (method, length) in
        [("POST", &["0"][..]), ("PUT", &["0"]), ("PATCH", &["0"]), ("GET", &[]), ("DELETE", &[]), ("OPTIONS", &[])]
    {
        assert_eq!(gateway.request(method, "/x", &[], b"").await.status, 200, "{method}");
        let seen = last_call(&wechat);
        assert_eq!((seen.method.as_str(), field(&seen, "content-length").as_slice()), (method, &own(length)[..]));
        assert!(field(&seen, "transfer-encoding").is_empty(), "{method}");
    }
    assert_eq!(gateway.request("GET", "/x", &[], b"{}").await.status, 200);
    assert_eq!(last_call(&wechat).body.as_deref(), Some(&b"{}"[..]), "a GET may have a body");
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[tokio::test]
async fn a_body_arrives_as_it_was_whether_it_stays_in_memory_or_goes_through_a_file() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "body.memory = '16KiB'").await;
    for length in [1, 16 * 1024, 16 * 1024 + 1, 256 * 1024, 1_234_567] {
        let body = bytes(length);
        assert_eq!(gateway.request("POST", "/x", &[], &body).await.status, 200, "{length}");
        let seen = last_call(&wechat);
        assert_eq!((seen.body_length, &seen.body_sha256[..]), (length as u64, &sha256(&body)[..]), "{length}");
        assert_eq!(field(&seen, "content-length"), [length.to_string()]);
    }
}

#[tokio::test]
async fn a_chunked_body_that_goes_through_a_file_arrives_as_it_was() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "body.memory = '16KiB'").await;
    let body = bytes(700_000);
    let mut caller = gateway.connect().await;
    caller.request("POST", "/x", &[("Transfer-Encoding", "chunked")], b"").await;
    for chunk in body.chunks(9_999) {
        caller.write([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()).await;
    }
    caller.write("0\r\n\r\n").await;
    assert_eq!(caller.reply().await.status, 200);
    let seen = last_call(&wechat);
    assert_eq!((seen.body_length, &seen.body_sha256[..]), (700_000, &sha256(&body)[..]));
}

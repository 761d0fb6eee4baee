//! A request whose token WeChat refused goes out once more with a better one, and the caller hardly notices.

use hyper::StatusCode;
use hyper::header::HeaderValue;
use tokio::task::JoinSet;
use wxgate::sandbox::{DEFAULT_APPID, Fault, Fetches, Gate, HangUp, Sandbox};

use crate::support::{Caller, Gateway, Reply, sandbox, within};

const INFO: &str = "/cgi-bin/user/info";
const SEND: &str = "/cgi-bin/message/custom/send";

/// A gateway whose token WeChat has accepted, with `more` keys for `[heal]`.
async fn start(wechat: &Sandbox, more: &str) -> Gateway {
    let gateway = Gateway::start(wechat, &format!("[heal]\npause = '1ms'\n{more}")).await;
    assert_eq!(gateway.get("/warm-up").await.status, 200);
    gateway
}

fn retry(reply: &Reply) -> Option<&str> {
    reply.field("x-wxgate-retry")
}

fn fetches(wechat: &Sandbox) -> Fetches {
    wechat.world().fetches(DEFAULT_APPID)
}

#[tokio::test]
async fn a_refusal_is_healed_once_and_the_second_one_is_the_callers() {
    let wechat = sandbox().await;
    let gateway = start(&wechat, "").await;
    let refusals = [r#"{"errcode":40001,"errmsg":"first"}"#, r#"{"errmsg": "second" , "errcode":"42001"}"#];
    for refusal in refusals {
        wechat.world().faults().add(Fault::at("/x").times(1).body(refusal));
    }
    let reply = gateway.get("/x").await;
    assert_eq!((reply.status, retry(&reply), reply.text().as_str()), (200, Some("failed"), refusals[1]));
    assert_eq!(reply.error(), None, "WeChat's word, not the gateway's");
    assert_eq!(wechat.world().journal().count("/x"), 2);
}

#[tokio::test]
async fn whatever_comes_the_second_time_goes_to_the_caller_and_only_acceptance_is_healed() {
    let wechat = sandbox().await;
    let gateway = start(&wechat, "").await;
    let plain = HeaderValue::from_static("text/plain");
    for (second, status, errcode) in [
        (Fault::at("/x").errcode(-1), 200, Some(-1)),
        (Fault::at("/x").status(StatusCode::BAD_GATEWAY, plain, r#"{"a":1}"#), 502, None),
    ] {
        wechat.world().faults().add(Fault::at("/x").times(1).errcode(40001));
        wechat.world().faults().add(second.times(1));
        let reply = gateway.get("/x").await;
        assert_eq!((reply.status, reply.json()["errcode"].as_i64()), (status, errcode));
        assert_eq!((retry(&reply), reply.error()), (Some("failed"), None), "{reply:?}");
    }
    wechat.world().faults().add(Fault::at("/x").times(1).errcode(40001));
    wechat.world().faults().add(Fault::at("/x").times(1).errcode(48001));
    let reply = gateway.get("/x").await;
    assert_eq!((reply.json()["errcode"].as_i64(), retry(&reply)), (Some(48001), Some("healed")), "the token was taken");
}

#[tokio::test]
async fn a_second_sending_that_is_lost_is_no_refusal() {
    let wechat = sandbox().await;
    let gateway = start(&wechat, "").await;
    wechat.world().faults().add(Fault::at(SEND).times(1).errcode(40001));
    wechat.world().faults().add(Fault::at(SEND).times(1).hang_up(HangUp::Before));
    let reply = gateway.request("POST", SEND, &[], br#"{"touser":"o6"}"#).await;
    assert_eq!((reply.status, reply.error()), (502, Some("upstream_broke_off")), "it may have been sent");
    assert_eq!(retry(&reply), Some("failed"));
    assert_eq!(wechat.world().journal().count(SEND), 2);
}

#[tokio::test]
async fn where_no_new_token_may_be_fetched_the_first_refusal_is_the_callers() {
    let wechat = sandbox().await;
    let gateway = Gateway::start(&wechat, "").await;
    let refusal = r#"{"errcode":40001, "errmsg":"a token that was never accepted stays for a while"}"#;
    wechat.world().faults().add(Fault::at("/x").body(refusal));
    let reply = gateway.get("/x").await;
    assert_eq!((retry(&reply), reply.text().as_str()), (Some("failed"), refusal));
    assert_eq!((wechat.world().journal().count("/x"), fetches(&wechat).stable), (1, 1));
}

#[tokio::test]
async fn each_errcode_of_the_list_is_healed_and_no_other() {
    for (keys, healed, others) in [
        ("", &[40001, 42001, 40014][..], &[41001, 48001, 45009][..]),
        ("errcodes = [45009, 40001]\n", &[45009, 40001], &[42001, 40014]),
    ] {
        let wechat = sandbox().await;
        let gateway = start(&wechat, keys).await;
        for (errcode, expected) in
            healed.iter().map(|errcode| (errcode, Some("healed"))).chain(others.iter().map(|errcode| (errcode, None)))
        {
            wechat.world().faults().add(Fault::at("/x").times(1).errcode(*errcode));
            assert_eq!(retry(&gateway.get("/x").await), expected, "{keys}{errcode}");
        }
    }
}

#[tokio::test]
async fn tokens_that_really_die_are_replaced_each_in_its_way() {
    let wechat = sandbox().await;
    let gateway = start(&wechat, "").await;
    let world = wechat.world();
    let minted = fetches(&wechat).minted;

    world.kill_tokens();
    assert_eq!(retry(&gateway.get("/x").await), Some("healed"));
    assert_eq!((fetches(&wechat).minted, fetches(&wechat).forced), (minted + 1, 0));

    world.advance(std::time::Duration::from_secs(7_200));
    assert_eq!(retry(&gateway.get("/x").await), Some("healed"), "expired before its time on our clock");
    assert_eq!((fetches(&wechat).minted, fetches(&wechat).forced), (minted + 2, 0));

    world.another_system_refreshes(DEFAULT_APPID);
    assert_eq!(retry(&gateway.get("/x").await), Some("healed"));
    assert_eq!((fetches(&wechat).minted, fetches(&wechat).forced), (minted + 2, 0), "the other system's is used");

    world.kill_tokens_unnoticed();
    assert_eq!(retry(&gateway.get("/x").await), Some("healed"));
    assert_eq!((fetches(&wechat).minted, fetches(&wechat).forced), (minted + 3, 1), "only force helped");

    assert_eq!(retry(&gateway.get("/x").await), None, "nothing to heal, nothing to say");
}

#[tokio::test]
async fn a_healed_request_is_the_same_request_but_for_its_token() {
    let wechat = sandbox().await;
    let gateway = start(&wechat, "").await;
    wechat.world().kill_tokens();
    let body = "{\"touser\":\"o6\",\"text\":\"access_token=x&\u{0}\"}";
    let fields = [("X-Own", "1"), ("X-Own", "2"), ("Wechatmp-Signature", "c2ln")];
    let reply = gateway.request("POST", "/x?a=%41&&access_token=mine&b=", &fields, body.as_bytes()).await;
    assert_eq!(retry(&reply), Some("healed"));
    let calls = wechat.world().journal().requests_of("/x");
    let [first, second] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((first.headers.clone(), &first.body), (second.headers.clone(), &second.body));
    assert_eq!(second.body.as_deref(), Some(body.as_bytes()));
    let (old, new) = (first.parameters("access_token"), second.parameters("access_token"));
    assert!(old.len() == 1 && new.len() == 1 && old != new);
    assert_eq!(first.target.replace(&old[0], &new[0]), second.target);
}

#[tokio::test]
async fn an_upload_of_10_mb_survives_a_heal_byte_for_byte() {
    let wechat = sandbox().await;
    let gateway = start(&wechat, "").await;
    wechat.world().kill_tokens();
    let file: Vec<u8> = (0..10_000_000_u32).map(|n| (n % 251) as u8 ^ (n >> 16) as u8).collect();
    let part = b"--b\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.mp4\"\r\n\
                 Content-Type: video/mp4\r\n\r\n";
    let body = [&part[..], &file, b"\r\n--b--\r\n"].concat();
    let fields = [("Content-Type", "multipart/form-data; boundary=b")];
    let reply = gateway.request("POST", "/cgi-bin/media/upload?type=video", &fields, &body).await;
    assert_eq!(retry(&reply), Some("healed"), "{reply:?}");
    let calls = wechat.world().journal().requests_of("/cgi-bin/media/upload");
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.body_length == body.len() as u64));
    assert_eq!(calls[0].body_sha256, calls[1].body_sha256);
    let media_id = reply.json()["media_id"].as_str().unwrap().to_owned();
    assert!(gateway.get(&format!("/cgi-bin/media/get?media_id={media_id}")).await.body == file);
}

#[tokio::test]
async fn a_thousand_requests_whose_token_was_just_killed_cost_one_fetch_and_all_are_answered() {
    const CALLERS: usize = 1_000;
    // Each request has two connections, and both ends of each are in this process.
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let wechat = sandbox().await;
    let keys = "token.wait_timeout = '20s'\nupstream.connect_timeout = '20s'";
    let gateway = Gateway::with(&wechat, keys).await;
    assert_eq!(gateway.get("/warm-up").await.status, 200);
    let before = fetches(&wechat);
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at(INFO).hold(&gate).times(CALLERS as u64));
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let address = gateway.address;
        callers.spawn(async move {
            let mut caller = Caller::connect(address).await;
            caller.request("GET", &format!("{INFO}?openid=o{number}"), &[], b"").await;
            (number, caller.reply().await)
        });
    }
    within(gate.held(CALLERS)).await;
    wechat.world().kill_tokens();
    gate.open();
    while let Some(answered) = within(callers.join_next()).await {
        let (number, reply) = answered.unwrap();
        assert_eq!((reply.status, retry(&reply)), (200, Some("healed")), "{number}: {reply:?}");
        assert_eq!(reply.json()["openid"], format!("o{number}"));
    }
    let after = fetches(&wechat);
    assert_eq!(after, Fetches { stable: before.stable + 1, minted: before.minted + 1, ..before });
    assert_eq!(wechat.world().journal().count(INFO), 2 * CALLERS as u64);
}

#[tokio::test]
async fn a_caller_that_speaks_http_1_0_is_healed_too() {
    let wechat = sandbox().await;
    let gateway = start(&wechat, "").await;
    wechat.world().kill_tokens();
    let mut caller = gateway.connect().await;
    caller.write("POST /cgi-bin/message/custom/send HTTP/1.0\r\nContent-Length: 15\r\n\r\n{\"touser\":\"o6\"}").await;
    let answer = String::from_utf8(caller.until_end().await.unwrap()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 ") && head.contains("x-wxgate-retry: healed"), "{head}");
    assert_eq!(body, r#"{"errcode":0,"errmsg":"ok"}"#);
}

//! What an account asks about its followers and about itself: small reads, and one big list.

use serde_json::{Value, json};

use crate::sandbox::answer::Answer;
use crate::sandbox::call::Call;
use crate::sandbox::world::World;

/// How many follow the account.
const FOLLOWERS: usize = 12_000;
/// How many a page of the list holds; makes about 310 KB, the largest seen (wechat.md §4).
const PAGE: usize = 10_000;

/// `GET /cgi-bin/user/info`
pub(super) fn info(call: &Call) -> Answer {
    match call.parameter("openid") {
        None | Some("") => Answer::error(40003),
        Some(openid) => Answer::json(&json!({
            "subscribe": 1, "openid": openid, "language": "zh_CN", "subscribe_time": 1_434_093_047,
            "remark": "", "groupid": 0, "tagid_list": [128, 2], "subscribe_scene": "ADD_SCENE_QR_CODE",
        })),
    }
}

/// `GET /cgi-bin/user/get`: the followers after `next_openid`.
pub(super) fn list(call: &Call) -> Answer {
    let first = match call.parameter("next_openid") {
        None | Some("") => 0,
        Some(last) => match last.strip_prefix("oSandbox").and_then(|number| number.parse::<usize>().ok()) {
            Some(number) if number < FOLLOWERS => number + 1,
            _ => return Answer::error(40003),
        },
    };
    let page: Vec<Value> = (first..FOLLOWERS).take(PAGE).map(|number| openid(number).into()).collect();
    let last = page.last().cloned().unwrap_or_default();
    Answer::json(&json!({
        "total": FOLLOWERS, "count": page.len(), "data": {"openid": page},
        "next_openid": if last.is_null() { Value::from("") } else { last },
    }))
}

/// `GET /cgi-bin/ticket/getticket`
pub(super) fn ticket(call: &Call) -> Answer {
    let kind = call.parameter("type").unwrap_or("jsapi");
    let ticket = format!("sandbox-{kind}-ticket-{:0>60}", 1);
    Answer::json(&json!({"errcode": 0, "errmsg": "ok", "ticket": ticket, "expires_in": 7200}))
}

/// `/cgi-bin/get_api_domain_ip`
pub(super) fn domain_ip() -> Answer {
    Answer::json(&json!({"ip_list": ["192.0.2.10", "192.0.2.11"]}))
}

/// `POST /cgi-bin/clear_quota`: the body names the account.
pub(super) fn clear_quota(world: &World, call: &Call) -> Answer {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    match body["appid"].as_str() {
        None => Answer::error(41002),
        Some(appid) if !world.with_credentials(|credentials| credentials.knows(appid)) => Answer::error(40013),
        Some(appid) => {
            world.with_ledger(|ledger, _| ledger.clear_quotas(appid));
            Answer::ok()
        }
    }
}

/// `POST /cgi-bin/clear_quota/v2`: appid and AppSecret in the query, no token.
pub(super) fn clear_quota_by_secret(world: &World, call: &Call) -> Answer {
    let appid = call.parameter("appid");
    if let Err(answer) = world.check_secret(appid, call.parameter("appsecret"), call.from) {
        return answer;
    }
    world.with_ledger(|ledger, _| ledger.clear_quotas(appid.unwrap_or_default()));
    Answer::ok()
}

/// 28 characters, as real ones have.
fn openid(number: usize) -> String {
    format!("oSandbox{number:020}")
}

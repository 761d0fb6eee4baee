//! The sandbox's controls over HTTP, at the sandbox's own address (not the gateway's).
//!
//! ```sh
//! S=http://127.0.0.1:8090/_sandbox
//!
//! # The next two calls of one path are told that their token is bad; every other call is slow.
//! curl $S/faults -d '{"path": "/cgi-bin/user/info", "times": 2, "errcode": 40001}'
//! curl $S/faults -d '{"delay": "1500ms"}'
//! # A page of HTML where JSON belongs; a body that breaks off; one that trickles.
//! curl $S/faults -d '{"status": 502, "content_type": "text/html", "body": "<h1>Bad Gateway</h1>"}'
//! curl $S/faults -d '{"path": "/cgi-bin/user/get", "hang_up": "amid_body"}'
//! curl $S/faults -d '{"pace": {"bytes": 1024, "gap": "20ms"}, "coding": "gzip", "chunked": true}'
//! # An end to all faults.
//! curl -X DELETE $S/faults
//!
//! # All tokens die; the same, but only force_refresh helps; another system takes over the token.
//! curl -X POST $S/kill-tokens
//! curl $S/kill-tokens -d '{"unnoticed": true}'
//! curl -X POST $S/another-system-refreshes
//! # Nobody may use the AppSecret but 203.0.113.9 (40164); anybody may.
//! curl -X PUT $S/ip-whitelist -d '["203.0.113.9"]'
//! curl -X PUT $S/ip-whitelist -d 'null'
//! # Two hours pass.
//! curl $S/advance -d '"2h"'
//!
//! # What was seen: the last requests, and how often tokens were fetched.
//! curl "$S/requests?last=20"
//! curl $S/ledger
//! ```
//!
//! The parts of a fault are those of [`Fault`](super::Fault), and add up as there: `path`, `times`,
//! `delay`, one of `errcode` (with `errmsg`), `status` or `body` (with `content_type`), and `raw`, then
//! `headers` (name to value), `coding` (`gzip`, `deflate`), `chunked`, `pace`, and `hang_up`
//! (`before`, `amid_head`, `amid_body`, `after`). Durations have units. A mistake gets HTTP 400 and a
//! sentence. The AppSecret is never shown.

mod order;
mod report;

use std::net::IpAddr;

use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answer::Answer;
use super::call::Call;
use super::world::World;
use order::FaultOrder;

/// Where the controls live; no path of WeChat's begins so.
pub const PREFIX: &str = "/_sandbox/";

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Death {
    unnoticed: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Stranger {
    appid: Option<String>,
}

/// Does what a control request asks.
pub(super) fn answer(world: &World, call: &Call) -> Answer {
    obey(world, call).unwrap_or_else(|mistake| say(StatusCode::BAD_REQUEST, &json!({"error": mistake})))
}

/// `Err` holds a sentence about what is wrong with the request.
fn obey(world: &World, call: &Call) -> Result<Answer, String> {
    let what = call.path().strip_prefix(PREFIX).unwrap_or_default();
    match (call.method(), what) {
        (&Method::POST, "faults") => world.faults().add(read::<FaultOrder>(call)?.fault()?),
        (&Method::DELETE, "faults") => world.faults().clear(),
        (&Method::POST, "kill-tokens") if read_or_default::<Death>(call)?.unnoticed => world.kill_tokens_unnoticed(),
        (&Method::POST, "kill-tokens") => world.kill_tokens(),
        (&Method::POST, "another-system-refreshes") => strangers(world, read_or_default(call)?)?,
        (&Method::PUT, "ip-whitelist") => world.set_whitelist(read::<Option<Vec<IpAddr>>>(call)?),
        (&Method::POST, "advance") => world.advance(order::duration(&read::<String>(call)?)?),
        (&Method::GET, "requests") => return Ok(say(StatusCode::OK, &report::requests(world, last(call)?))),
        (&Method::GET, "ledger") => return Ok(say(StatusCode::OK, &report::ledger(world))),
        (method, _) => {
            let mistake = json!({"error": format!("no such control: {method} {PREFIX}{what}")});
            return Ok(say(StatusCode::NOT_FOUND, &mistake));
        }
    }
    Ok(say(StatusCode::OK, &json!({"done": true, "faults": world.faults().remaining()})))
}

/// Without an appid, every account has a stranger.
fn strangers(world: &World, stranger: Stranger) -> Result<(), String> {
    let mut appids = world.with_credentials(|credentials| credentials.appids());
    if let Some(wanted) = stranger.appid {
        appids.retain(|appid| *appid == wanted);
        if appids.is_empty() {
            return Err(format!("no such account: `{wanted}`"));
        }
    }
    appids.iter().for_each(|appid| world.another_system_refreshes(appid));
    Ok(())
}

fn last(call: &Call) -> Result<usize, String> {
    call.parameter("last").unwrap_or("100").parse().map_err(|_| "`last` is a number of requests".to_owned())
}

fn read<T: DeserializeOwned>(call: &Call) -> Result<T, String> {
    serde_json::from_slice(&call.body).map_err(|error| error.to_string())
}

fn read_or_default<T: DeserializeOwned + Default>(call: &Call) -> Result<T, String> {
    if call.body.is_empty() { Ok(T::default()) } else { read(call) }
}

fn say(status: StatusCode, value: &serde_json::Value) -> Answer {
    Answer::new(status, HeaderValue::from_static("application/json"), format!("{value:#}\n"))
}

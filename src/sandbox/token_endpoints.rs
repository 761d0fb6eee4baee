//! `/cgi-bin/token` and `/cgi-bin/stable_token`: always HTTP 200, whatever goes wrong.

use hyper::Method;
use serde::Deserialize;

use super::answer::Answer;
use super::call::Call;
use super::ledger::{Grant, Refusal};
use super::settings::StableEndpoint;
use super::world::World;

/// The path of the classic endpoint.
pub const CLASSIC: &str = "/cgi-bin/token";
/// The path of the stable endpoint.
pub const STABLE: &str = "/cgi-bin/stable_token";

/// What both endpoints are told.
#[derive(Deserialize)]
struct Demand {
    grant_type: Option<String>,
    appid: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    force_refresh: bool,
}

/// The classic endpoint: everything in the query; POST is taken too.
pub(super) fn classic(world: &World, call: &Call) -> Answer {
    let parameter = |name| call.parameter(name).map(str::to_owned);
    let demand = Demand {
        grant_type: parameter("grant_type"),
        appid: parameter("appid"),
        secret: parameter("secret"),
        force_refresh: false,
    };
    hand_out(world, call, &demand, |appid| world.with_ledger(|ledger, now| ledger.classic(appid, now)))
}

/// The stable endpoint: JSON by POST and nothing else.
pub(super) fn stable(world: &World, call: &Call) -> Answer {
    match world.stable_endpoint() {
        StableEndpoint::Present => {}
        StableEndpoint::Status(status) => return Answer::bare(status),
        StableEndpoint::InvalidUrl => return Answer::error(40066),
    }
    if call.method() != Method::POST {
        return Answer::wrong_method(&Method::POST);
    }
    if call.body.is_empty() {
        return Answer::error(44002);
    }
    let Ok(demand) = serde_json::from_slice::<Demand>(&call.body) else { return Answer::error(47001) };
    hand_out(world, call, &demand, |appid| {
        world.with_ledger(|ledger, now| ledger.stable(appid, demand.force_refresh, now))
    })
}

fn hand_out(world: &World, call: &Call, demand: &Demand, fetch: impl FnOnce(&str) -> Result<Grant, Refusal>) -> Answer {
    if demand.grant_type.as_deref() != Some("client_credential") {
        return Answer::error(40002);
    }
    if let Err(answer) = world.check_secret(demand.appid.as_deref(), demand.secret.as_deref(), call.from) {
        return answer;
    }
    match fetch(demand.appid.as_deref().unwrap_or_default()) {
        Ok(grant) => Answer::grant(&grant),
        Err(refusal) => Answer::error(refusal.errcode()),
    }
}

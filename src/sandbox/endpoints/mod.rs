//! The business endpoints, and the checks at WeChat's door that come before any of them.
//!
//! WeChat looks at the token before it looks at anything else (wechat.md §2), so a refused call has
//! done nothing. Paths that are not listed here answer `ok` to a good token.

mod media;
mod messages;
mod sns;
mod users;

use hyper::{Method, StatusCode};

use super::answer::Answer;
use super::call::Call;
use super::ledger::Judgement;
use super::media::UPLOAD;
use super::token_endpoints;
use super::world::World;

/// WeChat's answer to a call when no fault changes it.
pub(super) fn answer(world: &World, call: Call) -> Answer {
    if call.is_chunked() {
        return Answer::bare(StatusCode::PRECONDITION_FAILED);
    }
    if call.method() == Method::POST && !call.has_content_length() {
        // Inferred: RFC 9110 §15.5.12 has this status for it.
        return Answer::bare(StatusCode::LENGTH_REQUIRED);
    }
    match call.path() {
        token_endpoints::CLASSIC => token_endpoints::classic(world, &call),
        token_endpoints::STABLE => token_endpoints::stable(world, &call),
        "/sns/jscode2session" => sns::code_to_session(world, &call),
        "/sns/oauth2/access_token" => sns::code_to_user_token(world, &call),
        "/sns/oauth2/refresh_token" => sns::refresh_user_token(world, &call),
        "/sns/userinfo" => sns::user_info(&call),
        "/sns/auth" => sns::auth(&call),
        "/cgi-bin/clear_quota/v2" => users::clear_quota_by_secret(world, &call),
        // A Cloud Run token stands in for the account's own (wechat.md §3).
        _ if call.parameter("cloudbase_access_token").is_some() => Answer::ok(),
        _ => match judge(world, &call).errcode() {
            None => business(world, call),
            Some(errcode) => Answer::error(errcode),
        },
    }
}

/// The query must hold exactly one token. Two are answered like a wrong one.
fn judge(world: &World, call: &Call) -> Judgement {
    let mut tokens = call.parameters("access_token");
    let token = tokens.next();
    match tokens.next() {
        None => world.with_ledger(|ledger, now| ledger.judge(token, now)),
        Some(_) => Judgement::Invalid,
    }
}

/// The endpoints behind the door.
fn business(world: &World, call: Call) -> Answer {
    let (wanted, endpoint): (Method, fn(&World, Call) -> Answer) = match call.path() {
        "/cgi-bin/user/info" => (Method::GET, |_, call| users::info(&call)),
        "/cgi-bin/user/get" => (Method::GET, |_, call| users::list(&call)),
        "/cgi-bin/ticket/getticket" => (Method::GET, |_, call| users::ticket(&call)),
        "/cgi-bin/clear_quota" => (Method::POST, |world, call| users::clear_quota(world, &call)),
        "/cgi-bin/message/custom/send" => (Method::POST, |_, call| messages::custom(&call)),
        "/cgi-bin/message/template/send" => (Method::POST, |_, call| messages::template(&call)),
        "/wxa/msg_sec_check" => (Method::POST, |_, call| messages::security_check(&call)),
        UPLOAD => (Method::POST, media::upload),
        "/cgi-bin/media/get" => (Method::GET, |world, call| media::download(world, &call)),
        "/wxa/getwxacodeunlimit" => (Method::POST, |_, call| media::code_picture(&call)),
        "/donut/code2verifyinfo" => (Method::GET, |world, call| sns::verify_info(world, &call)),
        // It takes GET and POST; the gateway uses it as a probe.
        "/cgi-bin/get_api_domain_ip" => return users::domain_ip(),
        _ => return Answer::ok(),
    };
    if *call.method() == wanted { endpoint(world, call) } else { Answer::wrong_method(&wanted) }
}

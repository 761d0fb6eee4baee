//! Calls about one end user, which carry the AppSecret or the user's own OAuth token.
//!
//! A code is good unless it begins with `bad`. A user's token is one that begins with
//! [`USER_TOKEN`]; the account's token is refused here.

use serde_json::json;

use crate::sandbox::answer::Answer;
use crate::sandbox::call::Call;
use crate::sandbox::world::World;

/// How an end user's access token begins in the sandbox; the refresh token too.
const USER_TOKEN: &str = "81_user_";
const OPENID: &str = "oSandboxEndUser0000000000001";

/// `GET /sns/jscode2session`
pub(super) fn code_to_session(world: &World, call: &Call) -> Answer {
    if let Err(answer) = with_secret_and_code(world, call, "secret", "js_code") {
        return answer;
    }
    Answer::json_as_text(&json!({"session_key": "c2FuZGJveHNlc3Npb25rZQ==", "openid": OPENID}))
}

/// `GET /sns/oauth2/access_token`
pub(super) fn code_to_user_token(world: &World, call: &Call) -> Answer {
    with_secret_and_code(world, call, "secret", "code").err().unwrap_or_else(user_token)
}

/// `GET /sns/oauth2/refresh_token`: takes an appid and neither secret nor token.
pub(super) fn refresh_user_token(world: &World, call: &Call) -> Answer {
    match (call.parameter("appid"), call.parameter("refresh_token")) {
        (None, _) => Answer::error(41002),
        (Some(appid), _) if !world.with_credentials(|credentials| credentials.knows(appid)) => Answer::error(40013),
        (_, Some(token)) if token.starts_with(USER_TOKEN) => user_token(),
        _ => Answer::error(40030),
    }
}

/// `GET /sns/userinfo`
pub(super) fn user_info(call: &Call) -> Answer {
    with_user_token(call).err().unwrap_or_else(|| {
        Answer::json_as_text(&json!({
            "openid": OPENID, "nickname": "沙盒用户", "sex": 0, "language": "", "city": "", "province": "",
            "country": "", "headimgurl": "https://thirdwx.qlogo.cn/mmopen/sandbox/132", "privilege": [],
        }))
    })
}

/// `GET /sns/auth`
pub(super) fn auth(call: &Call) -> Answer {
    with_user_token(call).err().unwrap_or_else(Answer::ok)
}

/// `GET /donut/code2verifyinfo`: wants the AppSecret, as `appsecret`, besides the account's token.
pub(super) fn verify_info(world: &World, call: &Call) -> Answer {
    with_secret_and_code(world, call, "appsecret", "code")
        .err()
        .unwrap_or_else(|| Answer::json(&json!({"errcode": 0, "errmsg": "ok", "verify_info": {"openid": OPENID}})))
}

fn with_secret_and_code(world: &World, call: &Call, secret: &str, code: &str) -> Result<(), Answer> {
    world.check_secret(call.parameter("appid"), call.parameter(secret), call.from)?;
    match call.parameter(code) {
        None | Some("") => Err(Answer::error(41008)),
        Some(code) if code.starts_with("bad") => Err(Answer::error(40029)),
        Some(_) => Ok(()),
    }
}

fn with_user_token(call: &Call) -> Result<(), Answer> {
    match call.parameter("access_token") {
        None | Some("") => Err(Answer::error(41001)),
        Some(token) if token.starts_with(USER_TOKEN) => Ok(()),
        Some(_) => Err(Answer::error(40001)),
    }
}

fn user_token() -> Answer {
    let token = |kind| format!("{USER_TOKEN}{kind}_{:032x}", fastrand::u128(..));
    Answer::json_as_text(&json!({
        "access_token": token("access"), "expires_in": 7200, "refresh_token": token("refresh"),
        "openid": OPENID, "scope": "snsapi_userinfo",
    }))
}

//! Calls that write: a JSON body in, a short JSON answer out.

use serde_json::{Value, json};

use crate::sandbox::answer::Answer;
use crate::sandbox::call::Call;

/// `POST /cgi-bin/message/custom/send`
pub(super) fn custom(call: &Call) -> Answer {
    read(call).map_or_else(|refusal| refusal, |_| Answer::ok())
}

/// `POST /cgi-bin/message/template/send`
pub(super) fn template(call: &Call) -> Answer {
    read(call).map_or_else(
        |refusal| refusal,
        |_| Answer::json(&json!({"errcode": 0, "errmsg": "ok", "msgid": fastrand::u32(..)})),
    )
}

/// `POST /wxa/msg_sec_check`: succeeds, with other errcodes nested in `detail`, one of which looks
/// like a dead token. Only the top level counts (wechat.md §2).
pub(super) fn security_check(call: &Call) -> Answer {
    let answer = r#"{"detail":[{"strategy":"content_model","errcode":40001,"suggest":"pass","label":100,"prob":90},
        {"strategy":"keyword","errcode":0}],"errcode":0,"errmsg":"ok","result":{"suggest":"pass","label":100},
        "trace_id":"60ae120f-371d5872-4d4e0c1c"}"#;
    read(call).map_or_else(|refusal| refusal, |_| Answer::json_text(answer))
}

/// The body as JSON, or 44002 or 47001. One too large to be kept is taken for good.
fn read(call: &Call) -> Result<Value, Answer> {
    let is_cut_short = (call.body.len() as u64) < call.seen.body_length;
    match serde_json::from_slice(&call.body) {
        _ if call.body.is_empty() => Err(Answer::error(44002)),
        Err(_) if is_cut_short => Ok(Value::Null),
        Err(_) => Err(Answer::error(47001)),
        Ok(body) => Ok(body),
    }
}

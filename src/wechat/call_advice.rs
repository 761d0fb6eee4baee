//! What the errcodes of ordinary calls ask for (wechat.md §2, which says what each rests on).

/// What an errcode in the answer to an ordinary call means, and what to do about it; `None` for those that are about the
/// content of one call, of which there are some thousand.
///
/// Not [`advice`](super::advice): 40001 in the answer of a token endpoint means a wrong AppSecret, anywhere else a bad token.
pub fn call_advice(errcode: i64) -> Option<&'static str> {
    ADVICE.iter().find(|&&(code, _)| code == errcode).map(|&(_, advice)| advice)
}

const REFUSED_TOKEN: &str = "WeChat does not take this token: wxgate gets a new one and sends the request again; where it does not, its log says why";
const RESTRICTED: &str = "WeChat has restricted this account: its notices in WeChat's console say why";

static ADVICE: &[(i64, &str)] = &[
    (-1, "WeChat is busy: send the request again, a little later each time"),
    (40001, REFUSED_TOKEN),
    (40002, "the grant_type is not what this endpoint takes"),
    (40003, "the openid is not of this account: openids differ from account to account"),
    (40004, "the type of the media is wrong: give type in the query, and a file of that type"),
    (40007, "the media_id is unknown, or has ended: temporary media live for three days"),
    (40013, "the appid is wrong, or not the one whose token was sent: look at which account the request selects"),
    (40014, REFUSED_TOKEN),
    (40029, "the code of a login was used already or is older than 5 minutes: have the user log in again"),
    (40037, "the template_id is not one of this account's"),
    (40066, "WeChat has no such path: compare it with WeChat's documentation"),
    (40097, "a parameter is wrong: compare the request with WeChat's documentation"),
    (40125, "the AppSecret is wrong or was reset: copy the current one from WeChat's console"),
    (40163, "the code of a login was used already: use each code once"),
    (40164, "this machine's IP address is not on the account's whitelist: add it in WeChat's console"),
    (40226, "WeChat blocks this user's login because of a risk: the user sees to it in WeChat"),
    (41001, "no token reached WeChat: look for what changes the query on the way"),
    (41002, "the appid is missing: the call takes one as a parameter"),
    (41005, "no file reached WeChat: an upload is a form whose part has a filename"),
    (42001, REFUSED_TOKEN),
    (43001, "the endpoint takes GET"),
    (43002, "the endpoint takes POST"),
    (43004, "the user does not follow the account: only followers can be written to"),
    (44002, "the body is empty: send the JSON of WeChat's documentation"),
    (
        45009,
        "the day's quota of this endpoint is used up: /cgi-bin/clear_quota resets it ten times a month; call it less",
    ),
    (45011, "too many calls of this endpoint in this minute: call it less often"),
    (45015, "the user has not written for 48 hours, so it cannot be answered: use a template or subscription message"),
    (45047, "too many messages to this user since it last wrote: wait for the user's next one"),
    (47001, "the body is not the JSON that this endpoint takes: compare it with WeChat's documentation"),
    (
        48001,
        "the account may not use this endpoint: apply for the permission in WeChat's console, or use another account",
    ),
    (48004, "WeChat has taken this permission from the account: its notices in WeChat's console say why"),
    (50001, "the user has not granted this: ask for the scope when the user logs in"),
    (50002, RESTRICTED),
    (61007, "the third-party platform was not granted this permission: have the account's owner grant it"),
    (87009, "the signature is invalid: look at the session key with which it was made"),
    (87014, "the content is not allowed by WeChat: this is a verdict, not a fault"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_stands_once() {
        let codes: HashSet<i64> = ADVICE.iter().map(|&(code, _)| code).collect();
        assert_eq!(codes.len(), ADVICE.len());
        assert!(ADVICE.iter().all(|&(code, advice)| call_advice(code) == Some(advice)));
        assert_eq!(call_advice(12345), None);
    }
}

//! WeChat's words for its errcodes (wechat.md §1 and §2; the rest from its table of global codes).

/// The words for an errcode, without the `rid` that follows them. An unknown code gets some words too.
pub(super) fn errmsg(errcode: i64) -> &'static str {
    match errcode {
        0 => "ok",
        -1 => "system error",
        40001 => {
            "invalid credential, access_token is invalid or not latest, could get access_token by \
             getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r"
        }
        40002 => "invalid grant_type",
        40003 => "invalid openid",
        40007 => "invalid media_id",
        40013 => "invalid appid",
        40014 => "invalid access_token",
        40029 => "invalid code",
        40030 => "invalid refresh_token",
        40066 => "invalid url",
        40125 => "invalid appsecret",
        40129 => "invalid scene",
        40164 => "invalid ip, not in whitelist",
        40243 => "AppSecret frozen",
        41001 => "access_token missing",
        41002 => "appid missing",
        41004 => "appsecret missing",
        41005 => "media data missing",
        41008 => "missing code",
        42001 => "access_token expired",
        43001 => "require GET method",
        43002 => "require POST method",
        44002 => "empty post data",
        45009 => {
            "reach max api daily quota limit, could get access_token by getStableAccessToken, more details at \
             https://mmbizurl.cn/s/JtxxFh33r"
        }
        45011 => "api minute-quota reach limit, must slower, retry next minute",
        47001 => "data format error",
        48001 => "api unauthorized",
        50002 => "user limited",
        61004 => "access clientip is not registered",
        61024 => "this appid belongs to a third-party platform",
        89501 => "this ip needs the confirmation of an administrator",
        89506 => "this ip was refused twice by an administrator, blocked for 24 hours",
        89507 => "this ip was refused by an administrator, blocked for 1 hour",
        _ => "error of the sandbox",
    }
}

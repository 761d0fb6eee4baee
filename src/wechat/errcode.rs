//! Reading the errcode out of an answer (wechat.md §2).
//!
//! WeChat's bodies are not always valid JSON: nicknames bring raw control characters and stray bytes.
//! A strict parser would miss the errcode in them, and a bare search would find the text inside
//! strings and nested objects. So the body is searched first, which settles most answers that carry no
//! errcode, and only on a hit a small scanner walks it, counting brackets and skipping strings.

use std::sync::LazyLock;

use memchr::{memchr2, memmem};

/// What to search for, prepared: `memmem::find` would do that for each answer.
static KEY: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("errcode"));

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The top-level `errcode` of a JSON object, written as a number (`40001`) or as a string (`"40001"`).
///
/// `None` when there is none, which WeChat means as success, or when `body` is not a JSON object. A body
/// that breaks off after the value still tells it. Nothing is allocated.
///
/// Only what WeChat writes is read, and the rest is `None`: a fraction or exponent (`40001.0`, `4e4`), a
/// value beyond `i64`, `null`. The key counts only in plain letters, since no JSON writer escapes those
/// (`err\u0063ode`). The first `errcode` decides when there are several: WeChat writes its own first.
pub fn errcode(body: &[u8]) -> Option<i64> {
    KEY.find(body)?;
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let mut rest = skip_blanks(text).strip_prefix(b"{")?;
    let mut depth = 1;
    while depth > 0 {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let (string, tail) = split_string(rest)?;
                rest = tail;
                // In JSON only a key is followed by a colon.
                if depth == 1
                    && string == b"errcode"
                    && let Some(value) = skip_blanks(tail).strip_prefix(b":")
                {
                    return read_value(skip_blanks(value));
                }
            }
            _ => {}
        }
    }
    None
}

/// Blanks and, for tolerance's sake, all other control characters.
fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|&&byte| is_blank(byte)).count();
    &bytes[blanks..]
}

fn is_blank(byte: u8) -> bool {
    byte <= b' '
}

/// What stands before the closing quote of a string, still escaped, and what follows it.
fn split_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes[at] == b'"' {
            return Some((&bytes[..at], &bytes[at + 1..]));
        }
        from = at + 2;
    }
}

fn read_value(bytes: &[u8]) -> Option<i64> {
    if let Some(string) = bytes.strip_prefix(b"\"") {
        let (number, rest) = split_integer(string)?;
        return rest.starts_with(b"\"").then_some(number);
    }
    let (number, rest) = split_integer(bytes)?;
    let ended = rest.first().is_none_or(|&byte| byte == b',' || byte == b'}' || is_blank(byte));
    ended.then_some(number)
}

fn split_integer(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let sign = usize::from(bytes.starts_with(b"-"));
    let digits = bytes[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = bytes.split_at(sign + digits);
    Some((str::from_utf8(number).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    #[track_caller]
    fn assert_errcode(body: impl AsRef<[u8]>, expected: Option<i64>) {
        let body = body.as_ref();
        assert_eq!(errcode(body), expected, "{}", body.escape_ascii());
    }

    #[test]
    fn a_top_level_errcode_is_found_wherever_it_stands() {
        assert_errcode(r#"{"errcode":0,"errmsg":"ok"}"#, Some(0));
        assert_errcode(r#"{"errcode":40001,"errmsg":"invalid credential rid: 1-2-3"}"#, Some(40001));
        assert_errcode(r#"{"errcode":-1,"errmsg":"system error"}"#, Some(-1));
        assert_errcode(r#"{"a":[1,{"b":"}"}],"c":{},"errcode":42001}"#, Some(42001));
        assert_errcode("\r\n\t {\n  \"errcode\" :\t40014\n}", Some(40014));
        assert_errcode(r#"{"errmsg":"say \"errcode\": 1, \\","errcode":7}"#, Some(7));
        assert_errcode(r#"{"errmsg":"19\" wide","errcode":7}"#, Some(7));
        assert_errcode(r#"{"v":"errcode","errcode":8}"#, Some(8));
        assert_errcode(r#"{"my errcode":1,"errcode2":2,"errcode":9}"#, Some(9));
        assert_errcode(r#"{"errcode":9223372036854775807}"#, Some(i64::MAX));
    }

    #[test]
    fn a_string_counts_like_a_number() {
        assert_errcode(r#"{"errcode":"0"}"#, Some(0));
        assert_errcode(r#"{"errmsg":"x","errcode":"40001"}"#, Some(40001));
        assert_errcode(r#"{"errcode":"-1"}"#, Some(-1));
        assert_errcode(r#"{"errcode":""}"#, None);
        assert_errcode(r#"{"errcode":"ok"}"#, None);
        assert_errcode(r#"{"errcode":"40001 "}"#, None);
    }

    #[test]
    fn other_places_do_not_count() {
        assert_errcode(r#"{"detail":[{"errcode":40001}],"result":{"errcode":42001}}"#, None);
        assert_errcode(r#"{"text":"{\"errcode\":40001}"}"#, None);
        assert_errcode(r#"{"text":"errcode","n":40001}"#, None);
        assert_errcode(r#"{"a":1}{"errcode":40001}"#, None);
        assert_errcode(r#"{"Errcode":1,"xerrcode":40001}"#, None);
        assert_errcode(r#"{"err\u0063ode":40001}"#, None);
    }

    #[test]
    fn only_an_object_has_an_errcode() {
        for body in ["", " ", "{", "{}", "null", "errcode", "\"errcode\":1", r#"[{"errcode":40001}]"#] {
            assert_errcode(body, None);
        }
        assert_errcode(b"\x89PNG\r\n\x1a\n{\"errcode\":40001}", None);
    }

    #[test]
    fn bytes_that_are_not_json_are_tolerated() {
        assert_errcode(b"\xEF\xBB\xBF{\"errcode\":40001}", Some(40001));
        assert_errcode(b"\xEF\xBB\xBF \n{\"errcode\":40001}", Some(40001));
        assert_errcode(b"{\"nickname\":\"\x00\x07\n\xE9\xFF\xC3\",\"errcode\":40001}", Some(40001));
        assert_errcode(b"{\x01\"errcode\"\x02:\x03\"40001\"\x04}", Some(40001));
        assert_errcode(b"{\"a\":1,,]\"errcode\":40001}", None);
    }

    #[test]
    fn a_body_that_breaks_off_after_the_value_still_tells_it() {
        assert_errcode(r#"{"errcode":40001,"errmsg":"inva"#, Some(40001));
        assert_errcode(r#"{"errcode":40001"#, Some(40001));
        assert_errcode(r#"{"errcode":"40001""#, Some(40001));
        for body in [r#"{"errcode":"40001"#, r#"{"errcode":-"#, r#"{"errcode": "#, r#"{"errcode"#, r#"{"a":"errcode\"#]
        {
            assert_errcode(body, None);
        }
    }

    #[test]
    fn what_wechat_never_writes_is_no_errcode() {
        for value in ["40001.0", "4e4", "4E4", "0x9c41", "+1", "null", "true", "[40001]", "{}", "40001a", "--1", "'1'"]
        {
            assert_errcode(format!(r#"{{"errcode":{value}}}"#), None);
        }
        for value in ["9223372036854775808", "-9223372036854775809", "99999999999999999999999999"] {
            assert_errcode(format!(r#"{{"errcode":{value}}}"#), None);
            assert_errcode(format!(r#"{{"errcode":"{value}"}}"#), None);
        }
    }

    #[test]
    fn the_first_errcode_decides() {
        assert_errcode(r#"{"errcode":0,"errcode":40001}"#, Some(0));
        assert_errcode(r#"{"errcode":null,"errcode":40001}"#, None);
    }

    /// Any bytes, rich in what the scanner looks for.
    fn any_body() -> impl Strategy<Value = Vec<u8>> {
        prop::string::bytes_regex(r#"\{?(errcode|"errcode":|[{}\[\]":,\\ 0-9.-]|(?s-u:.)){0,40}"#).unwrap()
    }

    /// Text that is likely to mislead a scanner, as key and as value.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => Just("errcode".to_owned()),
            1 => Just("40001".to_owned()),
            1 => Just(r#"{"errcode":40001}"#.to_owned()),
            3 => r#"[\\"{}\[\]:,a\n\u{e9}]{0,6}"#,
        ]
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                object(inner).prop_map(Value::from),
            ]
        })
    }

    fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::vec((text(), value), 0..5).prop_map(Map::from_iter)
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in any_body()) {
            errcode(&body);
        }

        #[test]
        fn valid_json_is_read_as_serde_json_reads_it(object in object(json()), pretty: bool) {
            let body = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
            let expected = match object.get("errcode") {
                Some(Value::String(text)) => text.parse().ok(),
                Some(value) => value.as_i64(),
                None => None,
            };
            prop_assert_eq!(errcode(&body), expected);
        }
    }
}

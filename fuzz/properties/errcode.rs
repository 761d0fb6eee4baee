//! Reading the errcode: as serde_json does where that can read the body at all, and never out of a text or a nested
//! object.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use wxgate::wechat::errcode;

pub fn holds(body: &[u8]) {
    let found = errcode(body);
    match serde_json::from_slice(body) {
        Ok(TopLevel::Errcode(expected)) => assert_eq!(found, expected),
        Ok(TopLevel::NegativeZero) => assert!(matches!(found, None | Some(0))),
        Err(_) if is_json(body) => assert_eq!(found, None, "no object has none"),
        Err(_) => {}
    }
    nothing_after_the_value_matters(body, found);
    as_a_text_it_says_nothing(body);
    if is_json(body) {
        nested_it_says_nothing(body);
    }
}

fn nothing_after_the_value_matters(body: &[u8], found: Option<i64>) {
    let may_be_amid_the_value = body.last().is_some_and(u8::is_ascii_digit);
    if found.is_some() && !may_be_amid_the_value {
        for tail in [&b"0"[..], b"}", b",\"errcode\":7}", b"\xFF\"{"] {
            assert_eq!(errcode(&[body, tail].concat()), found, "before {}", tail.escape_ascii());
        }
    }
}

fn as_a_text_it_says_nothing(body: &[u8]) {
    let text = serde_json::to_string(&String::from_utf8_lossy(body)).unwrap();
    assert_eq!(errcode(format!("{{\"text\":{text}}}").as_bytes()), None);
    assert_eq!(errcode(format!("{{\"text\":{text},\"errcode\":7}}").as_bytes()), Some(7));
}

fn nested_it_says_nothing(body: &[u8]) {
    assert_eq!(errcode(&[b"{\"detail\":[", body, b"]}"].concat()), None);
    assert_eq!(errcode(&[b"{\"detail\":", body, b",\"errcode\":\"7\"}"].concat()), Some(7));
}

/// serde_json does not look into the texts that it skips.
fn is_json(body: &[u8]) -> bool {
    str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// What the first plain `errcode` key of an object says. Escaped letters do not count, in the key or in the value.
enum TopLevel {
    Errcode(Option<i64>),
    /// `-0` and `-0.0` are one to serde_json and two to the gateway.
    NegativeZero,
}

impl<'de> Deserialize<'de> for TopLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = TopLevel;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TopLevel, A::Error> {
        let mut first = None;
        while let Some(key) = map.next_key::<Plain<'de>>()? {
            if key == Plain::Text("errcode") && first.is_none() {
                first = Some(map.next_value::<Plain<'de>>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(match first {
            Some(Plain::Number(number)) => TopLevel::Errcode(Some(number)),
            Some(Plain::Text(text)) if is_integer(text) => TopLevel::Errcode(text.parse().ok()),
            Some(Plain::NegativeZero) => TopLevel::NegativeZero,
            _ => TopLevel::Errcode(None),
        })
    }
}

fn is_integer(text: &str) -> bool {
    text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit())
}

/// A key or a value, as far as it can matter. serde_json lends a text that has no escapes, and copies one that has.
#[derive(PartialEq)]
enum Plain<'de> {
    Text(&'de str),
    Number(i64),
    NegativeZero,
    Other,
}

impl<'de> Deserialize<'de> for Plain<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Plain<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Plain<'de>, E> {
        Ok(Plain::Text(text))
    }

    fn visit_str<E>(self, _: &str) -> Result<Plain<'de>, E> {
        Ok(Plain::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Plain<'de>, E> {
        Ok(Plain::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Plain<'de>, E> {
        Ok(i64::try_from(number).map_or(Plain::Other, Plain::Number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Plain<'de>, E> {
        Ok(if number == 0.0 && number.is_sign_negative() { Plain::NegativeZero } else { Plain::Other })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Plain<'de>, E> {
        Ok(Plain::Other)
    }

    fn visit_unit<E>(self) -> Result<Plain<'de>, E> {
        Ok(Plain::Other)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Plain<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Plain::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plain<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Plain::Other)
    }
}

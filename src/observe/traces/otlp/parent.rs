//! The caller's span, as its head says (W3C Trace Context).
//!
//! The SDK's own reader is not strict: ids may be short or signed there, and white space or a hyphen may follow.

use data_encoding::HEXLOWER;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `00-` and 32, 16 and 2 digits with a hyphen between.
const LENGTH: usize = 55;
/// §3.3.1.5: what must be passed on; whatever is longer stays away from spans.
const LONGEST_STATE: usize = 512;
const SAMPLED: u8 = 1;

pub(super) type TraceId = [u8; 16];
pub(super) type SpanId = [u8; 8];

/// The span that a request is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    /// Whether the caller records it.
    pub(super) sampled: bool,
}

/// The caller's span; `None` where it names none, two, or one in a form that is not the standard's (§3.2.2).
pub(super) fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => parse(value.as_bytes()),
        _ => None,
    }
}

fn parse(value: &[u8]) -> Option<Parent> {
    let (known, more) = value.split_at_checked(LENGTH)?;
    let [version] = hex(known.get(..2)?)?;
    // A later version may have more behind another hyphen (§4.3).
    let is_whole = match version {
        0 => more.is_empty(),
        0xFF => false,
        _ => more.is_empty() || more.starts_with(b"-"),
    };
    let hyphens = [2, 35, 52].iter().all(|&at| known.get(at) == Some(&b'-'));
    let (trace, span) = (hex(known.get(3..35)?)?, hex(known.get(36..52)?)?);
    let [flags] = hex(known.get(53..)?)?;
    let is_named = trace != [0; 16] && span != [0; 8];
    (is_whole && hyphens && is_named).then_some(Parent { trace, span, sampled: flags & SAMPLED != 0 })
}

/// Digits in lower case only.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = HEXLOWER.decode_len(digits.len()).ok().filter(|&length| length == N)?;
    HEXLOWER.decode_mut(digits, &mut bytes[..length]).ok()?;
    Some(bytes)
}

/// What vendors say of the trace; empty where it is too long or none.
pub(super) fn state(headers: &HeaderMap) -> String {
    let values = headers.get_all(TRACESTATE).iter().map(HeaderValue::to_str).collect::<Result<Vec<_>, _>>();
    values.map(|values| values.join(",")).ok().filter(|state| state.len() <= LONGEST_STATE).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHOLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn of(value: &str) -> Option<Parent> {
        parent(&headers("traceparent", &[value]))
    }

    #[test]
    fn a_parent_is_read_from_every_version_and_unknown_flags_are_ignored() {
        let expected = |sampled| {
            let trace = 0x0af7651916cd43dd8448eb211c80319c_u128.to_be_bytes();
            Some(Parent { trace, span: 0xb7ad6b7169203331_u64.to_be_bytes(), sampled })
        };
        assert_eq!(of(WHOLE), expected(true));
        for (from, to, sampled) in [
            ("-01", "-00", false),
            ("-01", "-03", true),
            ("-01", "-fe", false),
            ("00-0af", "cc-0af", true),
            ("-01", "-01-what-comes-later", true),
        ] {
            let value =
                if to.len() > 3 && to.starts_with('-') { WHOLE.replacen("00-", "01-", 1) } else { WHOLE.to_owned() };
            assert_eq!(of(&value.replacen(from, to, 1)), expected(sampled), "{to}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(trace in 1_u128.., span in 1_u64.., flags: u8) {
            let value = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
            let parent = Parent { trace: trace.to_be_bytes(), span: span.to_be_bytes(), sampled: flags % 2 == 1 };
            prop_assert_eq!(of(&value), Some(parent));
        }

        #[test]
        fn nothing_that_comes_in_is_read_as_something_else(
            value in prop::collection::vec(any::<u8>(), 0..80), at in 0_usize..55, byte: u8,
        ) {
            let mut nearly = WHOLE.as_bytes().to_vec();
            nearly[at] = byte;
            for value in [value, nearly] {
                let written = parse(&value).map(|parent| {
                    let [trace, span] = [HEXLOWER.encode(&parent.trace), HEXLOWER.encode(&parent.span)];
                    format!("-{trace}-{span}-").into_bytes()
                });
                prop_assert!(written.is_none_or(|written| value[2..53] == written));
            }
        }
    }

    #[test]
    fn what_is_not_in_the_standards_form_is_none() {
        for value in [
            "",
            "00",
            &WHOLE[..54],
            &format!("{WHOLE}-more"),
            &format!("{WHOLE} "),
            &WHOLE.to_uppercase(),
            &WHOLE.replace("-0af", "-+af"),
            &WHOLE.replace("-0af", "-af"),
            &WHOLE.replace("-01", "-1"),
            &WHOLE.replacen("00-", "ff-", 1),
            &WHOLE.replacen("00-", "0g-", 1),
            &WHOLE.replacen("00-", "01-", 1).replace("-01", "-01x"),
            &WHOLE.replace('-', "_"),
            &WHOLE.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &WHOLE.replace("b7ad6b7169203331", &"0".repeat(16)),
            &WHOLE.replace("b7ad6b7169203331", "b7ad6b716920333-"),
        ] {
            assert_eq!(of(value), None, "{value}");
        }
        assert_eq!(parent(&headers("traceparent", &[WHOLE, WHOLE])), None);
        assert_eq!(parent(&HeaderMap::new()), None);
    }

    #[test]
    fn the_state_of_several_fields_is_one_and_one_that_is_too_long_is_none() {
        assert_eq!(state(&headers("tracestate", &["a=1", "b=2,c=3"])), "a=1,b=2,c=3");
        assert_eq!(state(&headers("tracestate", &[&"x".repeat(513)])), "");
        assert_eq!(state(&HeaderMap::new()), "");
    }
}

//! One request as a line of text or of JSON.
//!
//! Whatever callers and WeChat send stands in it without quotes, backslashes, white space, control characters and bytes
//! beyond ASCII: those are percent-encoded. So no text needs quoting, and no line can be made to look like two.

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;
use itoa::Integer;

use crate::config::LogFormat;
use crate::observe::seen::{End, RequestId, Seen};

/// The longest path or method that is written, in bytes.
const LONGEST: usize = 1_024;

/// Writes lines in one format.
#[derive(Debug)]
pub(super) struct Lines {
    format: LogFormat,
    second: u64,
    /// That second as text, `2026-11-26T14:20:00`: it is worked out once for all lines of it.
    second_text: String,
}

impl Lines {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { format, second: 0, second_text: "1970-01-01T00:00:00".to_owned() }
    }

    /// Adds the line of a request that ended at `now`.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, seen: &Seen<'_>, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            self.second_text = format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.second)).to_string();
            self.second_text.truncate("2026-11-26T14:20:00".len());
        }
        let mut line = Line { out, json: matches!(self.format, LogFormat::Json) };
        line.begin(&self.second_text, since.subsec_millis());
        fields(&mut line, seen);
        line.end();
    }
}

/// A field's name with what stands around it, in both formats: one copy instead of five.
struct Name {
    text: &'static str,
    json: &'static str,
}

macro_rules! quoted {
    ($name:literal) => {
        &Name { text: concat!(" ", $name, "="), json: concat!(",\"", $name, "\":\"") }
    };
}

macro_rules! bare {
    ($name:literal) => {
        &Name { text: concat!(" ", $name, "="), json: concat!(",\"", $name, "\":") }
    };
}

fn fields(line: &mut Line<'_>, seen: &Seen<'_>) {
    Some(seen.account).filter(|name| !name.is_empty()).iter().for_each(|name| line.text(quoted!("account"), name));
    seen.caller.iter().for_each(|caller| line.text(quoted!("caller"), caller));
    seen.peer.iter().for_each(|&peer| line.address(quoted!("peer"), peer));
    line.text(quoted!("method"), seen.method);
    line.text(quoted!("path"), seen.path);
    seen.status.iter().for_each(|&status| line.number(bare!("status"), status));
    seen.errcode.iter().for_each(|&errcode| line.number(bare!("errcode"), errcode));
    seen.rid.iter().for_each(|rid| line.text(quoted!("rid"), rid));
    seen.error.iter().for_each(|error| line.text(quoted!("error"), error.name));
    seen.retry.iter().for_each(|retry| line.text(quoted!("retry"), retry));
    seen.generation.iter().for_each(|&generation| line.number(bare!("generation"), generation));
    line.milliseconds(bare!("ms"), seen.whole);
    if seen.upstream > Duration::ZERO {
        line.milliseconds(bare!("upstream_ms"), seen.upstream);
    }
    line.number(bare!("received"), seen.received);
    line.number(bare!("sent"), seen.sent);
    line.id(quoted!("request_id"), seen.id);
    match seen.end {
        End::Whole => {}
        End::CallerLeft => line.text(quoted!("end"), "caller_left"),
        End::BrokeOff => line.text(quoted!("end"), "broke_off"),
    }
}

/// A line while it is written.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    json: bool,
}

impl Line<'_> {
    fn begin(&mut self, second: &str, milliseconds: u32) {
        self.raw(if self.json { "{\"timestamp\":\"" } else { "" });
        self.raw(second);
        self.thousandths(milliseconds);
        self.raw(if self.json { "Z\",\"target\":\"wxgate::access\"" } else { "Z access:" });
    }

    fn end(&mut self) {
        self.raw(if self.json { "}\n" } else { "\n" });
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn name(&mut self, name: &Name) {
        self.raw(if self.json { name.json } else { name.text });
    }

    /// The end of a field that [`quoted!`] began.
    fn unquote(&mut self) {
        if self.json {
            self.out.push(b'"');
        }
    }

    fn text(&mut self, name: &Name, text: &str) {
        self.name(name);
        plain(self.out, text.as_bytes());
        self.unquote();
    }

    fn number(&mut self, name: &Name, number: impl Integer) {
        self.name(name);
        self.raw(itoa::Buffer::new().format(number));
    }

    /// An IPv4 address by hand: the formatting of the standard library takes five times as long.
    fn address(&mut self, name: &Name, address: IpAddr) {
        self.name(name);
        match address {
            IpAddr::V4(address) => {
                for (place, octet) in address.octets().into_iter().enumerate() {
                    self.raw(if place > 0 { "." } else { "" });
                    self.raw(itoa::Buffer::new().format(octet));
                }
            }
            IpAddr::V6(_) => _ = write!(self.out, "{address}"), // into memory, which does not fail
        }
        self.unquote();
    }

    fn id(&mut self, name: &Name, id: &RequestId) {
        self.name(name);
        match id {
            RequestId::Given(id) => plain(self.out, id.as_bytes()),
            RequestId::Made(number) => {
                let digit = |place: u32| HEX_LOWER[(number >> (60 - 4 * place) & 0xF) as usize];
                let digits: [u8; 16] = std::array::from_fn(|place| digit(place as u32));
                self.out.extend_from_slice(&digits);
            }
        }
        self.unquote();
    }

    /// To the microsecond.
    fn milliseconds(&mut self, name: &Name, duration: Duration) {
        self.number(name, duration.as_millis().min(u64::MAX.into()) as u64);
        self.thousandths(duration.subsec_micros() % 1_000);
    }

    fn thousandths(&mut self, number: u32) {
        let [hundreds, tens, ones] = [100, 10, 1].map(|unit| b'0' + (number / unit % 10) as u8);
        self.out.extend_from_slice(&[b'.', hundreds, tens, ones]);
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";
const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";

/// Adds `text`, at most [`LONGEST`] bytes of it, with all but plain characters percent-encoded.
fn plain(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'"' && *byte != b'\\';
    let text = &text[..text.len().min(LONGEST)];
    if text.iter().all(is_plain) {
        out.extend_from_slice(text);
        return;
    }
    for &byte in text {
        match is_plain(&byte) {
            true => out.push(byte),
            false => out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xF)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::observe::seen::{OwnAnswer, test_seen};

    const NOON: Duration = Duration::from_millis(1_795_694_400_042);

    fn written(format: LogFormat, seen: &Seen<'_>) -> String {
        let mut out = Vec::new();
        Lines::new(format).write(&mut out, seen, UNIX_EPOCH + NOON);
        String::from_utf8(out).unwrap()
    }

    fn full(id: &RequestId) -> Seen<'_> {
        Seen {
            caller: Some("crm"),
            peer: Some([10, 1, 2, 3].into()),
            errcode: Some(40001),
            rid: Some("6aac0063-7ed08fb9"),
            error: Some(OwnAnswer { number: 0, name: "no_token" }),
            retry: Some("failed"),
            id,
            end: End::BrokeOff,
            ..test_seen()
        }
    }

    #[test]
    fn a_line_says_what_is_known_and_leaves_out_what_is_not() {
        let expected = "2026-11-26T12:00:00.042Z access: account=main method=GET path=/cgi-bin/user/get status=200 errcode=0 \
                        generation=1 ms=40.000 upstream_ms=39.000 received=0 sent=27 request_id=0000000000000007\n";
        assert_eq!(written(LogFormat::Text, &test_seen()), expected);
        let id = RequestId::new(Some(b"order-17"), || 0);
        let expected = "2026-11-26T12:00:00.042Z access: account=main caller=crm peer=10.1.2.3 method=GET \
                        path=/cgi-bin/user/get status=200 errcode=40001 rid=6aac0063-7ed08fb9 error=no_token retry=failed \
                        generation=1 ms=40.000 upstream_ms=39.000 received=0 sent=27 request_id=order-17 end=broke_off\n";
        assert_eq!(written(LogFormat::Text, &full(&id)), expected);
    }

    #[test]
    fn addresses_and_made_names_are_written_as_the_standard_library_writes_them() {
        for peer in ["0.0.0.0", "255.10.1.99", "::1", "fd00::7"] {
            let seen = Seen { peer: Some(peer.parse().unwrap()), ..test_seen() };
            assert!(written(LogFormat::Text, &seen).contains(&format!(" peer={peer} ")), "{peer}");
        }
        for number in [0, 1, u64::MAX, 0x0123_4567_89AB_CDEF] {
            let id = RequestId::Made(number);
            let line = written(LogFormat::Text, &Seen { id: &id, ..test_seen() });
            assert!(line.ends_with(&format!(" request_id={id}\n")), "{line}");
        }
    }

    #[test]
    fn the_same_in_json() {
        let id = RequestId::new(Some(b"order-17"), || 0);
        let line: Value = serde_json::from_str(&written(LogFormat::Json, &full(&id))).unwrap();
        let expected = serde_json::json!({
            "timestamp": "2026-11-26T12:00:00.042Z", "target": "wxgate::access", "account": "main", "caller": "crm",
            "peer": "10.1.2.3", "method": "GET", "path": "/cgi-bin/user/get", "status": 200, "errcode": 40001,
            "rid": "6aac0063-7ed08fb9", "error": "no_token", "retry": "failed", "generation": 1, "ms": 40.0,
            "upstream_ms": 39.0, "received": 0, "sent": 27, "request_id": "order-17", "end": "broke_off",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn the_second_is_worked_out_anew_when_it_changes() {
        let (mut lines, mut out) = (Lines::new(LogFormat::Text), Vec::new());
        for milliseconds in [999, 1_000, 86_400_000] {
            lines.write(&mut out, &test_seen(), UNIX_EPOCH + Duration::from_millis(milliseconds));
        }
        let text = String::from_utf8(out).unwrap();
        let times: Vec<_> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(times, ["1970-01-01T00:00:00.999Z", "1970-01-01T00:00:01.000Z", "1970-01-02T00:00:00.000Z"]);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_in_makes_two_lines_or_another_field(path in "(?s:.){0,60}", rid in "(?s:.){0,20}") {
            let seen = Seen { path: &path, method: &path, rid: Some(&rid), ..test_seen() };
            let text = written(LogFormat::Text, &seen);
            prop_assert_eq!(text.matches('\n').count(), 1);
            prop_assert_eq!(text.split(' ').count(), 14);
            prop_assert!(text.trim_end().bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            let json = written(LogFormat::Json, &seen);
            prop_assert_eq!(json.matches('\n').count(), 1);
            let line: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(line.as_object().unwrap().len(), 14);
        }
    }
}

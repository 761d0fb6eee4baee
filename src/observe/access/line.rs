//! One request as a line of text or of JSON.
//!
//! Whatever callers and WeChat send stands in it without quotes, backslashes, white space, control characters and bytes
//! beyond ASCII: those are percent-encoded. So no text needs quoting, and no line can be made to look like two.

use std::io::Write;
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

fn fields(line: &mut Line<'_>, seen: &Seen<'_>) {
    if seen.account.is_empty() { None } else { Some(seen.account) }
        .into_iter()
        .for_each(|name| line.text("account", name));
    seen.caller.iter().for_each(|caller| line.text("caller", caller));
    seen.peer.iter().for_each(|peer| line.display("peer", peer));
    line.text("method", seen.method);
    line.text("path", seen.path);
    seen.status.iter().for_each(|&status| line.number("status", status));
    seen.errcode.iter().for_each(|&errcode| line.number("errcode", errcode));
    seen.rid.iter().for_each(|rid| line.text("rid", rid));
    seen.error.iter().for_each(|error| line.text("error", error.name));
    seen.retry.iter().for_each(|retry| line.text("retry", retry));
    seen.generation.iter().for_each(|&generation| line.number("generation", generation));
    line.milliseconds("ms", seen.whole);
    if seen.upstream > Duration::ZERO {
        line.milliseconds("upstream_ms", seen.upstream);
    }
    line.number("received", seen.received);
    line.number("sent", seen.sent);
    match seen.id {
        RequestId::Given(id) => line.text("request_id", id),
        made @ RequestId::Made(_) => line.display("request_id", made),
    }
    match seen.end {
        End::Whole => {}
        End::CallerLeft => line.text("end", "caller_left"),
        End::BrokeOff => line.text("end", "broke_off"),
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
        let digits = [100, 10, 1].map(|unit| b'0' + (milliseconds / unit % 10) as u8);
        self.out.push(b'.');
        self.out.extend_from_slice(&digits);
        self.raw(if self.json { "Z\",\"target\":\"wxgate::access\"" } else { "Z access:" });
    }

    fn end(&mut self) {
        self.raw(if self.json { "}\n" } else { "\n" });
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn name(&mut self, name: &str) {
        self.raw(if self.json { ",\"" } else { " " });
        self.raw(name);
        self.raw(if self.json { "\":" } else { "=" });
    }

    fn quote(&mut self) {
        self.raw(if self.json { "\"" } else { "" });
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.quote();
        plain(self.out, text.as_bytes());
        self.quote();
    }

    /// Of something that prints itself in plain characters.
    fn display(&mut self, name: &str, value: &impl std::fmt::Display) {
        self.name(name);
        self.quote();
        let _ = write!(self.out, "{value}"); // into memory, which does not fail
        self.quote();
    }

    fn number(&mut self, name: &str, number: impl Integer) {
        self.name(name);
        self.raw(itoa::Buffer::new().format(number));
    }

    /// To the microsecond.
    fn milliseconds(&mut self, name: &str, duration: Duration) {
        self.number(name, duration.as_millis().min(u64::MAX.into()) as u64);
        let microseconds = duration.subsec_micros() % 1_000;
        let digits = [100, 10, 1].map(|unit| b'0' + (microseconds / unit % 10) as u8);
        self.out.push(b'.');
        self.out.extend_from_slice(&digits);
    }
}

/// Adds `text`, at most [`LONGEST`] bytes of it, with all but plain characters percent-encoded.
fn plain(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in &text[..text.len().min(LONGEST)] {
        if byte.is_ascii_graphic() && byte != b'"' && byte != b'\\' {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xF)]]);
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

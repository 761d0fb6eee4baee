//! What came back, shown: the answer on standard output, everything about it on standard error.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderMap;
use serde_json::Value;
use serde_json::ser::PrettyFormatter;

use super::super::say_problem;
use crate::secret::{ExposeSecret, REDACTED, SecretString};
use crate::wechat;

/// The fields that the gateway adds to an answer.
const OWN_FIELDS: [&str; 2] = ["X-Wxgate-Retry", "X-Wxgate-Error"];

/// What to do about an errcode that is about the content of one call.
const UNKNOWN: &str = "look it up in the endpoint's documentation; WeChat's support can trace the rid";

/// Where an answer's bytes go.
#[derive(Debug, Clone)]
pub(super) enum Output {
    File(PathBuf),
    StandardOutput,
}

impl FromStr for Output {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "-" { Self::StandardOutput } else { Self::File(text.into()) })
    }
}

/// An answer, without any of the secrets that went out with its request.
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    took: Duration,
    way: String,
}

impl Answer {
    /// `way` says for people how it came.
    pub(super) fn new(
        status: StatusCode,
        headers: HeaderMap,
        body: Vec<u8>,
        secrets: &[SecretString],
        took: Duration,
        way: String,
    ) -> Self {
        Self { status, headers, body: without(body, secrets), took, way }
    }

    /// Shows it, or writes it where `output` says. An errcode is shown in any case: nobody wants it in their picture.
    pub(super) fn show(&self, output: Option<&Output>) -> ExitCode {
        let errcode = wechat::errcode(&self.body).filter(|&errcode| errcode != 0);
        explain(&self.about(errcode));
        let well = errcode.is_none() && !self.status.is_client_error() && !self.status.is_server_error();
        let written = match output {
            Some(Output::File(path)) if well => {
                std::fs::write(path, &self.body).map_err(|error| format!("{}: {error}", path.display()))
            }
            Some(Output::StandardOutput) => print(&self.body),
            Some(Output::File(_)) | None => match readable(&self.body) {
                Some(text) => print(text.as_bytes()),
                None if io::stdout().is_terminal() => {
                    Err("this is no text; give a file for it (--output FILE), or --output - to see it all the same"
                        .to_owned())
                }
                None => print(&self.body),
            },
        };
        match written {
            Ok(()) if well => ExitCode::SUCCESS,
            Ok(()) => ExitCode::from(1),
            Err(problem) => say_problem(&problem),
        }
    }

    /// What there is to know about the answer, a line each.
    fn about(&self, errcode: Option<i64>) -> String {
        let (length, took) = (self.body.len(), self.took.as_millis());
        let mut text = format!("{}, {length} bytes in {took} ms, {}\n", self.status, self.way);
        for field in OWN_FIELDS {
            if let Some(value) = self.headers.get(field).and_then(|value| value.to_str().ok()) {
                let _ = writeln!(text, "{field}: {value}");
            }
        }
        let Some(errcode) = errcode else { return text };
        let body: Value = serde_json::from_str(&String::from_utf8_lossy(&self.body)).unwrap_or_default();
        let errmsg = body.get("errmsg").and_then(Value::as_str).unwrap_or("(no errmsg)");
        let _ = writeln!(text, "errcode {errcode}: {}", escaped(errmsg));
        // The gateway's own messages say what to do themselves.
        if !self.headers.contains_key("X-Wxgate-Error") {
            let _ = writeln!(text, "  what to do: {}", wechat::call_advice(errcode).unwrap_or(UNKNOWN));
        }
        if let Some(rid) = wechat::rid(errmsg) {
            let _ = writeln!(text, "  rid: {rid}, by which WeChat's support finds the call");
        }
        text
    }
}

/// The bytes with every secret in them replaced. The gateway or WeChat show none by themselves; an endpoint that echoes
/// its query would.
fn without(mut body: Vec<u8>, secrets: &[SecretString]) -> Vec<u8> {
    for secret in secrets.iter().map(|secret| secret.expose_secret().as_bytes()).filter(|secret| !secret.is_empty()) {
        while let Some(at) = memchr::memmem::find(&body, secret) {
            body.splice(at..at + secret.len(), REDACTED.bytes());
        }
    }
    body
}

/// JSON, indented, or other text as it is; `None` for what is no text.
fn readable(body: &[u8]) -> Option<String> {
    if let Some(text) = indented(body) {
        return Some(escaped(&text));
    }
    let text = std::str::from_utf8(body).ok()?;
    text.chars().all(may_be_shown).then(|| text.to_owned())
}

/// Copied from reader to writer without a tree between, which would lose the order of the keys.
fn indented(body: &[u8]) -> Option<String> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let mut written = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut written, PrettyFormatter::new());
    serde_transcode::transcode(&mut reader, &mut writer).ok()?;
    reader.end().ok()?;
    written.push(b'\n');
    String::from_utf8(written).ok()
}

/// Text in which no control character commands the terminal: nicknames, for one, are anybody's to choose.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if may_be_shown(c) {
            safe.push(c);
        } else {
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        }
    }
    safe
}

fn may_be_shown(c: char) -> bool {
    !c.is_control() || matches!(c, '\n' | '\r' | '\t')
}

fn print(bytes: &[u8]) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()), // whoever closed the pipe has seen enough
    }
}

#[expect(clippy::print_stderr, reason = "a command speaks to the person who typed it")]
fn explain(text: &str) {
    eprint!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_with_its_keys_in_order() {
        let text = readable("\u{feff}{\"z\":1,\"a\":[\"\\u4f60\",18446744073709551615]} ".as_bytes()).unwrap();
        assert_eq!(text, "{\n  \"z\": 1,\n  \"a\": [\n    \"你\",\n    18446744073709551615\n  ]\n}\n");
    }

    #[test]
    fn no_answer_commands_the_terminal() {
        let text = readable("{\"nickname\":\"\\u001b[2J\u{9b}2J\"}".as_bytes()).unwrap();
        assert_eq!(text, "{\n  \"nickname\": \"\\u001b[2J\\u009b2J\"\n}\n");
        assert_eq!(readable(b"\x1b[2J"), None);
        assert_eq!(readable(b"\x89PNG\r\n"), None);
        assert_eq!(readable("纯文本\n".as_bytes()).as_deref(), Some("纯文本\n"));
        assert_eq!(readable(b"{\"errcode\":0").as_deref(), Some("{\"errcode\":0"));
    }

    #[test]
    fn an_echoed_secret_is_not_shown() {
        let secrets = ["92_token".into(), "s/t".into(), "".into()];
        assert_eq!(
            without(b"a=92_token&b=s/t&c=92_token".to_vec(), &secrets),
            b"a=[redacted]&b=[redacted]&c=[redacted]"
        );
    }
}

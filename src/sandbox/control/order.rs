//! A fault as a user writes it in JSON → a fault in force.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use crate::sandbox::faults::{Coding, Fault, HangUp};

/// A fault as JSON; see the module above for the words.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FaultOrder {
    path: Option<String>,
    times: Option<u64>,
    delay: Option<String>,
    errcode: Option<i64>,
    errmsg: Option<String>,
    status: Option<u16>,
    content_type: Option<String>,
    body: Option<String>,
    raw: Option<String>,
    headers: BTreeMap<String, String>,
    coding: Option<CodingWord>,
    chunked: bool,
    pace: Option<PaceOrder>,
    hang_up: Option<HangUpWord>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaceOrder {
    bytes: usize,
    gap: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CodingWord {
    Gzip,
    Deflate,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HangUpWord {
    Before,
    AmidHead,
    AmidBody,
    After,
}

impl FaultOrder {
    /// The fault, or a sentence about what is wrong with the order.
    pub(super) fn fault(&self) -> Result<Fault, String> {
        let mut fault = self.path.as_deref().map_or_else(Fault::anywhere, Fault::at);
        if let Some(times) = self.times {
            fault = fault.times(times);
        }
        if let Some(delay) = &self.delay {
            fault = fault.delay(duration(delay)?);
        }
        self.manner(self.reply(fault)?)
    }

    /// What is answered instead.
    fn reply(&self, fault: Fault) -> Result<Fault, String> {
        let whole = self.status.is_some() || self.body.is_some();
        if [self.errcode.is_some(), whole, self.raw.is_some()].into_iter().filter(|given| *given).count() > 1 {
            return Err("`errcode`, `status` or `body`, and `raw` exclude each other".to_owned());
        }
        match (self.errcode, &self.raw) {
            (Some(errcode), _) => Ok(match &self.errmsg {
                Some(errmsg) => fault.errcode_saying(errcode, errmsg),
                None => fault.errcode(errcode),
            }),
            (_, Some(raw)) => Ok(fault.raw(raw.clone())),
            _ if whole => self.whole(fault),
            _ => Ok(fault),
        }
    }

    fn whole(&self, fault: Fault) -> Result<Fault, String> {
        let status = self.status.unwrap_or(200);
        // hyper would send a 1xx as the final answer; `raw` can say what is meant.
        let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_informational());
        let status = status.ok_or("`status` is an HTTP status from 200 to 999")?;
        let content_type = self.content_type.as_deref().unwrap_or("application/json; encoding=utf-8");
        Ok(fault.status(status, header_value(content_type)?, self.body.clone().unwrap_or_default()))
    }

    /// How it is answered.
    fn manner(&self, mut fault: Fault) -> Result<Fault, String> {
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no header name"))?;
            fault = fault.header(name, header_value(value)?);
        }
        if let Some(pace) = &self.pace {
            fault = fault.pace(pace.bytes, duration(&pace.gap)?);
        }
        if let Some(coding) = self.coding {
            fault = fault.coding(match coding {
                CodingWord::Gzip => Coding::Gzip,
                CodingWord::Deflate => Coding::Deflate,
            });
        }
        if let Some(when) = self.hang_up {
            fault = fault.hang_up(match when {
                HangUpWord::Before => HangUp::Before,
                HangUpWord::AmidHead => HangUp::AmidHead,
                HangUpWord::AmidBody => HangUp::AmidBody,
                HangUpWord::After => HangUp::After,
            });
        }
        Ok(if self.chunked { fault.chunked() } else { fault })
    }
}

/// A duration with its unit, e.g. `150ms`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("`{text}` is no duration: {error}"))
}

fn header_value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("`{text}` cannot stand in a header"))
}

//! The part of `/status` that is about requests.

use serde::Serialize;

use super::units::{milliseconds, timestamp};
use crate::observe::{End, Endpoint, Failure, History, Latencies, RESOLUTION, Sample};
use crate::wechat::{ErrcodeClass, call_advice, errcode_class};

/// The last quarter of an hour, in columns of one value a sample, oldest first.
#[derive(Serialize)]
pub(super) struct Traffic {
    resolution_seconds: u64,
    requests: Vec<u64>,
    failed: Vec<u64>,
    p50_ms: Vec<Option<f64>>,
    p99_ms: Vec<Option<f64>>,
    upstream_p50_ms: Vec<Option<f64>>,
    upstream_p99_ms: Vec<Option<f64>>,
    errcodes: ErrcodeColumns,
}

/// How often WeChat answered with errcodes of each class.
#[derive(Serialize)]
struct ErrcodeColumns {
    ok: Vec<u64>,
    token: Vec<u64>,
    busy: Vec<u64>,
    limit: Vec<u64>,
    permission: Vec<u64>,
    address: Vec<u64>,
    other: Vec<u64>,
}

#[derive(Serialize)]
pub(super) struct Errcode {
    errcode: Option<i64>,
    class: &'static str,
    count: u64,
    advice: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Path {
    path: String,
    requests: u64,
    failed: u64,
    living_tokens_refused: u64,
    mean_ms: f64,
}

#[derive(Serialize)]
pub(super) struct Failed {
    at: String,
    account: String,
    caller: Option<String>,
    method: String,
    path: String,
    status: Option<u16>,
    errcode: Option<i64>,
    advice: Option<&'static str>,
    rid: Option<String>,
    error: Option<&'static str>,
    retry: Option<&'static str>,
    request_id: String,
    ms: u64,
    end: &'static str,
}

impl Traffic {
    pub(super) fn of(history: &History) -> Self {
        let quantile = |latencies: fn(&Sample) -> &Latencies, share| {
            history.samples().map(|sample| latencies(sample).quantile(share).map(milliseconds)).collect()
        };
        Self {
            resolution_seconds: RESOLUTION.as_secs(),
            requests: history.samples().map(|sample| sample.requests).collect(),
            failed: history.samples().map(|sample| sample.failed).collect(),
            p50_ms: quantile(|sample| &sample.whole, 0.5),
            p99_ms: quantile(|sample| &sample.whole, 0.99),
            upstream_p50_ms: quantile(|sample| &sample.upstream, 0.5),
            upstream_p99_ms: quantile(|sample| &sample.upstream, 0.99),
            errcodes: ErrcodeColumns::of(history),
        }
    }
}

impl ErrcodeColumns {
    fn of(history: &History) -> Self {
        let column = |class: ErrcodeClass| history.samples().map(|sample| sample.errcodes[class as usize]).collect();
        Self {
            ok: column(ErrcodeClass::Success),
            token: column(ErrcodeClass::Token),
            busy: column(ErrcodeClass::Busy),
            limit: column(ErrcodeClass::Limit),
            permission: column(ErrcodeClass::Permission),
            address: column(ErrcodeClass::Address),
            other: column(ErrcodeClass::Other),
        }
    }
}

impl Errcode {
    pub(super) fn of((errcode, count): (Option<i64>, u64)) -> Self {
        let class = errcode.map_or(ErrcodeClass::Other, errcode_class).name();
        Self { errcode, class, count, advice: errcode.and_then(call_advice) }
    }
}

impl Path {
    pub(super) fn of((path, seen): (&str, Endpoint)) -> Self {
        let mean_ms = (seen.microseconds as f64 / seen.requests.max(1) as f64 / 100.0).round() / 10.0;
        Self {
            path: path.to_owned(),
            requests: seen.requests,
            failed: seen.failed,
            living_tokens_refused: seen.living_tokens_refused,
            mean_ms,
        }
    }
}

impl Failed {
    pub(super) fn of(failure: &Failure) -> Self {
        let Failure { at, account, caller, method, path, status, errcode, rid, error, retry, id, milliseconds, end } =
            failure.clone();
        Self {
            at: timestamp(at),
            account,
            caller,
            method,
            path,
            status,
            errcode,
            advice: errcode.and_then(call_advice),
            rid,
            error,
            retry,
            request_id: id,
            ms: milliseconds,
            end: match end {
                End::Whole => "whole",
                End::CallerLeft => "caller_left",
                End::BrokeOff => "broke_off",
            },
        }
    }
}

//! The dashboard and the alert rules under `deploy/`, held against what the program really exports.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde_json::Value;
use wxgate::sandbox::Fault;

use crate::metrics::scrape;
use crate::support::{Gateway, account, sandbox};

const ALERTS: &str = include_str!("../../deploy/prometheus-alerts.yml");
const DASHBOARD: &str = include_str!("../../deploy/grafana-dashboard.json");
const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// Every sample's name with the names of its labels, from a gateway to which a bit of everything has happened.
async fn exported() -> BTreeMap<String, BTreeSet<String>> {
    let wechat = sandbox().await;
    let hash = HEXLOWER.encode(digest(&SHA256, b"virtual").as_ref());
    let keys = format!("admin.address = '127.0.0.1:0'\n{}[[caller]]\nname = 'crm'\nsecrets = ['{hash}']\n", account());
    let gateway = Gateway::with_accounts(&wechat, &keys).await;
    wechat.world().faults().add(Fault::at("/cgi-bin/menu/get").errcode(45009));
    for path in ["/cgi-bin/user/get", "/cgi-bin/menu/get", "/@nobody/a"] {
        gateway.get(path).await;
    }
    let samples = scrape(&gateway).await;
    let named = samples.iter().filter(|line| !line.starts_with('#')).map(|line| {
        let (sample, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let labels = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        (name.to_owned(), labels.collect())
    });
    named.collect()
}

/// The metrics that a text names, each with the labels by which it selects them.
fn named(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = text.match_indices("wxgate_").map(|(at, _)| &text[at..]);
    let metric = |rest: &str| {
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let selector = rest[end..].strip_prefix('{').map_or("", |rest| rest.split('}').next().unwrap());
        // `a=~"x|y",b!="z"`: what stands before an operator.
        let labels = selector.split(',').filter_map(|label| Some(label.split(['=', '!']).next()?.trim().to_owned()));
        (rest[..end].to_owned(), labels.filter(|label| !label.is_empty()).collect())
    };
    starts.map(metric).collect()
}

/// The expressions of all panels, and of what they may be narrowed to.
fn dashboard() -> Vec<String> {
    fn enter(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| match value {
                Value::String(text) if key == "expr" || key == "query" => found.push(text.clone()),
                _ => enter(value, found),
            }),
            Value::Array(values) => values.iter().for_each(|value| enter(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    enter(&serde_json::from_str(DASHBOARD).unwrap(), &mut found);
    found
}

#[tokio::test]
async fn every_metric_and_label_in_them_is_exported() {
    let exported = exported().await;
    let dashboard = dashboard().join("\n");
    for (place, text) in [("the alerts", ALERTS), ("the dashboard", &*dashboard)] {
        let named = named(text);
        assert!(named.len() > 10, "{place}: {named:?}");
        for (metric, labels) in named {
            let known = exported.get(&metric).unwrap_or_else(|| panic!("{place}: {metric} is not exported"));
            assert!(labels.is_subset(known), "{place}: {metric} has the labels {known:?}, not {labels:?}");
        }
    }
    // What is summed by, too.
    let all: BTreeSet<&str> = exported.values().flatten().map(String::as_str).collect();
    for text in [ALERTS, &dashboard] {
        let groups = text.split(" by (").skip(1).map(|rest| rest.split(')').next().unwrap());
        for label in groups.flat_map(|group| group.split(',')) {
            assert!(all.contains(label.trim()), "no metric has the label {label}");
        }
    }
}

#[tokio::test]
async fn everything_that_is_exported_is_on_the_dashboard() {
    let shown: BTreeSet<String> = dashboard().iter().flat_map(|text| named(text)).map(|(metric, _)| metric).collect();
    // One dashboard for all builds: what only some of them export is not on it.
    let everywhere = |metric: &String| metric != "wxgate_spans_total" || !cfg!(feature = "otlp");
    for metric in exported().await.into_keys().filter(everywhere) {
        let histogram = ["_sum", "_count", "_bucket"].into_iter().find_map(|part| metric.strip_suffix(part));
        let shown_as = histogram.map_or(metric.clone(), |family| format!("{family}_bucket"));
        assert!(shown.contains(&shown_as), "{metric} is not on the dashboard");
    }
}

#[test]
fn every_alert_is_explained_and_every_explained_alert_is_one() {
    let alerts = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let (_, table) = OPERATIONS.split_once("| alert | what it means |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
    let explained = rows.map(|row| row.split('`').nth(1).unwrap());
    assert_eq!(alerts.collect::<BTreeSet<_>>(), explained.collect());
}

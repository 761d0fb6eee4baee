//! What the operator sees of upstreams that are down.

use serde_json::Value;

use super::{CALL, gateway, http};
use crate::support::{Caller, Gateway, nobody, sandbox, within};

const ADMIN: &str = "admin.address = '127.0.0.1:0'";

async fn ask(gateway: &Gateway, path: &str) -> String {
    let mut operator = Caller::connect(gateway.admin.unwrap()).await;
    operator.request("GET", path, &[], b"").await;
    operator.reply().await.text()
}

async fn status(gateway: &Gateway) -> Value {
    serde_json::from_str(&ask(gateway, "/status").await).unwrap()
}

#[tokio::test]
async fn an_upstream_that_is_down_is_shown_with_its_reason_until_it_is_back() {
    let ((kept, address), second) = (nobody(), sandbox().await);
    let keys = format!("{ADMIN}\nupstream.cool_down = '200ms'");
    let gateway = gateway(&[&http(address), &second.base_url()], &keys).await;
    assert_eq!(gateway.get(CALL).await.status, 200);
    let down = status(&gateway).await;
    let (host, other) = (address.to_string(), second.address().to_string());
    let upstream = &down["upstreams"][0];
    assert_eq!((&upstream["host"], &upstream["up"]), (&host.as_str().into(), &false.into()));
    assert!(upstream["reason"].as_str().unwrap().contains("refused"), "{upstream}");
    assert!(upstream["since"].as_str().unwrap().ends_with('Z'), "{upstream}");
    let expected = serde_json::json!({"host": other, "up": true, "since": null, "reason": null});
    assert_eq!(down["upstreams"][1], expected);
    assert_eq!(down["troubles"][0]["kind"], "upstream_down");
    let text = down["troubles"][0]["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("{host} is down, and requests go to {other}: ")), "{text}");

    let metrics = ask(&gateway, "/metrics").await;
    for line in [
        format!("wxgate_upstream_up{{upstream=\"{host}\"}} 0"),
        format!("wxgate_upstream_up{{upstream=\"{other}\"}} 1"),
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} is missing in {metrics}");
    }
    let failovers = format!("wxgate_upstream_failovers_total{{upstream=\"{other}\"}} ");
    let count: u64 = metrics.lines().find_map(|line| line.strip_prefix(&failovers)).unwrap().parse().unwrap();
    assert!(count >= 1, "{metrics}");

    drop(kept);
    let first = super::returning::sandbox_at(address.port()).await;
    within(async {
        while super::calls(&first) == 0 {
            gateway.get(CALL).await;
        }
    })
    .await;
    let back = status(&gateway).await;
    let upstream = &back["upstreams"][0];
    assert_eq!((&upstream["up"], &upstream["reason"]), (&true.into(), &Value::Null));
    assert!(upstream["since"].is_string());
    assert_eq!(back["troubles"], serde_json::json!([]));
}

#[tokio::test]
async fn an_only_upstream_is_shown_too() {
    let (_kept, address) = nobody();
    let gateway = gateway(&[&http(address)], ADMIN).await;
    assert_eq!(gateway.get(CALL).await.error(), Some("upstream_unreachable"));
    let status = status(&gateway).await;
    assert_eq!(status["upstreams"][0]["up"], false);
    assert!(status["troubles"][0]["text"].as_str().unwrap().contains("requests cannot be sent"), "{status}");
}

//! Targets and `Host` fields that point elsewhere (RFC 9112 §3.2): WeChat is the only place where requests go.

use hyper::header::HOST;
use wxgate::sandbox::Sandbox;

use super::heard;
use crate::support::{Gateway, account, calls, sandbox};

/// Sends these bytes to two gateways: one on loopback as it comes, and one whose listener takes any `Host`. Whatever
/// arrives, arrives at the one upstream there is, under its name.
async fn assert_stays(bytes: &[String]) {
    let (wechat, elsewhere) = (sandbox().await, sandbox().await);
    for keys in ["", "listen.browsers = true\n"] {
        let gateway = Gateway::with_accounts(&wechat, &format!("{keys}{}", account())).await;
        for bytes in bytes {
            let there = elsewhere.address().to_string();
            let bytes = bytes.replace("THERE", &there);
            let mut caller = gateway.connect().await;
            caller.write(&bytes).await;
            let heard = heard(caller).await;
            assert!(heard.starts_with("HTTP/1.1 "), "{bytes:?}: {heard:?}");
            assert_untouched(&wechat, &elsewhere, &bytes);
        }
    }
}

#[track_caller]
fn assert_untouched(wechat: &Sandbox, elsewhere: &Sandbox, bytes: &str) {
    assert_eq!(elsewhere.world().journal().connections(), 0, "{bytes:?}");
    let name = wechat.address().to_string();
    for seen in calls(wechat) {
        assert_eq!(seen.header(&HOST), [name.as_bytes()], "{bytes:?}");
        assert!(!seen.path().contains("token"), "{bytes:?}");
    }
}

fn head(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\n{fields}\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_target_with_a_host_of_its_own_leads_nowhere_else() {
    let lines = [
        "GET http://THERE/wxa/intended",
        "GET https://THERE/wxa/intended",
        "GET HTTP://THERE/wxa/intended",
        "GET http://user:password@THERE/wxa/intended",
        "GET http://localhost@THERE/wxa/intended",
        "GET http://THERE@localhost/wxa/intended",
        "GET http://THERE\\@localhost/wxa/intended",
        "GET http://localhost:80#@THERE/wxa/intended",
        "GET ftp://THERE/wxa/intended",
        "GET //THERE/../wxa/intended",
        "GET http:/THERE/wxa/intended",
        "GET http:///wxa/intended",
        "GET THERE/wxa/intended",
        "GET THERE",
        "GET @THERE/wxa/intended",
        "GET \\\\THERE\\wxa\\intended",
        "GET *",
        "OPTIONS *",
        "OPTIONS http://THERE",
        "CONNECT THERE",
        "CONNECT localhost:80",
        "CONNECT /wxa/intended",
        "TRACE /wxa/intended",
        "TRACE http://THERE/wxa/intended",
        "trace /wxa/intended",
    ];
    let heads: Vec<_> = lines.iter().map(|line| head(line, "Host: localhost")).collect();
    assert_stays(&heads).await;
}

#[tokio::test]
async fn a_host_that_names_another_place_leads_nowhere_else() {
    let fields = [
        "Host: THERE",
        "Host: localhost\r\nHost: THERE",
        "Host: THERE\r\nHost: localhost",
        "Host: localhost\r\nhost: localhost",
        "Host: localhost, THERE",
        "Host: localhost THERE",
        "Host: localhost@THERE",
        "Host: THERE@localhost",
        "Host: localhost#THERE",
        "Host: localhost/THERE",
        "Host: localhost?THERE",
        "Host: localhost:80:THERE",
        "Host: localhost:80THERE",
        "Host: [::1]THERE",
        "Host: http://THERE/",
        "Host: \r\n\tTHERE",
        "Host : THERE",
        " Host: THERE",
        "Host:",
        "X: y",
        "Host: localhost\r\nX-Forwarded-Host: THERE",
        "Host: localhost\r\nX-Host: THERE\r\nX-Original-Host: THERE\r\nForwarded: host=THERE",
        "Host: localhost\r\nX-Original-URL: http://THERE/cgi-bin/token\r\nX-Rewrite-URL: /cgi-bin/token",
        "Host: localhost\r\nX-HTTP-Method-Override: CONNECT\r\nX-Forwarded-Proto: https",
        "Host: localhost\r\nX-Wxgate-Upstream: http://THERE",
        "Host: localhost\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic x",
        "Host: localhost\r\nConnection: host, content-length, x-wxgate-account",
    ];
    let heads: Vec<_> = fields.iter().map(|fields| head("GET /wxa/intended", fields)).collect();
    assert_stays(&heads).await;
}

//! Reloads while callers call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::watch;
use wxgate::sandbox::DEFAULT_APPID;

use super::{INFO, Operated};
use crate::support::{Caller, sandbox, within};

const RELOADS: usize = 40;
const CALLERS: usize = 6;

/// What differs from one reload to the next: limits, listeners, callers, accounts, the log, the way to WeChat.
fn keys(number: usize) -> String {
    let variants = [
        "",
        "body.limit = '1MiB'\nserver.requests = 100\nlog.level = 'debug'",
        "server.connections = 50\nserver.idle_timeout = '20s'\n\
         [[listen]]\naddress = '127.0.0.1:0'\n[[listen]]\naddress = '127.0.0.1:0'\ntoken_endpoint = 'refuse'",
        "upstream.idle_connections = 7\n[[account]]\nname = 'guest'\nappid = 'wxguest'\nsecret = 'any'",
        "[[caller]]\nname = 'crm'\nnetworks = ['127.0.0.0/8']",
    ];
    let mut keys = variants[number % variants.len()].to_owned();
    // The sandbox's account follows, and must stay the default one.
    if keys.contains("[[account]]") {
        keys = keys.replacen("[[account]]", "[[account]]\ndefault = false", 1);
    }
    keys
}

#[tokio::test]
async fn forty_reloads_under_load_lose_no_request_no_connection_and_no_token() {
    let wechat = sandbox().await;
    let operated = Operated::start(&wechat, "").await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let (progress, mut seen) = watch::channel(0);
    let address = operated.gateway.address;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (stop, answered, progress) = (Arc::clone(&stop), Arc::clone(&answered), progress.clone());
        callers.spawn(async move {
            // One connection to the end: it must not be closed.
            let mut caller = Caller::connect(address).await;
            while !stop.load(Ordering::Relaxed) {
                caller.request("POST", "/cgi-bin/message/custom/send?a=b", &[], br#"{"touser":"o6"}"#).await;
                let reply = caller.reply().await;
                assert_eq!((reply.status, reply.error(), reply.field("x-wxgate-retry")), (200, None, None));
                assert_eq!(reply.field("connection"), None);
                progress.send_replace(answered.fetch_add(1, Ordering::Relaxed));
            }
        });
    }
    for number in 0..RELOADS {
        operated.try_reload(&accounts_last(&keys(number))).await.unwrap();
        // Some requests under each of them.
        let before = *seen.borrow_and_update();
        within(seen.wait_for(|now| *now >= before + CALLERS)).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = within(callers.join_next()).await {
        ended.unwrap();
    }
    assert!(answered.load(Ordering::Relaxed) >= RELOADS * CALLERS);
    assert_eq!(operated.gateway.get(INFO).await.status, 200);
    let fetches = wechat.world().fetches(DEFAULT_APPID);
    assert_eq!((fetches.stable, fetches.forced, fetches.classic), (1, 0, 0), "one token for all of them");
}

/// The sandbox's account as the default one, after others.
fn accounts_last(keys: &str) -> String {
    format!("{keys}\n{}default = true\n", crate::support::account())
}

//! A stop, and a renewed certificate, while callers call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_rustls::rustls::pki_types::CertificateDer;
use wxgate::sandbox::{Fault, Gate};
use wxgate::stage::Stage;

use super::http2_caller::Http2Caller;
use super::{H2, HTTP1, INFO, Secure, caller_config, handshake};
use crate::support::{Caller, Gateway, sandbox, within};

/// A caller that only shook hands keeps nobody waiting for its deadline.
#[tokio::test]
async fn a_connection_without_a_request_does_not_hold_a_stop_up() {
    for protocols in [HTTP1, H2] {
        let (wechat, secure) = (sandbox().await, Secure::new());
        let gateway = secure.gateway(&wechat, "server.idle_timeout = '1h'\n").await;
        let _idle = secure.connect(gateway.address, protocols).await;
        gateway.drain();
        gateway.stopped().await.unwrap();
    }
}

#[tokio::test]
async fn who_has_just_shaken_hands_is_served_once_more() {
    let (wechat, secure) = (sandbox().await, Secure::new());
    let gateway = secure.gateway(&wechat, "").await;
    let mut fresh = Vec::new();
    for _ in 0..5 {
        fresh.push(secure.caller(&gateway).await);
    }
    gateway.drain();
    for caller in &mut fresh {
        caller.request("GET", INFO, &[], b"").await;
    }
    for caller in &mut fresh {
        assert_eq!(caller.reply().await.status, 200);
        assert_eq!(caller.until_end().await, Some(Vec::new()));
    }
    gateway.stopped().await.unwrap();
}

#[tokio::test]
async fn http_2_says_farewell_before_the_drain_and_answers_what_is_under_way() {
    let (wechat, secure) = (sandbox().await, Secure::new());
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at("/wxa/slow").hold(&gate));
    let gateway = secure.gateway(&wechat, "").await;
    let caller = Http2Caller::over(secure.connect(gateway.address, H2).await).await;
    assert_eq!(caller.get(INFO).await.status, 200);
    let (slow, ()) = tokio::join!(caller.get("/wxa/slow"), async {
        within(gate.held(1)).await;
        gateway.control.advance(Stage::Leaving);
        let mut other = secure.caller(&gateway).await;
        other.request("GET", INFO, &[], b"").await;
        assert_eq!(other.reply().await.status, 200, "others are still served");
        gate.open();
    });
    assert_eq!((slow.status, slow.field("connection")), (200, None));
    within(caller.connection).await.unwrap().unwrap();
    gateway.drain();
    gateway.stopped().await.unwrap();
}

/// Six callers, half of which shake hands for each request. The files change twice.
#[tokio::test]
async fn renewed_certificates_under_load_lose_no_request() {
    let (wechat, secure) = (sandbox().await, Arc::new(Secure::new()));
    let gateway = secure.gateway(&wechat, "").await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..6 {
        let (secure, stop, address) = (Arc::clone(&secure), Arc::clone(&stop), gateway.address);
        callers.spawn(async move {
            let mut kept = None;
            let mut answered = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut caller = match kept.take() {
                    Some(caller) => caller,
                    None => Caller::over(secure.connect(address, HTTP1).await),
                };
                caller.request("POST", "/wxa/any", &[], b"{}").await;
                assert_eq!(caller.reply().await.status, 200);
                answered += 1;
                kept = (number % 2 == 0).then_some(caller);
            }
            answered
        });
    }
    for _ in 0..2 {
        let before = shown(&gateway, &secure).await;
        secure.renew(&secure.authority);
        while shown(&gateway, &secure).await == before {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(answered) = within(callers.join_next()).await {
        assert!(answered.unwrap() > 0);
    }
}

/// The certificate that a new caller sees.
async fn shown(gateway: &Gateway, secure: &Secure) -> CertificateDer<'static> {
    let config = caller_config(secure.authority.path(), HTTP1, None);
    let stream = handshake(gateway.address, config).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

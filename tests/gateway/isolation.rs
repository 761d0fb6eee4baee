//! Nobody waits for another's trouble: a silent WeChat, a heal, a refresh. And a few callers that stay share the workers.

use std::collections::HashMap;

use wxgate::sandbox::{Fault, Gate, STABLE};

use crate::support::{Caller, Gateway, sandbox, within};

const PATH: &str = "/wxa/any";
/// More than there are workers, so that each of them has some.
const CALLERS: usize = 8;

async fn callers(gateway: &Gateway) -> Vec<Caller> {
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        callers.push(gateway.connect().await);
    }
    callers
}

/// Every one of them gets an answer, several times over.
async fn all_are_served(callers: &mut [Caller]) {
    for _ in 0..3 {
        for caller in &mut *callers {
            caller.request("GET", PATH, &[], b"").await;
            assert_eq!(caller.reply().await.status, 200);
        }
    }
}

#[tokio::test]
async fn connections_on_which_wechat_is_silent_delay_no_other_request() {
    let (wechat, gate) = (sandbox().await, Gate::new());
    let gateway = Gateway::with(&wechat, "").await;
    let (mut others, mut stuck) = (callers(&gateway).await, callers(&gateway).await);
    all_are_served(&mut others).await;
    wechat.world().faults().add(Fault::at("/wxa/silent").hold(&gate));
    for caller in &mut stuck {
        caller.request("GET", "/wxa/silent", &[], b"").await;
    }
    gate.held(CALLERS).await;
    all_are_served(&mut others).await;
    gate.open();
    for caller in &mut stuck {
        assert_eq!(caller.reply().await.status, 200);
    }
}

/// Its token may be good for all others: only WeChat knows.
#[tokio::test]
async fn while_one_request_is_healed_and_the_token_is_fetched_anew_all_others_are_served() {
    let (wechat, gate) = (sandbox().await, Gate::new());
    let gateway = Gateway::with(&wechat, "").await;
    let mut others = callers(&gateway).await;
    all_are_served(&mut others).await;
    wechat.world().faults().add(Fault::at("/wxa/refused").errcode(40001).times(1));
    wechat.world().faults().add(Fault::at(STABLE).hold(&gate));
    let mut healed = gateway.connect().await;
    healed.request("GET", "/wxa/refused", &[], b"").await;
    gate.held(1).await;
    all_are_served(&mut others).await;
    gate.open();
    let reply = healed.reply().await;
    assert_eq!((reply.status, reply.field("x-wxgate-retry")), (200, Some("healed")), "{}", reply.text());
}

/// Each worker has connections to WeChat of its own, so those tell which worker a caller is on.
#[tokio::test]
async fn while_a_token_is_fetched_ahead_of_its_end_all_are_served() {
    let (wechat, gate) = (sandbox().await, Gate::new());
    let gateway = Gateway::with(&wechat, "admin.address = '127.0.0.1:0'").await;
    let mut all = callers(&gateway).await;
    all_are_served(&mut all).await;
    wechat.world().faults().add(Fault::at(STABLE).hold(&gate));
    let mut operator = Caller::connect(gateway.admin.unwrap()).await;
    operator.request("POST", "/accounts/main/refresh", &[("X-Wxgate-Admin", "1")], b"").await;
    gate.held(1).await;
    all_are_served(&mut all).await;
    gate.open();
    assert_eq!(operator.reply().await.status, 200);
    all_are_served(&mut all).await;
}

#[tokio::test]
async fn a_few_callers_that_stay_are_spread_evenly_over_the_workers() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, "").await; // with two workers
    let mut callers = callers(&gateway).await;
    for caller in &mut callers {
        caller.request("GET", PATH, &[], b"").await;
        assert_eq!(within(caller.reply()).await.status, 200);
    }
    let mut share: HashMap<_, usize> = HashMap::new();
    for seen in wechat.world().journal().requests_of(PATH) {
        *share.entry(seen.connection).or_default() += 1;
    }
    assert_eq!(share.into_values().collect::<Vec<_>>(), [CALLERS / 2; 2]);
}

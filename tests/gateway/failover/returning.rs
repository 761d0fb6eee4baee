//! The first upstream comes back.

use std::time::Duration;

use tokio::task::yield_now;
use wxgate::sandbox::{Sandbox, Settings};

use super::{CALL, calls, gateway, http};
use crate::support::{nobody, sandbox, within};

/// A sandbox on this port, as soon as it is free.
pub(super) async fn sandbox_at(port: u16) -> Sandbox {
    within(async {
        loop {
            match Sandbox::start(Settings { port, ..Settings::default() }).await {
                Ok(wechat) => break wechat,
                Err(_) => yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn after_the_cool_down_requests_return_to_the_first() {
    let ((kept, address), second) = (nobody(), sandbox().await);
    let gateway = gateway(&[&http(address), &second.base_url()], "upstream.cool_down = '300ms'").await;
    assert_eq!(gateway.request("POST", CALL, &[], b"{}").await.status, 200);
    drop(kept);
    let first = sandbox_at(address.port()).await;
    let mut sent = 1;
    within(async {
        while calls(&first) < 3 {
            assert_eq!(gateway.request("POST", CALL, &[], b"{}").await.status, 200);
            sent += 1;
        }
    })
    .await;
    assert_eq!(calls(&first) + calls(&second), sent, "each once");
}

#[tokio::test]
async fn before_the_cool_down_is_over_they_do_not() {
    let ((kept, address), second) = (nobody(), sandbox().await);
    let gateway = gateway(&[&http(address), &second.base_url()], "upstream.cool_down = '1h'").await;
    assert_eq!(gateway.get(CALL).await.status, 200);
    drop(kept);
    let first = sandbox_at(address.port()).await;
    for _ in 0..20 {
        assert_eq!(gateway.get(CALL).await.status, 200);
    }
    assert_eq!((first.world().journal().connections(), calls(&second)), (0, 21));
}

/// While it stays away, one request in each cool-down knocks at its door, and is not lost.
#[tokio::test]
async fn trials_are_few_and_cost_no_request() {
    let (mut first, second) = (super::Silent::start().await, sandbox().await);
    let keys = "upstream.first_byte_timeout = '50ms'\nupstream.cool_down = '400ms'\ntoken.fetch_timeout = '50ms'";
    let gateway = gateway(&[&http(first.address), &second.base_url()], keys).await;
    let begun = std::time::Instant::now();
    let mut trials = 0;
    while trials < 3 {
        assert_eq!(gateway.get(CALL).await.status, 200);
        trials += first.connections();
    }
    // The start may bring two: the token's and a request's. A slow machine makes them fewer, never more.
    let cool_downs = begun.elapsed().as_millis() / Duration::from_millis(400).as_millis();
    assert!(trials as u128 <= cool_downs + 2, "{trials} in {cool_downs} cool-downs");
}

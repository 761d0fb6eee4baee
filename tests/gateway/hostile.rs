//! Callers and upstreams that mean harm, over raw sockets. WeChat's own record is the judge of what got through.

mod answers;
mod chunks;
mod crowds;
mod framing;
mod heads;
mod paths;
mod scripted;
mod splitting;
mod targets;
mod vanishing;

use std::sync::Arc;

use tokio::task::JoinSet;
use wxgate::sandbox::{Sandbox, Seen};

use crate::support::{Caller, Gateway, calls, sandbox};

/// What becomes of a request. Nothing but the intended one may ever arrive.
#[derive(Debug, Clone, Copy)]
enum Fate<'a> {
    /// It arrives, with this body.
    Arrives(&'a str),
    /// Nothing does.
    Refused,
}

use Fate::{Arrives, Refused};

/// A case: what it is about, its bytes, in which `INTENDED` and `SMUGGLED` stand for paths of its own, and its fate.
type Case<'a> = (&'a str, &'a str, Fate<'a>);

/// A request that must never arrive, for the end of a case.
const SMUGGLED: &str = "GET SMUGGLED HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Short, so that what is not ended by its own fault is ended by its silence.
const DEADLINES: &str = "server.head_timeout = '500ms'\nserver.idle_timeout = '500ms'\nbody.idle_timeout = '500ms'\n";

/// Sends all cases at once, each on a connection of its own, waits until the gateway has ended every one, and looks at
/// what arrived.
async fn assert_fates(cases: &[Case<'_>]) {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, DEADLINES).await;
    let mut sending = JoinSet::new();
    for (number, (_, bytes, _)) in cases.iter().enumerate() {
        let bytes = bytes.replace("INTENDED", &intended(number)).replace("SMUGGLED", &format!("/smuggled/{number}"));
        let mut caller = gateway.connect().await;
        sending.spawn(async move {
            caller.write(bytes).await;
            (number, heard(caller).await)
        });
    }
    let heard = sending.join_all().await;
    for (number, (what, _, fate)) in cases.iter().enumerate() {
        let heard = &heard.iter().find(|(other, _)| *other == number).unwrap().1;
        let expected = match fate {
            Arrives(body) => Some(*body),
            Refused => None,
        };
        assert_eq!(arrived(&wechat, number).as_deref(), expected, "{what}: {heard:?}");
        assert!(!heard.contains("HTTP/1.1 200") || expected.is_some(), "{what}: {heard:?}");
    }
    let unexpected = |seen: &&Arc<Seen>| !seen.path().starts_with("/intended/");
    let calls = calls(&wechat);
    let smuggled: Vec<_> = calls.iter().filter(unexpected).map(|seen| seen.path()).collect();
    assert!(smuggled.is_empty(), "{smuggled:?}");
}

fn intended(number: usize) -> String {
    format!("/intended/{number}")
}

/// The body with which a case's request reached WeChat; panics if it came twice.
fn arrived(wechat: &Sandbox, number: usize) -> Option<String> {
    let seen = wechat.world().journal().requests_of(&intended(number));
    assert!(seen.len() <= 1, "{seen:?}");
    let seen = seen.first()?;
    assert!(!seen.headers.contains_key("transfer-encoding"), "{:?}", seen.headers);
    Some(String::from_utf8(seen.body.as_ref()?.to_vec()).unwrap())
}

/// All that a caller hears until its connection ends, in order or not.
async fn heard(mut caller: Caller) -> String {
    let mut heard = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut caller.stream, &mut heard);
    let _ = crate::support::within(reading).await; // also what comes before a reset
    String::from_utf8_lossy(&heard).into_owned()
}

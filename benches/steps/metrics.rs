//! What was seen of a request: counted, written as a line of the access log, shown on a page.

use std::time::Duration;

use divan::{Bencher, black_box};
use tokio::task::LocalSet;
use wxgate::config::{AccessLines, LogFormat};
use wxgate::metrics::{Metrics, encode};
use wxgate::observe::{AccessLog, Class, End, History, Observations, RequestId, Seen};

#[divan::bench]
fn request_noted(bencher: Bencher<'_, '_>) {
    let observations = Observations::new(1);
    let (account, observer) = (observations.account("main"), observations.observer());
    let id = RequestId::new(None, || observer.next_id());
    let seen = seen(&id);
    bencher.bench_local(|| observer.note(Some(&account), black_box(&seen)));
}

/// With an admin listener, which shows the busiest endpoints too.
#[divan::bench]
fn request_noted_for_the_status(bencher: Bencher<'_, '_>) {
    let observations = Observations::new(1);
    let _history = History::new(observations.clone());
    let (account, observer) = (observations.account("main"), observations.observer());
    let id = RequestId::new(None, || observer.next_id());
    let seen = seen(&id);
    bencher.bench_local(|| observer.note(Some(&account), black_box(&seen)));
}

/// The same with a line in the access log: what the worker does for it.
#[divan::bench(args = [LogFormat::Text, LogFormat::Json])]
fn request_noted_and_logged(bencher: Bencher<'_, '_>, format: LogFormat) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (log, _finish) = AccessLog::start(format, std::io::sink()).expect("a thread");
    let observations = Observations::new(1);
    observations.log_to(log);
    observations.log_lines(AccessLines::All);
    LocalSet::new().block_on(&runtime, async {
        let (account, observer) = (observations.account("main"), observations.observer());
        let id = RequestId::new(None, || observer.next_id());
        let seen = seen(&id);
        bencher.bench_local(|| observer.note(Some(&account), black_box(&seen)));
    });
}

/// On so many threads at once: what they share must not slow them down.
#[divan::bench(threads = [1, 2])]
fn callers_request_counted(bencher: Bencher<'_, '_>) {
    let caller = Metrics::default().caller("crm");
    bencher.bench(|| caller.admitted.inc());
}

#[divan::bench(args = [1, 100, 10_000])]
fn page_of_accounts(bencher: Bencher<'_, '_>, accounts: usize) {
    let metrics = Metrics::default();
    for number in 0..accounts {
        metrics.heals(&format!("a{number}"));
    }
    bencher.bench_local(|| encode([metrics.registry()]));
}

/// An ordinary request that went well.
fn seen(id: &RequestId) -> Seen<'_> {
    Seen {
        account: "main",
        caller: None,
        peer: None,
        class: Class::Token,
        method: "GET",
        path: "/cgi-bin/user/info",
        status: Some(200),
        errcode: Some(0),
        rid: None,
        error: None,
        generation: Some(1),
        retry: None,
        living_token_refused: false,
        id,
        whole: Duration::from_micros(40_300),
        upstream: Duration::from_micros(40_200),
        received: 0,
        sent: 27,
        end: End::Whole,
    }
}

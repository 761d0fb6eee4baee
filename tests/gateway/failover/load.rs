//! Upstreams go, come and change while callers call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tokio::task::JoinSet;
use wxgate::app::App;
use wxgate::config::{Environment, Source};
use wxgate::reload::Cause;

use super::{CALL, calls, configured, gateway, returning};
use crate::support::{Caller, Gateway, account, sandbox, within};

const CALLERS: usize = 4;

/// Callers that call again and again, each on a connection of its own, and take nothing but a 200 for an answer.
struct Load {
    stop: Arc<AtomicBool>,
    answered: watch::Receiver<u64>,
    callers: JoinSet<()>,
}

impl Load {
    fn on(gateway: &Gateway) -> Self {
        let (stop, (answer, answered), mut callers) =
            (Arc::new(AtomicBool::new(false)), watch::channel(0), JoinSet::new());
        for _ in 0..CALLERS {
            let (stop, answer, address) = (Arc::clone(&stop), answer.clone(), gateway.address);
            callers.spawn(async move {
                let mut caller = Caller::connect(address).await;
                while !stop.load(Ordering::Relaxed) {
                    caller.request("GET", CALL, &[], b"").await;
                    let reply = caller.reply().await;
                    assert_eq!((reply.status, reply.error()), (200, None), "{}", reply.text());
                    answer.send_modify(|count| *count += 1);
                }
            });
        }
        Self { stop, answered, callers }
    }

    /// Waits until so many more have been answered.
    async fn goes_on(&mut self, count: u64) {
        let now = *self.answered.borrow_and_update();
        within(self.answered.wait_for(|answered| *answered >= now + count)).await.unwrap();
    }

    /// Ends it, and tells how many were answered.
    async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = within(self.callers.join_next()).await {
            ended.unwrap();
        }
        *self.answered.borrow()
    }
}

#[tokio::test]
async fn the_first_goes_away_and_comes_back_and_no_request_fails() {
    let (first, second) = (sandbox().await, sandbox().await);
    let port = first.address().port();
    let gateway = gateway(&[&first.base_url(), &second.base_url()], "upstream.cool_down = '200ms'").await;
    let mut load = Load::on(&gateway);
    load.goes_on(50).await;
    assert_eq!(calls(&second), 0);
    drop(first); // with its connections, and the requests on them
    within(async {
        while calls(&second) < 50 {
            load.goes_on(1).await;
        }
    })
    .await;
    let first = returning::sandbox_at(port).await;
    within(async {
        while calls(&first) < 50 {
            load.goes_on(1).await;
        }
    })
    .await;
    let at_second = calls(&second);
    load.goes_on(50).await;
    load.end().await;
    assert!(calls(&second) <= at_second + CALLERS as u64, "all have returned");
}

#[tokio::test]
async fn the_upstreams_change_under_load() {
    let (one, two) = (sandbox().await, sandbox().await);
    let (directory, keys) = (tempfile::tempdir().unwrap(), account());
    let path = directory.path().join("config.toml");
    let text = |urls: &[&str]| configured(urls, &keys);
    let urls = [one.base_url(), two.base_url()];
    std::fs::write(&path, text(&[&urls[0]])).unwrap();
    let mut source = Source::new(Some(&path), Environment::default());
    let app = App::bind(source.load().unwrap().config).await.unwrap().following(source, None);
    let reloader = app.reloader();
    let gateway = Gateway::of(app);
    let mut load = Load::on(&gateway);
    for (number, order) in [[0, 1].as_slice(), &[1, 0], &[1], &[0, 1], &[0]].into_iter().cycle().take(20).enumerate() {
        let order: Vec<_> = order.iter().map(|&index| urls[index].as_str()).collect();
        std::fs::write(&path, text(&order)).unwrap();
        within(reloader.reload(Cause::Operator)).await.unwrap();
        load.goes_on(CALLERS as u64).await; // those under way may still go the old way
        let (at, elsewhere) = if order[0] == urls[0] { (&one, &two) } else { (&two, &one) };
        let before = (calls(at), calls(elsewhere));
        load.goes_on(20).await;
        assert!(calls(at) >= before.0 + 10, "{number}");
        assert_eq!(calls(elsewhere), before.1, "{number}");
    }
    let answered = load.end().await;
    assert_eq!(calls(&one) + calls(&two), answered, "each once");
}

//! A request's token: one load of the account's slot (architecture.md §3.5).

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use divan::{Bencher, black_box};

use crate::accounts::token;

/// On so many threads at once: what they share must not slow them down.
#[divan::bench(threads = [1, 2])]
fn usable_token(bencher: Bencher<'_, '_>) {
    let handle = token("a0");
    bencher.bench(|| {
        let usable = pin!(handle.usable(Duration::from_secs(1)));
        assert!(usable.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    });
}

#[divan::bench(threads = [1, 2])]
fn acceptance_noted(bencher: Bencher<'_, '_>) {
    let snapshot = token("a0").slot().load();
    let token = snapshot.token.as_ref().expect("it was fetched");
    bencher.bench(|| black_box(token).accept());
}

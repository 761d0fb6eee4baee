//! Which account, and which credential its endpoint takes (architecture.md §3.2).

use divan::{Bencher, black_box};
use hyper::HeaderMap;
use wxgate::gateway::Fields;

use crate::accounts::accounts;

const PATHS: [&str; 3] = ["/cgi-bin/user/info", "/@a0/cgi-bin/user/info", "/sns/jscode2session"];

#[divan::bench(args = PATHS)]
fn one_account(bencher: Bencher<'_, '_>, path: &str) {
    routed(bencher, 1, path);
}

#[divan::bench(args = [1, 100, 10_000])]
fn the_last_of_many_accounts(bencher: Bencher<'_, '_>, count: usize) {
    routed(bencher, count, &format!("/@a{}/cgi-bin/user/info", count - 1));
}

fn routed(bencher: Bencher<'_, '_>, count: usize, path: &str) {
    let (accounts, headers) = (accounts(count), HeaderMap::new());
    bencher.bench_local(|| {
        let route = accounts.route(black_box(path), Some("openid=o6"), &Fields::of(&headers), None);
        assert!(route.is_ok());
    });
}

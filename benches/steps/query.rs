//! The token into the query (architecture.md §3.6).

use divan::{Bencher, black_box};
use wxgate::gateway::rewrite::target;

use crate::accounts::TOKEN;

const QUERIES: [&str; 4] = [
    "",
    "openid=oZ1y26dV7mHOJcaRP3lWzVUwgkD8&lang=zh_CN",
    "access_token=wxgate_placeholder&openid=oZ1y26dV7mHOJcaRP3lWzVUwgkD8",
    "%61ccess_token=x&title=%E4%BD%A0%E5%A5%BD&a=1&b=2&c=3&d=4&e=5&f=6",
];

#[divan::bench(args = QUERIES)]
fn token_goes_in(bencher: Bencher<'_, '_>, query: &str) {
    bencher.bench_local(|| {
        target("/cgi-bin/user/info", Some(black_box(query)), &["access_token"], &[("access_token", TOKEN)])
    });
}

//! Counting, and the page that shows the counts.

use divan::Bencher;
use wxgate::metrics::Metrics;

#[divan::bench(threads = [1, 2])]
fn count(bencher: Bencher<'_, '_>) {
    let caller = Metrics::default().caller("crm");
    bencher.bench(|| caller.admitted.inc());
}

#[divan::bench(args = [1, 100, 10_000])]
fn page_of_accounts(bencher: Bencher<'_, '_>, accounts: usize) {
    let metrics = Metrics::default();
    for number in 0..accounts {
        metrics.heals(&format!("a{number}"));
    }
    bencher.bench_local(|| metrics.encode());
}

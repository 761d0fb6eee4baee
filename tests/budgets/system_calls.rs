//! System calls a request, by strace.

use std::collections::BTreeMap;
use std::path::Path;

use crate::measured::run;

/// One request at a time: two reads, two writes, and a wait before each read.
const ALONE: f64 = 6.1;
/// Among many the waits are shared. New connections to WeChat, of which there may be more in one run than in another,
/// are in it.
const AMONG_MANY: f64 = 4.4;

#[tokio::test]
#[ignore = "takes strace and the release build"]
async fn a_request_takes_few_system_calls() {
    for (callers, budget) in [(1, ALONE), (64, AMONG_MANY)] {
        let (few, many) = (1_280 / callers, 3_840 / callers);
        let short = counts(&run(strace, callers, few).await);
        let long = counts(&run(strace, callers, many).await);
        let requests = ((many - few) * callers) as f64;
        let before = |name: &str| short.get(name).copied().unwrap_or(0) as f64;
        let each = long.iter().map(|(name, count)| (name, (*count as f64 - before(name)) / requests));
        let each: BTreeMap<_, _> = each.filter(|(_, each)| each.abs() > 0.001).collect();
        let sum: f64 = each.values().sum();
        println!("{callers} callers: {sum:.3} system calls a request, of {budget}: {each:.3?}");
        assert!(sum <= budget);
    }
}

/// `-D` leaves the program its own process id, so that a signal reaches it and not strace.
fn strace(file: &Path) -> String {
    format!("strace -D -f -c -o '{}'", file.display())
}

/// Calls by name, from a table with the columns `% time`, `seconds`, `usecs/call`, `calls`, sometimes `errors`, and name.
fn counts(table: &str) -> BTreeMap<String, u64> {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(|row| Some((row.last()?.to_string(), row.get(3)?.parse().ok()?)))
        .filter(|(name, _)| name != "total")
        .collect()
}

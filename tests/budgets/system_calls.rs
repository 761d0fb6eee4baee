//! System calls a request, by strace.

use std::collections::BTreeMap;
use std::path::Path;

use crate::measured::run;

#[tokio::test]
#[ignore = "takes strace"]
async fn a_request_takes_few_system_calls() {
    for callers in [1, 64] {
        let (few, many) = (1_280 / callers, 3_840 / callers);
        let short = counts(&run(strace, callers, few).await);
        let long = counts(&run(strace, callers, many).await);
        let requests = ((many - few) * callers) as f64;
        let each: BTreeMap<_, _> = long
            .iter()
            .map(|(name, count)| (name, (*count as f64 - short.get(name).copied().unwrap_or(0) as f64) / requests))
            .filter(|(_, each)| each.abs() > 0.001)
            .collect();
        println!("{callers} callers: {:.3} system calls a request: {each:.3?}", each.values().sum::<f64>());
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

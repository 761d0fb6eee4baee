//! What stays allocated for a connection that rests. Of the system's own view of it (`tests/budgets/`), this is the part
//! that does not depend on which pages the allocator can give back.

use std::net::SocketAddr;
use std::time::Duration;

use stats_alloc::Region;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::ALLOCATOR;
use crate::caller::{Caller, request};
use crate::support::PATIENCE;

const CONNECTIONS: usize = 500;
/// Bytes of each: a task, and its registration with the reactor.
const BUDGET: usize = 2_300;

pub async fn measure(address: SocketAddr) {
    let (request, mut callers) = (request("GET", ""), Vec::with_capacity(CONNECTIONS));
    let region = Region::new(ALLOCATOR);
    let call = move || {
        callers.resize_with(CONNECTIONS, || Caller::connect(address));
        callers.iter_mut().for_each(|caller| caller.call(&request));
        callers
    };
    let _callers = spawn_blocking(call).await.unwrap();
    let each = || {
        let change = region.change();
        change.bytes_allocated.saturating_sub(change.bytes_deallocated) / CONNECTIONS
    };
    let used = each();
    let _ = timeout(PATIENCE, async {
        while each() > BUDGET {
            sleep(Duration::from_millis(20)).await; // nothing else tells that all of them rest
        }
    })
    .await;
    println!("a connection: {used} bytes after its request, {} of {BUDGET} at rest", each());
    assert!(each() <= BUDGET);
}

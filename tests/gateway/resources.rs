//! The real program where resources are short: memory, disk, descriptors.

use std::net::SocketAddr;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::task::JoinSet;
use wxgate::sandbox::{Fault, Gate, Sandbox};

use crate::process::Program;
use crate::support::{Caller, PATIENCE, account, config_text, sandbox, within};

const PATH: &str = "/wxa/upload";

fn config(wechat: &Sandbox, keys: &str) -> String {
    config_text(&format!("http://{}", wechat.address()), &format!("{keys}\n{}", account()))
}

/// 500 MB are under way at once, all of them kept for a second sending, in far less memory.
///
/// The bound is made of what one upload may take at its worst: 1 MiB of body before it goes to its file, in a buffer that
/// has doubled to 2 MiB (`body.memory`), then 256 KiB to gather a write and 256 KiB for a read, 128 KiB for the caller's
/// connection and 400 KiB for the one upstream: 3 MiB; and 32 MiB for the program itself.
#[tokio::test]
async fn fifty_uploads_of_10_mb_survive_a_heal_in_bounded_memory() {
    const UPLOADS: usize = 50;
    const BOUND: u64 = (UPLOADS as u64 * 3 + 32) << 20;
    let (wechat, gate) = (sandbox().await, Gate::new());
    let mut program = Program::run(&config(&wechat, ""));
    let address = program.address().await;
    assert_eq!(get(address, "/wxa/any").await, 200);
    wechat.world().kill_tokens();
    wechat.world().faults().add(Fault::at(PATH).hold(&gate).times(UPLOADS as u64));

    let mut uploads = JoinSet::new();
    for number in 0..UPLOADS {
        uploads.spawn(upload(address, number));
    }
    // All have arrived, none is answered.
    tokio::time::timeout(PATIENCE * 6, gate.held(UPLOADS)).await.unwrap();
    gate.open();
    let mut sent = uploads.join_all().await;
    let mut arrived: Vec<_> = wechat.world().journal().requests_of(PATH).iter().map(|seen| seen.body_sha256).collect();
    sent.extend_from_within(..); // each once more, for its heal
    sent.sort_unstable();
    arrived.sort_unstable();
    assert!(sent == arrived, "{} of {}", arrived.len(), sent.len());
    let peak = program.peak_memory();
    assert!(peak < BOUND, "{} MiB", peak >> 20);
}

/// Sends 10 MB of which no piece is like another, and returns their digest. They are healed on the way.
async fn upload(address: SocketAddr, number: usize) -> [u8; 32] {
    const PIECE: usize = 100_000;
    let mut caller = Caller::connect(address).await;
    caller.write(format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 100 * PIECE)).await;
    let mut digest = Context::new(&SHA256);
    let mut piece = vec![b'x'; PIECE];
    for count in 0..100 {
        piece[..8].copy_from_slice(&(number * 100 + count).to_be_bytes());
        digest.update(&piece);
        caller.write(&piece).await;
    }
    // The others are still on their way, so this may take longer than a single step.
    tokio::time::timeout(PATIENCE * 6, caller.stream.readable()).await.unwrap().unwrap();
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.field("x-wxgate-retry")), (200, Some("healed")), "{}", reply.text());
    digest.finish().as_ref().try_into().unwrap()
}

/// A limit on the size of files stands in for a full disk: both refuse the write.
#[tokio::test]
async fn a_body_that_the_disk_does_not_take_is_refused_and_the_next_one_is_not() {
    // Beyond the memory of one body, and beyond that of all.
    for memory in ["body.memory = '1KiB'", "body.memory_total = '1KiB'"] {
        let wechat = sandbox().await;
        let keys = format!("{memory}\nbody.directory = '.'");
        // In blocks of 512 bytes. Without the trap the signal of setrlimit(2) would end the program.
        let mut program = Program::limited("trap '' XFSZ; ulimit -f 128", &config(&wechat, &keys));
        let address = program.address().await;
        let mut caller = Caller::connect(address).await;
        for (length, status) in [(60_000, 200), (70_000, 503), (600_000, 503)] {
            caller.request("POST", PATH, &[], &vec![b'x'; length]).await;
            let reply = caller.reply().await;
            assert_eq!(reply.status, status, "{memory} {length} {}", reply.text());
            if status == 503 {
                assert_eq!((reply.error(), reply.field("retry-after")), (Some("body_not_kept"), Some("1")));
                caller = Caller::connect(address).await;
            }
        }
        assert_eq!(wechat.world().journal().count(PATH), 1);
        program.says("could not be kept in body.directory").await;
    }
}

#[tokio::test]
async fn descriptors_that_run_out_come_back_when_callers_leave() {
    let wechat = sandbox().await;
    let mut program = Program::limited("ulimit -n 40", &config(&wechat, ""));
    let address = program.address().await;
    assert_eq!(get(address, PATH).await, 200);
    program.says("fewer open files are allowed").await;
    let mut callers = Vec::new();
    for _ in 0..60 {
        callers.push(Caller::connect(address).await);
    }
    program.says("connections cannot be accepted").await;
    drop(callers);
    assert_eq!(get(address, PATH).await, 200);
}

#[tokio::test]
async fn the_soft_limit_on_descriptors_is_raised_to_the_hard_one() {
    let wechat = sandbox().await;
    let mut program = Program::limited("ulimit -Sn 40", &config(&wechat, ""));
    let address = program.address().await;
    let mut callers = Vec::new();
    for _ in 0..60 {
        let mut caller = Caller::connect(address).await;
        caller.request("GET", PATH, &[], b"").await;
        assert_eq!(caller.reply().await.status, 200);
        callers.push(caller);
    }
}

async fn get(address: SocketAddr, target: &str) -> u16 {
    let mut caller = Caller::connect(address).await;
    caller.request("GET", target, &[], b"").await;
    within(caller.reply()).await.status
}

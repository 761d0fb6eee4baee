//! A token that outlives the process.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use wxgate::config::TokenKind;
use wxgate::sandbox::Rules;
use wxgate::token::{Fetch, FileStore, Remedy, Store, Stored};

use crate::wechat::{APPID, Wechat};
use crate::world::{Outcome, World, pass, s, text};

struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn store(&self) -> FileStore {
        FileStore::new(self.0.path(), APPID)
    }

    /// A process that starts with what is on the disk.
    fn start(&self, wechat: &Wechat) -> World {
        World::with(TokenKind::Stable, None, wechat.clone(), Box::new(self.store()))
    }

    /// Stores a token that WeChat knows, fetched and ending so many seconds from now.
    async fn keep(&self, wechat: &Wechat, fetched_ago: u64, ends_in: u64) -> String {
        let token = wechat.with_ledger(|ledger, now| ledger.stable(APPID, false, now)).unwrap().token;
        let stored = Stored {
            fence: 1,
            token: token.clone().into(),
            minted_by: Fetch::Stable,
            age: s(fetched_ago),
            left: s(ends_in),
        };
        self.store().publish(&stored).await.unwrap();
        token
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_with_a_valid_stored_token_fetches_nothing_and_trusts_it() {
    let (disk, wechat) = (Disk::new(), Wechat::new(Rules::default()));
    let before = disk.start(&wechat);
    let token = before.accepted_token().await;
    let kept = wechat.fetches();
    before.kill();
    assert!(matches!(before.request().await, Outcome::Healed), "which is answered after the file is written");
    let token_after_kill = before.accepted_token().await;
    assert_ne!(text(&token), text(&token_after_kill));
    before.task.abort();

    let after = disk.start(&wechat);
    assert_eq!(text(&after.accepted_token().await), text(&token_after_kill));
    assert_eq!(wechat.fetches().len(), kept.len() + 1);
    assert!(after.snapshot().started);
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_counts_as_accepted() {
    let (disk, wechat) = (Disk::new(), Wechat::new(Rules::default()));
    disk.keep(&wechat, 0, 7000).await;
    let world = disk.start(&wechat);
    world.token.usable(s(1)).await.unwrap();
    world.kill();
    let remedy = world.reject().await;
    assert!(matches!(remedy, Remedy::Newer(_)), "no trial: {remedy:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_is_replaced_ahead_of_its_end_like_any_other() {
    let (disk, wechat) = (Disk::new(), Wechat::new(Rules::default()));
    disk.keep(&wechat, 6200, 1000).await;
    let world = disk.start(&wechat);
    let token = world.token.usable(s(1)).await.unwrap();
    let left = token.remaining(Instant::now());
    assert!((s(990)..=s(1000)).contains(&left), "{left:?}");
    pass(s(1000)).await;
    let began = wechat.calls()[0].began;
    assert!((s(990 - 270)..=s(1000 - 60)).contains(&began), "{began:?}");
}

/// It was set wrong when the token was stored, or is now.
#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_makes_no_token_immortal() {
    let (disk, wechat) = (Disk::new(), Wechat::new(Rules::default()));
    disk.keep(&wechat, 0, 1_000_000).await;
    let world = disk.start(&wechat);
    let token = world.token.usable(s(1)).await.unwrap();
    assert!(token.remaining(Instant::now()) <= s(7200));
}

#[tokio::test(start_paused = true)]
async fn what_is_expired_or_damaged_is_replaced_by_a_fetch() {
    for damage in [None, Some(""), Some("{\"appid\":\"wx1\"}"), Some("\u{0}\u{1}garbage")] {
        let (disk, wechat) = (Disk::new(), Wechat::new(Rules::default()));
        disk.keep(&wechat, 7200, 0).await;
        if let Some(damage) = damage {
            fs::write(disk.0.path().join("wx1.json"), damage).unwrap();
        }
        let world = disk.start(&wechat);
        world.accepted_token().await;
        assert_eq!(wechat.fetches(), [Fetch::Stable], "{damage:?}");
        world.reject().await; // it is answered after the file is written
        let stored = disk.store().read().await.unwrap().unwrap();
        assert!(stored.left > Duration::from_secs(6000), "{damage:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_gone_takes_no_token_away() {
    let (disk, wechat) = (Disk::new(), Wechat::new(Rules::default()));
    let world = disk.start(&wechat);
    world.accepted_token().await;
    world.kill();
    assert!(matches!(world.request().await, Outcome::Healed), "which is answered after the file is written");
    fs::remove_dir_all(disk.0.path()).unwrap();
    world.kill();
    assert!(matches!(world.request().await, Outcome::Healed));
    world.accepted_token().await;
}

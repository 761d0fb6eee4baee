//! Sees that a file of the configuration has changed, by looking at what is in it.
//!
//! The content is compared, and not the file's times: a Kubernetes ConfigMap changes by a symbolic link far above the file,
//! and editors put another file in the place. Notifications of the file system would have to follow both.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The files that a configuration is made of.
pub(super) struct Watch {
    files: Vec<PathBuf>,
    looks: Interval,
    history: History,
}

/// What the files were like. Their content is a secret, so its digest is kept.
#[derive(Default)]
struct History {
    /// When they were last read as a configuration.
    read: Option<Digest>,
    /// At the last look.
    seen: Option<Digest>,
}

pub(super) type Digest = [u8; 32];

impl Watch {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let history = History { read: digest(&files), seen: None };
        Self { files, looks, history }
    }

    /// The configuration has just been read out of these files, which were `before` what they were. One that cannot be used is read again and again: what is
    /// wrong may lie in a file that it could not name.
    pub(super) fn has_read(&mut self, files: Vec<PathBuf>, before: Option<Digest>, is_used: bool) {
        let read = if files == self.files { before } else { digest(&files) };
        self.history.read = read.filter(|_| is_used);
        self.files = files;
    }

    /// What the files are like now; to be asked before they are read, so that no change falls between the two.
    pub(super) async fn look(&self) -> Option<Digest> {
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || digest(&files)).await.unwrap_or_default()
    }

    /// Waits until they are to be read again.
    pub(super) async fn changed(&mut self) {
        loop {
            self.looks.tick().await;
            let seen = self.look().await;
            if self.history.is_to_be_read(seen) {
                return;
            }
        }
    }
}

impl History {
    /// Whether the files have changed and then stayed the same from one look to the next: half a file may be a valid
    /// configuration too.
    fn is_to_be_read(&mut self, now: Option<Digest>) -> bool {
        let settled = std::mem::replace(&mut self.seen, now) == now;
        settled && now.is_some() && now != self.read
    }
}

/// `None` while one of them cannot be read, as it is while it is being replaced.
fn digest(files: &[impl AsRef<Path>]) -> Option<Digest> {
    let mut context = Context::new(&SHA256);
    for file in files {
        let content = fs::read(file).ok()?;
        context.update(&content.len().to_be_bytes());
        context.update(&content);
    }
    context.finish().as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_when_it_has_settled() {
        let [old, half, new] = [0, 1, 2].map(|byte| Some([byte; 32]));
        let mut history = History { read: old, seen: None };
        let looks = [(old, false), (old, false), (half, false), (None, false), (new, false), (new, true)];
        for (number, (seen, expected)) in looks.into_iter().enumerate() {
            assert_eq!(history.is_to_be_read(seen), expected, "look {number}");
        }
        history.read = new;
        assert!(!history.is_to_be_read(new));
        assert!(!history.is_to_be_read(old) && history.is_to_be_read(old), "back again is a change too");
    }

    #[test]
    fn the_digest_is_of_the_content_wherever_a_link_leads() {
        let directory = tempfile::tempdir().unwrap();
        let [one, two, link] = ["one", "two", "link"].map(|name| directory.path().join(name));
        fs::write(&one, "a").unwrap();
        fs::write(&two, "b").unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let before = digest(&[&link]);
        fs::remove_file(&link).unwrap();
        assert_eq!(digest(&[&link]), None);
        std::os::unix::fs::symlink(&two, &link).unwrap();
        assert_ne!(digest(&[&link]), before);
        assert_eq!(digest(&[&link]), digest(&[&two]));
        assert_ne!(digest(&[&one, &two]), digest(&[&two, &one]));
    }
}

//! A token in a file: it survives a restart, and processes on one machine share it, as they do while one hands over to the
//! next.
//!
//! Who fetches holds an advisory lock (flock(2)) on a file beside it, which the kernel takes back when its process dies.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Answer, Claim, Published, Store, StoreError, Stored};
use crate::secret::{ExposeSecret, SecretString};
use crate::token::failure::Failure;
use crate::token::issuer::Fetch;

/// One account's file: readable by its owner only, and replaced as a whole.
#[derive(Debug, Clone)]
pub struct FileStore {
    path: PathBuf,
    appid: String,
    /// The lock, while this process may fetch.
    claimed: Arc<Mutex<Option<File>>>,
}

/// The file's form. Times are whole seconds of Unix time.
#[derive(Deserialize)]
struct Record {
    appid: String,
    #[serde(default)]
    fence: u64,
    token: SecretString,
    minted_by: String,
    fetched_at: u64,
    expires_at: u64,
}

impl FileStore {
    /// The file of `appid` in `directory`.
    pub fn new(directory: &Path, appid: &str) -> Self {
        // Encoded, so that no appid can name a file elsewhere.
        let path = directory.join(format!("{}.json", utf8_percent_encode(appid, NON_ALPHANUMERIC)));
        Self { path, appid: appid.to_owned(), claimed: Arc::default() }
    }

    /// Runs file work where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || work(&path))
            .await
            .unwrap_or_else(|cause| Err(StoreError::Io { path: self.path.clone(), cause: io::Error::other(cause) }))
    }
}

impl Store for FileStore {
    fn read(&self) -> Answer<'_, Option<Stored>> {
        let appid = self.appid.clone();
        Box::pin(self.blocking(move |path| read(path, &appid, SystemTime::now())))
    }

    fn publish<'a>(&'a self, token: &'a Stored) -> Answer<'a, Published> {
        let (text, claimed) = (text(&self.appid, token, SystemTime::now()), Arc::clone(&self.claimed));
        Box::pin(self.blocking(move |path| {
            let written = write(path, &text);
            set(&claimed, None); // whoever waits for it finds the token
            match written {
                Ok(()) => Ok(Published::InForce),
                Err(cause) => Err(StoreError::Io { path: path.to_owned(), cause }),
            }
        }))
    }

    fn claim(&self, known: u64) -> Answer<'_, Claim> {
        let (appid, claimed) = (self.appid.clone(), Arc::clone(&self.claimed));
        Box::pin(self.blocking(move |path| {
            let lock = match lock(path) {
                Err(TryLockError::WouldBlock) => return Ok(Claim::Held),
                // Where there can be no lock there can be no token either, so nobody shares one: publishing will say so.
                Err(TryLockError::Error(_)) => return Ok(Claim::Granted(known + 1)),
                Ok(lock) => lock,
            };
            // A damaged file is about to be replaced.
            let stored = read(path, &appid, SystemTime::now()).unwrap_or_default();
            if let Some(stored) = stored.filter(|stored| stored.fence > known) {
                return Ok(Claim::Newer(stored));
            }
            set(&claimed, Some(lock));
            Ok(Claim::Granted(known + 1))
        }))
    }

    fn release<'a>(&'a self, _fence: u64, _failed: Option<(&'a Failure, Duration)>) -> Answer<'a, ()> {
        set(&self.claimed, None);
        Box::pin(async { Ok(()) })
    }
}

/// The lock of the token at `path`. It goes with the file that is returned.
fn lock(path: &Path) -> Result<File, TryLockError> {
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(path.with_extension("lock"));
    let file = file.map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

fn set(claimed: &Mutex<Option<File>>, lock: Option<File>) {
    *claimed.lock().unwrap_or_else(PoisonError::into_inner) = lock;
}

fn read(path: &Path, appid: &str, now: SystemTime) -> Result<Option<Stored>, StoreError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(StoreError::Io { path: path.to_owned(), cause }),
    };
    let record = serde_json::from_slice::<Record>(&text).ok().filter(|record| record.appid == appid);
    let stored = record.and_then(|record| {
        let (fetched_at, expires_at) = (from_unix_seconds(record.fetched_at)?, from_unix_seconds(record.expires_at)?);
        Some(Stored {
            fence: record.fence,
            minted_by: Fetch::named(&record.minted_by)?,
            age: now.duration_since(fetched_at).unwrap_or_default(),
            left: expires_at.duration_since(now).unwrap_or_default(),
            token: record.token,
        })
    });
    stored.map(Some).ok_or_else(|| StoreError::Corrupt { place: path.display().to_string() })
}

fn text(appid: &str, stored: &Stored, now: SystemTime) -> SecretString {
    let record = serde_json::json!({
        "appid": appid,
        "fence": stored.fence,
        "token": stored.token.expose_secret(),
        "minted_by": stored.minted_by.name(),
        "fetched_at": unix_seconds(now.checked_sub(stored.age).unwrap_or(now)),
        "expires_at": unix_seconds(now + stored.left),
    });
    record.to_string().into()
}

fn write(path: &Path, text: &SecretString) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?; // made with mode 0600
    file.write_all(text.expose_secret().as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn from_unix_seconds(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(token: &str) -> Stored {
        Stored {
            fence: 7,
            token: token.into(),
            minted_by: Fetch::Classic,
            age: Duration::from_secs(60),
            left: Duration::from_secs(7140),
        }
    }

    #[tokio::test]
    async fn what_was_published_is_read_and_only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path(), "wx1");
        assert!(store.read().await.unwrap().is_none());
        store.publish(&stored("first")).await.unwrap();
        store.publish(&stored("second")).await.unwrap();
        let read = store.read().await.unwrap().unwrap();
        assert_eq!((read.token.expose_secret(), read.fence, read.minted_by), ("second", 7, Fetch::Classic));
        let files: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(files.len(), 1, "no temporary file stays behind");
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn one_at_a_time_may_fetch_and_the_next_finds_what_it_brought() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other, shop] = ["wx1", "wx1", "wx2"].map(|appid| FileStore::new(directory.path(), appid));
        assert!(matches!(one.claim(0).await, Ok(Claim::Granted(1))));
        assert!(matches!(other.claim(0).await, Ok(Claim::Held)));
        assert!(matches!(shop.claim(0).await, Ok(Claim::Granted(1))), "another account's is another lock");
        one.publish(&Stored { fence: 1, ..stored("first") }).await.unwrap();
        let Ok(Claim::Newer(newer)) = other.claim(0).await else { panic!("the token is there") };
        assert_eq!((newer.token.expose_secret(), newer.fence), ("first", 1));
        assert!(matches!(other.claim(1).await, Ok(Claim::Granted(2))), "what is known already is no news");
        assert!(matches!(one.claim(1).await, Ok(Claim::Held)));
        other.release(2, None).await.unwrap();
        assert!(matches!(one.claim(1).await, Ok(Claim::Granted(2))));
        drop(one); // as when its process dies
        assert!(matches!(other.claim(1).await, Ok(Claim::Granted(2))));
    }

    #[tokio::test]
    async fn where_there_can_be_no_lock_nobody_waits_for_one() {
        let store = FileStore::new(Path::new("/nonexistent/wxgate"), "wx1");
        assert!(matches!(store.claim(4).await, Ok(Claim::Granted(5))));
    }

    #[test]
    fn times_are_those_of_the_wall_clock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        fs::write(file.path(), text("wx1", &stored("t"), now).expose_secret()).unwrap();
        let after = |seconds| read(file.path(), "wx1", now + Duration::from_secs(seconds)).unwrap().unwrap();
        assert_eq!((after(0).age, after(0).left), (stored("").age, stored("").left));
        assert_eq!((after(100).age, after(100).left), (Duration::from_secs(160), Duration::from_secs(7040)));
        assert_eq!(after(8000).left, Duration::ZERO);
    }

    #[tokio::test]
    async fn a_file_without_a_fence_is_from_an_earlier_version_and_good() {
        let directory = tempfile::tempdir().unwrap();
        let record = r#"{"appid":"wx1","token":"t","minted_by":"stable","fetched_at":1,"expires_at":2}"#;
        fs::write(directory.path().join("wx1.json"), record).unwrap();
        assert_eq!(FileStore::new(directory.path(), "wx1").read().await.unwrap().unwrap().fence, 0);
    }

    #[tokio::test]
    async fn a_damaged_file_and_another_accounts_file_are_said_to_be_corrupt() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path(), "wx1");
        for content in ["", "{}", "{\"token\":\"92_topsecret\"", "\u{0}\u{1}"] {
            fs::write(directory.path().join("wx1.json"), content).unwrap();
            let error = store.read().await.unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{content:?}");
            assert!(!format!("{error} {error:?}").contains("topsecret"));
        }
        store.publish(&stored("t")).await.unwrap();
        fs::rename(directory.path().join("wx1.json"), directory.path().join("wx2.json")).unwrap();
        let other = FileStore::new(directory.path(), "wx2");
        assert!(matches!(other.read().await, Err(StoreError::Corrupt { .. })));
    }

    #[tokio::test]
    async fn no_appid_reaches_out_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        fs::create_dir(&inner).unwrap();
        FileStore::new(&inner, "../escaped").publish(&stored("t")).await.unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(inner).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_directory_that_is_gone_is_an_error_that_names_it() {
        let store = FileStore::new(Path::new("/nonexistent/wxgate"), "wx1");
        let error = store.publish(&stored("t")).await.unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/wxgate/wx1.json: "), "{error}");
    }
}

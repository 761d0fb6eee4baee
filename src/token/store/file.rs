//! A token in a file: it survives a restart.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Answer, Published, Store, StoreError, Stored};
use crate::secret::{ExposeSecret, SecretString};
use crate::token::issuer::Fetch;

/// One account's file: readable by its owner only, and replaced as a whole.
#[derive(Debug, Clone)]
pub struct FileStore {
    path: PathBuf,
    appid: String,
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
        Self { path, appid: appid.to_owned() }
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
        let text = text(&self.appid, token, SystemTime::now());
        Box::pin(self.blocking(move |path| match write(path, &text) {
            Ok(()) => Ok(Published::InForce),
            Err(cause) => Err(StoreError::Io { path: path.to_owned(), cause }),
        }))
    }
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

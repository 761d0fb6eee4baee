//! Where a token survives a restart: nowhere, or in a file.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::issuer::Fetch;
use crate::secret::{ExposeSecret, SecretString};

/// Where the tokens of all accounts are kept.
#[derive(Debug, Clone)]
pub enum Store {
    /// In the slot alone: a restart fetches.
    Memory,
    /// One file an account in this directory, readable by its owner only and replaced as a whole.
    File(PathBuf),
}

/// A token as it is stored, in wall-clock time.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The token.
    pub token: SecretString,
    /// The call that brought it.
    pub minted_by: Fetch,
    /// When it was fetched.
    pub fetched_at: SystemTime,
    /// When it ends.
    pub expires_at: SystemTime,
}

/// Why the store could not be read or written. Its text holds the path, never the content.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("{path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        cause: io::Error,
    },
    /// The file is not one of ours, or is damaged.
    #[error("{path}: not a stored token")]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
}

/// The file's form. Times are whole seconds of Unix time.
#[derive(Deserialize)]
struct Record {
    appid: String,
    token: SecretString,
    minted_by: String,
    fetched_at: u64,
    expires_at: u64,
}

impl Store {
    /// The token of `appid`, expired or not; `None` where none is stored.
    ///
    /// # Errors
    /// [`StoreError`]; the caller says so and fetches anew.
    pub async fn load(&self, appid: &str) -> Result<Option<Stored>, StoreError> {
        let Self::File(directory) = self else { return Ok(None) };
        let (path, appid) = (file_of(directory, appid), appid.to_owned());
        blocking(path, move |path| read(path, &appid)).await
    }

    /// Puts the token of `appid` in the place of the one that was there.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the token in memory is not touched by it.
    pub async fn save(&self, appid: &str, stored: &Stored) -> Result<(), StoreError> {
        let Self::File(directory) = self else { return Ok(()) };
        let text = serde_json::json!({
            "appid": appid,
            "token": stored.token.expose_secret(),
            "minted_by": stored.minted_by.name(),
            "fetched_at": unix_seconds(stored.fetched_at),
            "expires_at": unix_seconds(stored.expires_at),
        });
        let text = SecretString::from(text.to_string());
        blocking(file_of(directory, appid), move |path| {
            write(path, &text).map_err(|cause| StoreError::Io { path: path.to_owned(), cause })
        })
        .await
    }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let for_error = path.clone();
    tokio::task::spawn_blocking(move || work(&path))
        .await
        .unwrap_or_else(|cause| Err(StoreError::Io { path: for_error, cause: io::Error::other(cause) }))
}

fn file_of(directory: &Path, appid: &str) -> PathBuf {
    // Encoded, so that no appid can name a file elsewhere.
    directory.join(format!("{}.json", utf8_percent_encode(appid, NON_ALPHANUMERIC)))
}

fn read(path: &Path, appid: &str) -> Result<Option<Stored>, StoreError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(StoreError::Io { path: path.to_owned(), cause }),
    };
    let stored =
        serde_json::from_slice::<Record>(&text).ok().filter(|record| record.appid == appid).and_then(|record| {
            Some(Stored {
                minted_by: Fetch::named(&record.minted_by)?,
                fetched_at: from_unix_seconds(record.fetched_at)?,
                expires_at: from_unix_seconds(record.expires_at)?,
                token: record.token,
            })
        });
    stored.map(Some).ok_or_else(|| StoreError::Corrupt { path: path.to_owned() })
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
        let fetched_at = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Stored {
            token: token.into(),
            minted_by: Fetch::Classic,
            fetched_at,
            expires_at: fetched_at + Duration::from_secs(7200),
        }
    }

    #[tokio::test]
    async fn what_was_saved_is_loaded_and_only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let store = Store::File(directory.path().to_owned());
        assert!(store.load("wx1").await.unwrap().is_none());
        store.save("wx1", &stored("first")).await.unwrap();
        store.save("wx1", &stored("second")).await.unwrap();
        let loaded = store.load("wx1").await.unwrap().unwrap();
        assert_eq!(loaded.token.expose_secret(), "second");
        assert_eq!((loaded.fetched_at, loaded.expires_at), (stored("").fetched_at, stored("").expires_at));
        assert_eq!(loaded.minted_by, Fetch::Classic);
        let files: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(files.len(), 1, "no temporary file stays behind");
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_damaged_file_and_another_accounts_file_are_said_to_be_corrupt() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::File(directory.path().to_owned());
        for content in ["", "{}", "{\"token\":\"92_topsecret\"", "\u{0}\u{1}"] {
            fs::write(directory.path().join("wx1.json"), content).unwrap();
            let error = store.load("wx1").await.unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{content:?}");
            assert!(!format!("{error} {error:?}").contains("topsecret"));
        }
        store.save("wx1", &stored("t")).await.unwrap();
        fs::rename(directory.path().join("wx1.json"), directory.path().join("wx2.json")).unwrap();
        assert!(matches!(store.load("wx2").await, Err(StoreError::Corrupt { .. })));
    }

    #[tokio::test]
    async fn no_appid_reaches_out_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        fs::create_dir(&inner).unwrap();
        Store::File(inner.clone()).save("../escaped", &stored("t")).await.unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(inner).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_directory_that_is_gone_is_an_error_that_names_it() {
        let error = Store::File("/nonexistent/wxgate".into()).save("wx1", &stored("t")).await.unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/wxgate/wx1.json: "), "{error}");
    }
}

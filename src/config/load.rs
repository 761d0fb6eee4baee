//! Finding the file, reading it, and saying what is wrong with it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use toml::Table;

use super::environment::Environment;
use super::problem::{Findings, Problem, Problems};
use super::{Config, validate};
use crate::secret::scrub;

/// What is read where no path is given, when it is there.
const DEFAULT_PATH: &str = "config.toml";

/// A configuration that may be trusted, and what the operator should know about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that it came from; `None` when the environment alone made it.
    pub file: Option<PathBuf>,
    /// All files that it is made of: that one, those of its secrets, those of [`Upstream`](super::Upstream::files), and
    /// `traces.ca_file`.
    pub files: Vec<PathBuf>,
    /// What works but is doubtful; for the log.
    pub warnings: Vec<Problem>,
}

/// Where a configuration comes from, for who may read it more than once.
#[derive(Debug, Clone)]
pub struct Source {
    path: Option<PathBuf>,
    environment: Environment,
    files: Vec<PathBuf>,
}

impl Source {
    /// As [`load`] reads it.
    pub fn new(path: Option<&Path>, environment: Environment) -> Self {
        Self { path: path.map(Path::to_owned), environment, files: Vec::new() }
    }

    /// Reads it.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&mut self) -> Result<Loaded, Problems> {
        let loaded = load(self.path.as_deref(), &self.environment)?;
        self.files.clone_from(&loaded.files);
        Ok(loaded)
    }

    /// The files that the last configuration without a problem was made of.
    pub fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }
}

/// Reads the file at `path`, with `environment` over it. Without a path, `./config.toml` is read
/// when it is there; otherwise the environment alone must do.
///
/// # Errors
///
/// A file that is missing, unreadable or no TOML is one problem; unknown keys and wrong values are
/// reported all at once. No problem repeats a value.
pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Loaded, Problems> {
    match path {
        Some(path) => load_file(path, environment),
        None => load_default(Path::new(DEFAULT_PATH), environment),
    }
}

/// Reads `text` as if it were a configuration file, with `environment` over it.
///
/// # Errors
///
/// As [`load`].
pub fn parse(text: &str, environment: &Environment) -> Result<Loaded, Problems> {
    let (config, findings) = validate::validate(table("configuration", text)?, environment);
    loaded(config, None, findings)
}

fn load_default(path: &Path, environment: &Environment) -> Result<Loaded, Problems> {
    // A file that may be there is read, so that the reason why it cannot be comes to light.
    if path.try_exists().unwrap_or(true) { load_file(path, environment) } else { parse("", environment) }
}

fn load_file(path: &Path, environment: &Environment) -> Result<Loaded, Problems> {
    let name = path.display().to_string();
    let unreadable = |error: io::Error| Problem { key: name.clone(), message: format!("cannot be read: {error}") };
    // The whole file counts as a secret: it may hold one.
    let text = SecretString::from(fs::read_to_string(path).map_err(unreadable)?);
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();

    let (config, mut findings) = validate::validate(table(&name, text.expose_secret())?, environment);
    if mode & 0o004 != 0 {
        findings.warnings.extend(exposed(&name, &findings.literal_secrets));
    }
    loaded(config, Some(path.to_owned()), findings)
}

fn loaded(config: Config, file: Option<PathBuf>, findings: Findings) -> Result<Loaded, Problems> {
    let Findings { problems, warnings, files, .. } = findings;
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let files = file.iter().cloned().chain(files).chain(config.upstream.files());
    let files = files.chain(config.traces.ca_file.clone()).collect();
    Ok(Loaded { config, file, files, warnings })
}

/// The text as TOML. Only the parser's message is shown: its own output shows the line, and that
/// line may hold a secret.
fn table(name: &str, text: &str) -> Result<Table, Problem> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Problem { key: format!("{name}, line {line}, column {column}"), message: scrub(error.message(), &[]) }
    })
}

fn exposed(name: &str, keys: &[String]) -> Vec<Problem> {
    let message = format!(
        "the secret stands in {name}, which every user of this machine can read; use {{ env = \"NAME\" }} or \
         {{ file = \"path\" }}, or run chmod 600 {name}"
    );
    keys.iter().map(|key| Problem { key: key.clone(), message: message.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_path_a_missing_file_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(DEFAULT_PATH);
        let environment = Environment::from_iter([("WXGATE_APPID", "wx1"), ("WXGATE_SECRET", "s1")]);
        assert_eq!(load_default(&path, &environment).unwrap().file, None);

        fs::write(&path, "[[account]]\nappid = 'wx2'\nsecret = 's2'").unwrap();
        let loaded = load_default(&path, &environment).unwrap();
        assert_eq!((loaded.file, loaded.config.accounts[0].appid.as_str()), (Some(path), "wx2"));
    }
}

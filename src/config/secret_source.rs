//! Where a secret comes from: the environment, a file of its own, or the configuration itself.

use std::fs;

use secrecy::{ExposeSecret, SecretString};
use toml::{Table, Value};

use super::environment::Environment;
use super::section::{Refused, Section};
use super::value::text;

/// A credential's text and whether it stands in the configuration file itself.
pub(super) struct Sourced {
    pub(super) text: SecretString,
    pub(super) literal: bool,
}

/// The credential `key`: `{ env = "NAME" }`, `{ file = "path" }` or the text itself. Whatever its
/// source, it is not empty and has neither white space nor control characters.
pub(super) fn read(section: &mut Section<'_>, key: &'static str) -> Result<Option<Sourced>, Refused> {
    read_as(section, key, without_flaw)
}

/// The same for a field's value, `Bearer …`, which may have spaces in it.
pub(super) fn read_field_value(section: &mut Section<'_>, key: &'static str) -> Result<Option<Sourced>, Refused> {
    read_as(section, key, as_field_value)
}

fn read_as(
    section: &mut Section<'_>,
    key: &'static str,
    check: impl FnOnce(SecretString) -> Result<SecretString, String>,
) -> Result<Option<Sourced>, Refused> {
    let written = section.is_written(key);
    let Some(value) = section.read(key, Ok)? else { return Ok(None) };
    let literal = written && value.is_str();
    let text = match value {
        Value::String(text) => Ok(SecretString::from(text)),
        Value::Table(table) => {
            let (variable, file) =
                section.inline(key, table, |source| (source.read("env", text), source.read("file", text)));
            let (variable, file) = (variable?, file?);
            if let Some(file) = &file {
                section.secret_file(file);
            }
            from_elsewhere(section.environment(), variable, file)
        }
        _ => Err("must be { env = \"NAME\" }, { file = \"path\" } or a text in quotes".to_owned()),
    };
    let checked = text.and_then(check);
    checked.map(|text| Some(Sourced { text, literal })).map_err(|message| section.problem(key, message))
}

/// The source that reads the environment variable `name`.
pub(super) fn variable(name: &str) -> Value {
    Value::Table(Table::from_iter([("env".to_owned(), Value::from(name))]))
}

fn from_elsewhere(
    environment: &Environment,
    variable: Option<String>,
    file: Option<String>,
) -> Result<SecretString, String> {
    match (variable, file) {
        (Some(name), None) => from_variable(environment, &name),
        (None, Some(path)) => from_file(&path),
        _ => Err("must have one of env and file: { env = \"NAME\" } or { file = \"path\" }".to_owned()),
    }
}

/// The text of the environment variable `name`. The name is repeated only where it looks like one:
/// a secret written in its place has lower case letters.
fn from_variable(environment: &Environment, name: &str) -> Result<SecretString, String> {
    let looks_like_one = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    match environment.text(name) {
        Some(Ok(text)) => Ok(SecretString::from(text)),
        Some(Err(message)) => Err(message),
        None if looks_like_one => Err(format!("the environment variable {name} is not set")),
        None => Err("env must be the name of an environment variable that is set".to_owned()),
    }
}

/// The file's text less one line break at its end, which editors and `echo` leave there.
fn from_file(path: &str) -> Result<SecretString, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("the file {path} cannot be read: {error}"))?;
    let text = SecretString::from(text);
    let line = text.expose_secret();
    let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(SecretString::from(line))
}

fn without_flaw(text: SecretString) -> Result<SecretString, String> {
    let exposed = text.expose_secret();
    if exposed.is_empty() {
        Err("is empty".to_owned())
    } else if exposed.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Err("must not have white space or control characters in it".to_owned())
    } else {
        Ok(text)
    }
}

/// RFC 9110 §5.5, less bytes beyond ASCII.
fn as_field_value(text: SecretString) -> Result<SecretString, String> {
    let exposed = text.expose_secret();
    if exposed.trim().is_empty() {
        Err("is empty".to_owned())
    } else if exposed.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        Ok(text)
    } else {
        Err("must have nothing but visible ASCII characters and spaces in it".to_owned())
    }
}

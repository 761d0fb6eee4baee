//! `[traces]`.

use std::time::Duration;

use hyper::header::{self, HeaderName};
use reqwest::Url;
use secrecy::SecretString;
use toml::Value;

use crate::config::section::Section;
use crate::config::value::{duration, part, path, text};
use crate::config::{Traces, disk, known_addresses, secret_source, url};

pub(super) fn traces(section: &mut Section<'_>) -> Traces {
    let endpoint = section.read("endpoint", url::collector).ok().flatten();
    if endpoint.is_some() && !cfg!(feature = "otlp") {
        let message = "this wxgate was built without the feature otlp, and sends no traces: build it with \
                       \"cargo build --release --features otlp\", or take this key away";
        section.problem("endpoint", message);
    }
    let ca_file = section.read("ca_file", |value| {
        let file = path(value)?;
        disk::check_readable(&file).map(|()| file)
    });
    let headers = section.sections("headers", field).unwrap_or_default();
    if !headers.is_empty() && endpoint.as_ref().is_some_and(goes_in_the_clear) {
        section.warning("headers", "go over the network in the clear; let traces.endpoint be https://");
    }
    Traces {
        endpoint,
        sample: section.read_or("sample", 1.0, part),
        service_name: section.read_or("service_name", "wxgate".to_owned(), service_name),
        headers,
        ca_file: ca_file.ok().flatten(),
        timeout: section.read_or("timeout", Duration::from_secs(10), duration),
    }
}

/// A name that this machine has for itself besides `localhost` is not known here.
fn goes_in_the_clear(endpoint: &Url) -> bool {
    let is_near = known_addresses(endpoint).iter().any(|ip| ip.to_canonical().is_loopback());
    endpoint.scheme() == "http" && !is_near
}

fn service_name(value: Value) -> Result<String, String> {
    match text(value)? {
        name if name.is_empty() => Err("must not be empty".to_owned()),
        name => Ok(name),
    }
}

/// One of `headers`. What was refused is empty in it; its problem is noted.
fn field(section: &mut Section<'_>) -> (String, SecretString) {
    let name = section.read("name", field_name);
    if matches!(name, Ok(None)) {
        section.problem("name", "is missing");
    }
    let value = secret_source::read_field_value(section, "value");
    match &value {
        Ok(Some(value)) if value.literal => section.literal_secret("value"),
        Ok(None) => _ = section.problem("value", "is missing: { env = \"NAME\" } or { file = \"path\" }"),
        Ok(Some(_)) | Err(_) => {}
    }
    let value = value.ok().flatten().map(|value| value.text).unwrap_or_default();
    (name.ok().flatten().unwrap_or_default(), value)
}

fn field_name(value: Value) -> Result<String, String> {
    /// What an export says of itself.
    const OURS: [HeaderName; 5] =
        [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::HOST, header::CONNECTION];
    match HeaderName::try_from(text(value)?) {
        Ok(name) if OURS.contains(&name) => Err(format!("{name} is wxgate's own to write")),
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => Err("must be a field's name, such as \"x-api-key\"".to_owned()),
    }
}

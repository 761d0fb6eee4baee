//! The way through a running gateway.

use std::path::PathBuf;
use std::time::Duration;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use tokio::net::{TcpStream, UnixStream};

use super::target::Target;
use super::{Through, Trouble, Way};
use crate::cli::reachable;
use crate::config::{Admit, Config, ListenAddress, Listener};
use crate::egress;
use crate::secret::{ExposeSecret, SecretString};

const ACCOUNT_FIELD: HeaderName = HeaderName::from_static("x-wxgate-account");
/// A gateway is near: one that takes longer to accept a connection is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a gateway listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gateway {
    /// Scheme and authority, without a slash at the end.
    Url(String),
    /// A Unix socket.
    Unix(PathBuf),
}

/// `http://…`, `https://…` or `unix:/…`.
pub(super) fn address(text: &str) -> Result<Gateway, &'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Gateway::Unix(path.into()));
    }
    let url = Url::parse(text).map_err(|_| "must be http://HOST:PORT, https://HOST:PORT or unix:/PATH")?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !is_bare {
        return Err("must be scheme, host and port, and nothing else");
    }
    Ok(Gateway::Url(url.as_str().trim_end_matches('/').to_owned()))
}

/// The configuration's listener, where somebody listens there. Of several, one that fits the account and the credential.
pub(super) async fn find(config: &Config, account: Option<&str>, through: &Through) -> Result<Gateway, Trouble> {
    let with_bearer = through.bearer_file.is_some() || through.bearer_env.is_some();
    let of_another =
        |listener: &Listener| account.is_some() && listener.account.as_deref().is_some_and(|own| Some(own) != account);
    let wants_other = |listener: &Listener| match with_bearer {
        true => !listener.admit.contains(&Admit::Bearer),
        false => !listener.admit.is_empty(),
    };
    // A listener with TLS has a certificate for some other name than the address that stands in the configuration.
    let mut listeners: Vec<_> = config.listeners.iter().filter(|listener| listener.tls.is_none()).collect();
    if listeners.is_empty() {
        return Err(Trouble::Failed(
            "every listener of the configuration speaks TLS; give the gateway's name: --gateway https://NAME:PORT"
                .to_owned(),
        ));
    }
    listeners.sort_by_key(|listener| (of_another(listener), wants_other(listener)));
    for listener in &listeners {
        if let Some(gateway) = knock(&listener.address).await {
            return Ok(gateway);
        }
    }
    let names: Vec<String> = listeners.iter().map(|listener| name(&listener.address)).collect();
    Err(Trouble::Failed(format!(
        "no gateway listens at {}; start it, or name another (--gateway URL), or call without one (--direct)",
        names.join(" or ")
    )))
}

/// The gateway at a listener's address, if it accepts a connection.
async fn knock(address: &ListenAddress) -> Option<Gateway> {
    let knocking = async {
        match address {
            ListenAddress::Tcp(address) => {
                let address = reachable(*address);
                TcpStream::connect(address).await.ok().map(|_| Gateway::Url(format!("http://{address}")))
            }
            ListenAddress::Unix { path, .. } => {
                UnixStream::connect(path).await.ok().map(|_| Gateway::Unix(path.clone()))
            }
        }
    };
    tokio::time::timeout(CONNECT_TIMEOUT, knocking).await.ok().flatten()
}

fn name(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix { path, .. } => format!("unix:{}", path.display()),
    }
}

/// The way through this gateway.
pub(super) fn way(
    gateway: &Gateway,
    target: &Target,
    account: Option<&str>,
    through: &Through,
) -> Result<Way, Trouble> {
    let (origin, description) = match gateway {
        Gateway::Url(origin) => (origin.as_str(), format!("through {origin}")),
        Gateway::Unix(path) => ("http://localhost", format!("through unix:{}", path.display())),
    };
    let tls = match origin.starts_with("https:") {
        true => egress::with_roots(through.ca_file.as_deref(), "upstream.ca_file")
            .map_err(|error| Trouble::Failed(error.to_string()))?,
        false => egress::without_roots(),
    };
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy() // a gateway is called directly, whatever the environment says of the way to the world
        .connect_timeout(CONNECT_TIMEOUT)
        .http1_only();
    if let Gateway::Unix(path) = gateway {
        builder = builder.unix_socket(path.as_path());
    }
    let http = builder.build().map_err(|error| Trouble::Failed(egress::cause_of(error)))?;
    let url = Url::parse(&target.at(origin)).map_err(|error| Trouble::Usage(error.to_string()))?;
    let bearer = bearer(through)?;
    let headers = headers(account, bearer.as_ref())?;
    Ok(Way { http, url, headers, secrets: bearer.into_iter().collect(), description })
}

fn headers(account: Option<&str>, bearer: Option<&SecretString>) -> Result<HeaderMap, Trouble> {
    let mut headers = HeaderMap::new();
    if let Some(account) = account {
        let value = account.parse().map_err(|_| Trouble::Usage("--account: no account has such a name".to_owned()))?;
        headers.insert(ACCOUNT_FIELD, value);
    }
    if let Some(bearer) = bearer {
        let value = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret()));
        let mut value = value
            .map_err(|_| Trouble::Failed("the virtual secret has characters that no header can carry".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// The virtual secret. Never an argument: every user of the machine can read those.
fn bearer(through: &Through) -> Result<Option<SecretString>, Trouble> {
    let text = match (&through.bearer_file, &through.bearer_env) {
        (Some(path), _) => {
            std::fs::read_to_string(path).map_err(|error| Trouble::Failed(format!("{}: {error}", path.display())))?
        }
        (None, Some(variable)) => std::env::var(variable)
            .map_err(|_| Trouble::Failed(format!("--bearer-env: there is no readable variable {variable}")))?,
        (None, None) => return Ok(None),
    };
    Ok(Some(text.trim().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_a_scheme_and_an_authority_or_a_socket() {
        assert_eq!(address("http://127.0.0.1:8080/"), Ok(Gateway::Url("http://127.0.0.1:8080".to_owned())));
        assert_eq!(address("unix:/run/wxgate.sock"), Ok(Gateway::Unix("/run/wxgate.sock".into())));
        for text in ["127.0.0.1:8080", "ftp://a", "http://a/b", "http://a/?b", "http://user:pass@a", ""] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_listener_on_every_address_is_called_on_loopback() {
        for (listener, called) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.5:80", "10.0.0.5:80")]
        {
            assert_eq!(reachable(listener.parse().unwrap()).to_string(), called);
        }
    }
}

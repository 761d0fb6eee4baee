//! Names → addresses through the system's resolver, refusing our own addresses at each resolve.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::loops::OwnListeners;

/// Resolves the host of the first hop. Both hyper's connector and reqwest take it.
#[derive(Debug, Clone)]
pub struct Resolver {
    own: Arc<OwnListeners>,
    port: u16,
}

type Resolving = Pin<Box<dyn Future<Output = io::Result<vec::IntoIter<SocketAddr>>> + Send>>;

impl Resolver {
    /// `port` is the one that will be connected to.
    pub(super) fn new(own: Arc<OwnListeners>, port: u16) -> Self {
        Self { own, port }
    }

    fn resolve_host(&self, host: String) -> Resolving {
        let Self { own, port } = self.clone();
        Box::pin(async move {
            let addresses: Vec<_> = tokio::net::lookup_host((host.as_str(), port)).await?.collect();
            if let Some(address) = addresses.iter().find(|&&address| own.contains(address)) {
                return Err(io::Error::other(format!("{host} is {address}, one of the gateway's own listeners")));
            }
            Ok(addresses.into_iter())
        })
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Resolving;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Resolving {
        self.resolve_host(name.as_str().to_owned())
    }
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolving = self.resolve_host(name.as_str().to_owned());
        Box::pin(async move {
            let addresses = resolving.await?;
            Ok(Box::new(addresses) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_stands_for_ourselves_is_refused_at_each_resolve() {
        let own = Arc::new(OwnListeners::new(vec!["127.0.0.1:8080".parse().unwrap(), "[::1]:8080".parse().unwrap()]));
        let error = Resolver::new(Arc::clone(&own), 8080).resolve_host("localhost".to_owned()).await.unwrap_err();
        assert!(error.to_string().contains("own listeners"), "{error}");
        let other_port = Resolver::new(own, 8081).resolve_host("localhost".to_owned()).await.unwrap();
        assert!(other_port.len() > 0);
    }
}

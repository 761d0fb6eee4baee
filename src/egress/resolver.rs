//! Names → addresses, through the system's resolver or past it, refusing our own addresses at each resolve.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use hickory_resolver::TokioResolver;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tower_service::Service;

use super::dns::{self, NameServers};
use super::loops::OwnListeners;

/// Lookups at once. One that hangs keeps its thread although nobody waits for it any more; without a limit, requests would
/// pile them up for as long as the resolver is silent, and take the threads that file work needs.
const AT_ONCE: usize = 8;

/// Resolves the host of the first hop. Both hyper's connector and reqwest take it.
#[derive(Debug, Clone)]
pub struct Resolver {
    own: Arc<OwnListeners>,
    /// Those that may be connected to, whatever the name.
    ports: Arc<[u16]>,
    names: Names,
}

/// Who knows where a name leads.
#[derive(Debug, Clone)]
enum Names {
    /// The system's resolver, which blocks, and the places for its lookups.
    System(Arc<Semaphore>),
    Dns(Arc<TokioResolver>),
}

type Resolving = Pin<Box<dyn Future<Output = io::Result<vec::IntoIter<SocketAddr>>> + Send>>;

impl Resolver {
    /// Asks these name servers, or the system where there are none. `ports` are those that may be connected to: a name is
    /// asked for without one.
    ///
    /// # Errors
    /// The name servers cannot be used.
    pub(super) fn new(own: Arc<OwnListeners>, ports: Vec<u16>, name_servers: Option<&NameServers>) -> io::Result<Self> {
        let names = match name_servers {
            None => Names::System(Arc::new(Semaphore::new(AT_ONCE))),
            Some(servers) => Names::Dns(Arc::new(servers.resolver()?)),
        };
        Ok(Self { own, ports: ports.into(), names })
    }

    fn resolve_host(&self, host: String) -> Resolving {
        let Self { own, ports, names } = self.clone();
        Box::pin(async move {
            let addresses = names.look_up(&host).await?;
            let hops = addresses.iter().flat_map(|address| ports.iter().map(|&port| (address.ip(), port).into()));
            if let Some(address) = hops.into_iter().find(|&hop| own.contains(hop)) {
                return Err(io::Error::other(format!("{host} is {address}, one of the gateway's own listeners")));
            }
            Ok(addresses.into_iter())
        })
    }

    /// Where the name leads at present, our own addresses included; each with port 0.
    pub(super) async fn look_up(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        self.names.look_up(host).await
    }
}

impl Names {
    async fn look_up(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System(places) => {
                let name = host.to_owned();
                look_up(Arc::clone(places), move || Ok((name.as_str(), 0).to_socket_addrs()?.collect())).await
            }
            Self::Dns(resolver) => dns::look_up(resolver, host).await,
        }
    }
}

/// Runs `lookup` where it may block, when there is a place for it; it keeps the place to its own end.
async fn look_up(
    places: Arc<Semaphore>,
    lookup: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<Vec<SocketAddr>> {
    let place = places.acquire_owned().await.map_err(io::Error::other)?;
    let looking = spawn_blocking(move || {
        let found = lookup();
        drop(place);
        found
    });
    looking.await?
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
        let resolver = |own, ports| Resolver::new(own, ports, None).unwrap();
        let error = resolver(Arc::clone(&own), vec![443, 8080]).resolve_host("localhost".to_owned()).await.unwrap_err();
        assert!(error.to_string().contains("own listeners"), "{error}");
        let other_port = resolver(own, vec![8081]).resolve_host("localhost".to_owned()).await.unwrap();
        assert!(other_port.len() > 0);
    }

    /// The callers that gave up leave their lookups behind, and those are all that there is.
    #[tokio::test]
    async fn lookups_that_hang_are_bounded_and_the_next_one_waits() {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        let hanging = |number: usize| {
            let (begun, released) = (begun.clone(), Arc::clone(&released));
            look_up(Arc::clone(&places), move || {
                begun.send(number).unwrap();
                let _ = released.lock().unwrap().recv();
                Ok(Vec::new())
            })
        };
        for number in 0..AT_ONCE {
            let given_up = tokio::spawn(hanging(number));
            begins.recv().await.unwrap();
            given_up.abort();
        }
        let next = tokio::spawn(hanging(AT_ONCE));
        assert_eq!(places.available_permits(), 0, "nobody waits, and they still run");
        release.send(()).unwrap();
        assert_eq!(begins.recv().await, Some(AT_ONCE));
        drop(release);
        next.await.unwrap().unwrap();
    }
}

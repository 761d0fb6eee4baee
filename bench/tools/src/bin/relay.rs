//! The floor: takes bytes from a caller, puts them into TLS and back, and knows nothing of HTTP. What a proxy costs beyond
//! this is what it does for the caller.
//!
//!     relay PORT UPSTREAM_PORT CA_FILE

use std::io;
use std::sync::Arc;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A large body moves in few pieces, as it does in the programs that are held against this one.
const BUFFER: usize = 64 * 1024;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, upstream, ca] = arguments.as_slice() else {
        return Err("usage: relay PORT UPSTREAM_PORT CA_FILE".into());
    };
    let connector = connector(ca)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(port.parse()?, upstream.parse()?, connector))
}

fn connector(ca: &str) -> Result<TlsConnector, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn serve(port: u16, upstream: u16, connector: TlsConnector) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (caller, _) = listener.accept().await?;
        let connector = connector.clone();
        tokio::spawn(async move { relay(caller, upstream, connector).await });
    }
}

async fn relay(mut caller: TcpStream, upstream: u16, connector: TlsConnector) -> io::Result<()> {
    caller.set_nodelay(true)?;
    let wechat = TcpStream::connect(("127.0.0.1", upstream)).await?;
    wechat.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut wechat = connector.connect(name, wechat).await?;
    copy_bidirectional_with_sizes(&mut caller, &mut wechat, BUFFER, BUFFER).await?;
    Ok(())
}

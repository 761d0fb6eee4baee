//! Listeners with TLS: certificates on both sides, HTTP/1.1 and HTTP/2, and what goes wrong there.

mod certificates;
mod frames;
mod http2;
mod http2_abuse;
mod http2_caller;
mod stopping;
mod tls;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{Certificate, KeyPair};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wxgate::sandbox::Sandbox;

use crate::authority::Authority;
use crate::support::{Caller, Gateway, within};

const INFO: &str = "/cgi-bin/user/info?openid=o6";
const H2: &[&str] = &["h2"];
const HTTP1: &[&str] = &["http/1.1"];

/// An authority, and the files of a listener whose certificate it signed for `localhost`.
struct Secure {
    authority: Authority,
    files: TempDir,
}

impl Secure {
    fn new() -> Self {
        let secure = Self { authority: Authority::new(), files: tempfile::tempdir().unwrap() };
        secure.renew(&secure.authority);
        secure
    }

    /// A gateway that listens with these files, under top-level `keys`.
    async fn gateway(&self, wechat: &Sandbox, keys: &str) -> Gateway {
        Gateway::with(wechat, &format!("{keys}{}", self.listen(""))).await
    }

    /// The listener, with `more` in its `tls`.
    fn listen(&self, more: &str) -> String {
        let directory = self.files.path().display();
        format!(
            "[[listen]]\naddress = '127.0.0.1:0'\n\
             tls = {{ certificate = '{directory}/chain.pem', private_key = '{directory}/key.pem'{more} }}\n"
        )
    }

    /// A new certificate and a new key in the files, signed by `authority`.
    fn renew(&self, authority: &Authority) {
        let (certificate, key) = authority.sign("localhost");
        self.write("chain.pem", &certificate.pem());
        self.write("key.pem", &key.serialize_pem());
    }

    /// As deployments replace a file: at once.
    fn write(&self, name: &str, content: &str) {
        let new = self.files.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.files.path().join(name)).unwrap();
    }

    /// A connection to `address` over which these protocols are offered.
    async fn connect(&self, address: SocketAddr, protocols: &[&str]) -> TlsStream<TcpStream> {
        handshake(address, caller_config(self.authority.path(), protocols, None)).await.unwrap()
    }

    /// A caller of `gateway` that speaks HTTP/1.1.
    async fn caller(&self, gateway: &Gateway) -> Caller<TlsStream<TcpStream>> {
        Caller::over(self.connect(gateway.address, HTTP1).await)
    }
}

/// A caller that trusts `ca_file`, offers these protocols, and has a certificate of its own or none.
fn caller_config(ca_file: &Path, protocols: &[&str], own: Option<(Certificate, KeyPair)>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
            builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

async fn handshake(address: SocketAddr, config: impl Into<Arc<ClientConfig>>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = within(TcpStream::connect(address)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    within(TlsConnector::from(config.into()).connect(name, stream)).await
}

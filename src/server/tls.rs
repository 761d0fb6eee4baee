//! TLS for callers: certificate and key from files, read again when they change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

/// How often the files are looked at. A certificate is renewed days before its end, so this need not be quick.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where a listener's certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM, the leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key, PEM.
    pub private_key: PathBuf,
    /// The CA whose certificates callers must present, PEM; `None` where none is asked for.
    pub client_ca: Option<PathBuf>,
}

/// A file of [`TlsFiles`] that cannot be used. Its text holds the path, never the content.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct TlsFileError {
    path: PathBuf,
    what: String,
}

/// What callers' handshakes are answered with at present.
#[derive(Clone)]
pub(super) struct ServerTls {
    files: TlsFiles,
    current: Arc<ArcSwap<ServerConfig>>,
}

/// The content of the files, to tell a change by.
#[derive(PartialEq, Eq)]
struct Content(Vec<Vec<u8>>);

impl ServerTls {
    pub(super) fn load(files: TlsFiles) -> Result<Self, TlsFileError> {
        let config = config(&files, &Content::read(&files)?)?;
        Ok(Self { files, current: Arc::new(ArcSwap::from_pointee(config)) })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Takes new files into use for ever. Files that cannot be used leave the old ones in force.
    pub(super) async fn follow(self) {
        let mut known = Content::read(&self.files).ok();
        let mut complained = false;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let read = Content::read(&self.files);
            if read.as_ref().ok() == known.as_ref() {
                continue;
            }
            match read.and_then(|content| Ok((config(&self.files, &content)?, content))) {
                Ok((config, content)) => {
                    self.current.store(Arc::new(config));
                    known = Some(content);
                    complained = false;
                    tracing::info!(certificate = %self.files.certificate.display(), "the new certificate is in use");
                }
                // Half-written files are common: only what lasts is worth a word.
                Err(error) if !std::mem::replace(&mut complained, true) => {
                    tracing::warn!(%error, "the changed certificate cannot be used yet; the old one stays in use");
                }
                Err(_) => {}
            }
        }
    }
}

impl Content {
    fn read(files: &TlsFiles) -> Result<Self, TlsFileError> {
        let paths = [Some(&files.certificate), Some(&files.private_key), files.client_ca.as_ref()];
        let read = |path: &PathBuf| fs::read(path).map_err(|error: io::Error| flaw(path, error));
        Ok(Self(paths.into_iter().flatten().map(read).collect::<Result<_, _>>()?))
    }
}

fn config(files: &TlsFiles, content: &Content) -> Result<ServerConfig, TlsFileError> {
    let [certificate, private_key, client_ca @ ..] = content.0.as_slice() else {
        return Err(flaw(&files.certificate, "not read"));
    };
    let chain = certificates(&files.certificate, certificate)?;
    let key = PrivateKeyDer::from_pem_slice(private_key)
        .map_err(|_| flaw(&files.private_key, "no private key in it (PEM is expected)"))?;
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| flaw(&files.certificate, error))?;
    let builder = match (client_ca, &files.client_ca) {
        ([bytes], Some(path)) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(path, bytes)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| flaw(path, error))?)
        }
        _ => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| flaw(&files.private_key, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = read.ok().filter(|certificates| !certificates.is_empty());
    found.ok_or_else(|| flaw(path, "no certificate in it (PEM is expected)"))
}

fn flaw(path: &Path, what: impl ToString) -> TlsFileError {
    TlsFileError { path: path.to_owned(), what: what.to_string() }
}

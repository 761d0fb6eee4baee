//! What the upstream's certificate is held against.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Why TLS to the upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Neither the system nor `ca_file` has a root certificate.
    #[error(
        "no root certificates: this system has none, and {key} is not set. Install the distribution's \
         ca-certificates package, or name a PEM file in {key}"
    )]
    NoRoots {
        /// The key that names the file.
        key: &'static str,
    },
    /// `ca_file` cannot be read.
    #[error("{key}: {path}: {cause}")]
    Unreadable {
        /// The key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// `ca_file` holds no certificate.
    #[error("{key}: {path}: no usable certificate in it (PEM is expected)")]
    NoCertificate {
        /// The key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
}

/// Trust in the system's roots and those of `ca_file`, which `key` names.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn with_roots(ca_file: Option<&Path>, key: &'static str) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    // Single unreadable files among the system's are no reason to stop; an empty result is.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let (added, _) = roots.add_parsable_certificates(read_certificates(path, key)?);
        if added == 0 {
            return Err(TlsError::NoCertificate { key, path: path.to_owned() });
        }
    }
    if roots.is_empty() { Err(TlsError::NoRoots { key }) } else { Ok(client_config(roots)) }
}

/// Trust in nothing, for an upstream that is spoken to in the clear.
pub(crate) fn without_roots() -> ClientConfig {
    client_config(RootCertStore::empty())
}

fn client_config(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    #[allow(clippy::expect_used, reason = "depends on nothing but the provider named above, and a test runs it")]
    let builder = builder.expect("aws-lc-rs supports TLS 1.2 and 1.3");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn read_certificates(path: &Path, key: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |cause: String| TlsError::Unreadable { key, path: path.to_owned(), cause };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(plain(error)))?;
    certificates.collect::<Result<_, _>>().map_err(|error| unreadable(plain(error)))
}

fn plain(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => io::Error::to_string(&error),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_cannot_serve_is_named_with_what_is_wrong() {
        let missing = with_roots(Some(Path::new("/nonexistent/ca.pem")), "upstream.ca_file").unwrap_err();
        assert!(missing.to_string().starts_with("upstream.ca_file: /nonexistent/ca.pem: "), "{missing}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "no certificate here").unwrap();
        assert!(matches!(with_roots(Some(file.path()), "store.ca_file"), Err(TlsError::NoCertificate { .. })));
    }

    #[test]
    fn http_1_1_is_what_is_offered() {
        assert_eq!(without_roots().alpn_protocols, [b"http/1.1"]);
    }
}

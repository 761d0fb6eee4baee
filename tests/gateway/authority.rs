//! A certificate authority of the tests' own, and a sandbox with a certificate of its.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::NamedTempFile;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};
use wxgate::sandbox::{Sandbox, Settings};

/// A certificate authority, and its certificate as an operator has it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // A name of its own: a stranger's certificate is then unknown, rather than badly signed.
        params.distinguished_name.push(DnType::CommonName, HEXLOWER.encode(&key.public_key_raw()[..16]));
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(params.self_signed(&key).unwrap().pem().as_bytes()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// Its certificate, PEM.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// A certificate for `name`, and its key.
    pub fn sign(&self, name: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    /// The key that makes a gateway trust it.
    pub fn ca_file(&self) -> String {
        format!("upstream.ca_file = '{}'\n", self.path().display())
    }

    /// A sandbox with a certificate for `name`.
    pub async fn sandbox(&self, name: &str, versions: &[&'static SupportedProtocolVersion]) -> Sandbox {
        let (certificate, key) = self.sign(name);
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()));
        let settings = Settings { tls: Some(Arc::new(config.unwrap())), ..Settings::default() };
        Sandbox::start(settings).await.unwrap()
    }
}

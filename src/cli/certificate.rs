//! `wxgate certificate`: a private CA and a leaf, for callers whose SDK insists on `https://api.weixin.qq.com`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints,
};

use super::say_problem;

/// What the certificate is for, and where the files go.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Request {
    /// A host name that callers use; may stand there several times
    #[arg(long = "host", value_name = "NAME", required = true)]
    hosts: Vec<String>,
    /// Where ca.pem, certificate.pem and private-key.pem are written; made if it is not there, existing files are left alone
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    directory: PathBuf,
    /// How many days both certificates hold
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

/// The three files, PEM.
struct Made {
    ca: String,
    certificate: String,
    private_key: String,
}

/// Makes the files, and says what to do with them.
pub(super) fn certificate(request: &Request) -> ExitCode {
    let made = match make(&request.hosts, request.days) {
        Ok(made) => made,
        Err(error) => return say_problem(&format!("the certificate cannot be made: {error}")),
    };
    let files = [
        ("private-key.pem", &made.private_key, 0o600),
        ("certificate.pem", &made.certificate, 0o644),
        ("ca.pem", &made.ca, 0o644),
    ];
    if let Err(error) = fs::create_dir_all(&request.directory) {
        return say_problem(&format!("{}: {error}", request.directory.display()));
    }
    for (name, text, mode) in files {
        let path = request.directory.join(name);
        if let Err(error) = write_new(&path, text, mode) {
            return say_problem(&format!("{}: {error}; nothing that exists is overwritten", path.display()));
        }
    }
    explain(request);
    ExitCode::SUCCESS
}

/// A CA that may sign for these hosts alone, and a leaf for them. The CA's key is thrown away: nobody can sign anything
/// else with it, not even whoever steals the leaf's key.
fn make(hosts: &[String], days: u32) -> Result<Made, rcgen::Error> {
    let now = SystemTime::now();
    let until = now + Duration::from_secs(u64::from(days) * 86_400);
    let from = now - Duration::from_secs(86_400); // callers' clocks may be behind

    // First, because it checks the names; the CA's constraints take them unchecked.
    let mut leaf = CertificateParams::new(hosts)?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name.push(DnType::CommonName, format!("wxgate private CA for {}", hosts.join(", ")));
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.name_constraints = Some(NameConstraints {
        permitted_subtrees: hosts.iter().cloned().map(GeneralSubtree::DnsName).collect(),
        excluded_subtrees: Vec::new(),
    });
    (ca.not_before, ca.not_after) = (from.into(), until.into());
    let ca_key = KeyPair::generate()?;
    let ca_certificate = ca.self_signed(&ca_key)?;

    if let Some(first) = hosts.first() {
        leaf.distinguished_name.push(DnType::CommonName, first);
    }
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    (leaf.not_before, leaf.not_after) = (from.into(), until.into());
    let leaf_key = KeyPair::generate()?;
    let leaf_certificate = leaf.signed_by(&leaf_key, &Issuer::new(ca, ca_key))?;

    Ok(Made { ca: ca_certificate.pem(), certificate: leaf_certificate.pem(), private_key: leaf_key.serialize_pem() })
}

fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
}

#[expect(clippy::print_stdout, reason = "a command speaks to the person who typed it")]
fn explain(request: &Request) {
    let (directory, hosts) = (request.directory.display(), request.hosts.join(" "));
    println!(
        "Made ca.pem, certificate.pem and private-key.pem in {directory}, for {hosts}.\n\
         \n\
         The gateway's listener:\n\
         \n\
         \x20 [[listen]]\n\
         \x20 address = \"0.0.0.0:443\"\n\
         \x20 tls = {{ certificate = \"{directory}/certificate.pem\", private_key = \"{directory}/private-key.pem\" }}\n\
         \n\
         The two lines that make a Debian or Ubuntu container trust it:\n\
         \n\
         \x20 COPY ca.pem /usr/local/share/ca-certificates/wxgate.crt\n\
         \x20 RUN update-ca-certificates\n\
         \n\
         And the hosts entry that leads its callers here, with the gateway's address:\n\
         \n\
         \x20 192.0.2.1 {hosts}\n\
         \n\
         Some languages keep a list of their own: Node takes NODE_EXTRA_CA_CERTS=ca.pem, Python's requests\n\
         REQUESTS_CA_BUNDLE, Java's keytool -importcert -cacerts -file ca.pem."
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_rustls::rustls::client::WebPkiServerVerifier;
    use tokio_rustls::rustls::client::danger::ServerCertVerifier;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use tokio_rustls::rustls::{RootCertStore, crypto};

    use super::*;

    #[test]
    fn the_leaf_is_trusted_for_its_hosts_and_for_no_other() {
        let made = make(&["api.weixin.qq.com".to_owned(), "wxgate.internal".to_owned()], 30).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(made.ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let leaf = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
        for (host, trusted) in [("api.weixin.qq.com", true), ("wxgate.internal", true), ("example.com", false)] {
            let name = ServerName::try_from(host).unwrap();
            let verdict = verifier.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now());
            assert_eq!(verdict.is_ok(), trusted, "{host}: {verdict:?}");
        }
    }

    #[test]
    fn a_name_that_is_no_host_name_is_refused() {
        assert!(make(&["名.example".to_owned()], 30).is_err());
    }

    #[test]
    fn the_private_key_is_its_owners_alone_and_nothing_is_overwritten() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let made = directory.path().join("made");
        let request = Request { hosts: vec!["a.example".to_owned()], directory: made.clone(), days: 1 };
        assert_eq!(certificate(&request), ExitCode::SUCCESS);
        let key = made.join("private-key.pem");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let before = std::fs::read(&key).unwrap();
        assert_eq!(certificate(&request), ExitCode::from(1));
        assert_eq!(std::fs::read(&key).unwrap(), before);
    }
}

//! Many connections, large bodies, TLS.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::*;

#[tokio::test]
async fn a_thousand_connections_are_held_and_answered() {
    // Both ends of each connection are here; many systems begin with 1,024 descriptors or fewer.
    assert!(rlimit::increase_nofile_limit(4096).unwrap() >= 2100);
    let wechat = Arc::new(Sandbox::fresh().await);
    let gate = Gate::new();
    wechat.world().faults().add(Fault::anywhere().hold(&gate));
    let target = wechat.signed("/cgi-bin/user/info?openid=o");
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let (wechat, target) = (wechat.clone(), target.clone());
        callers.spawn(async move { wechat.get(&target).await.errcode() });
    }
    timeout(Duration::from_secs(60), gate.held(1000)).await.expect("a caller was lost");
    gate.open();
    assert!(callers.join_all().await.iter().all(Option::is_none));
    assert_eq!(wechat.world().journal().count("/cgi-bin/user/info"), 1000);
}

#[tokio::test]
async fn fifty_large_uploads_at_once_are_digested_within_the_memory_bound() {
    let settings = Settings { media_memory: 1 << 20, ..Settings::default() };
    let wechat = Arc::new(Sandbox::start(settings).await.unwrap());
    let form = b"--XX\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a\"\r\n\r\n";
    let body: Arc<Vec<u8>> = Arc::new([&form[..], &vec![b'.'; 10 << 20], b"\r\n--XX--\r\n"].concat());
    let target = wechat.signed("/cgi-bin/media/upload?type=image");
    let length = format!("Content-Length: {}\r\nContent-Type: multipart/form-data; boundary=XX\r\n", body.len());
    let head = head("POST", &target, &length);
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let (wechat, head, body) = (wechat.clone(), head.clone(), body.clone());
        callers.spawn(async move {
            let mut socket = wechat.connect().await;
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&body).await.unwrap();
            let mut arrived = Vec::new();
            socket.read_to_end(&mut arrived).await.unwrap();
            Arrived(arrived).json()["media_id"].is_string()
        });
    }
    assert!(callers.join_all().await.into_iter().all(|answered| answered));
    let requests = wechat.world().journal().requests();
    assert!(requests.iter().all(|seen| seen.body_length == body.len() as u64 && seen.body.is_none()));
}

#[tokio::test]
async fn tls_offers_http_1_1_alone() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut tls = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let wechat = Sandbox::start(Settings { tls: Some(tls.into()), ..Settings::default() }).await.unwrap();

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let mut trust = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    trust.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let mut socket = TlsConnector::from(Arc::new(trust)).connect(name, wechat.connect().await).await.unwrap();
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    socket.write_all(head("GET", &wechat.signed("/any"), "").as_bytes()).await.unwrap();
    let mut arrived = Vec::new();
    socket.read_to_end(&mut arrived).await.unwrap();
    assert_eq!(Arrived(arrived).errcode(), Some(0));
}

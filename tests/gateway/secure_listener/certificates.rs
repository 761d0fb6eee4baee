//! Callers' certificates: `client_ca` asks for one, and `admit = ['certificate']` knows callers by it.

use std::sync::Arc;

use rcgen::{Certificate, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio_rustls::rustls::{ClientConfig, HandshakeKind};
use wxgate::sandbox::Sandbox;

use super::http2_caller::Http2Caller;
use super::{H2, HTTP1, INFO, Secure, caller_config, handshake};
use crate::authority::Authority;
use crate::support::{Caller, Gateway, Reply, calls, sandbox};

/// A gateway that asks callers for certificates of `callers`.
async fn asking(wechat: &Sandbox, secure: &Secure, callers: &Authority, keys: &str) -> Gateway {
    let listen = secure.listen(&format!(", client_ca = '{}'", callers.path().display()));
    Gateway::with(wechat, &format!("{listen}{keys}")).await
}

/// The answer to one request by a caller with this certificate; `None` where it is not served.
async fn ask(gateway: &Gateway, secure: &Secure, own: Option<(Certificate, KeyPair)>) -> Option<Reply> {
    ask_as(gateway, caller_config(secure.authority.path(), HTTP1, own)).await
}

/// With TLS 1.3 the caller is through the handshake before the gateway has looked at its certificate.
async fn ask_as(gateway: &Gateway, config: impl Into<Arc<ClientConfig>>) -> Option<Reply> {
    let mut stream = handshake(gateway.address, config).await.ok()?;
    let request = format!("GET {INFO} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    Caller::over(stream).try_reply_to("GET").await
}

#[tokio::test]
async fn where_certificates_are_asked_for_only_one_of_that_authority_will_do() {
    let (wechat, secure, callers) = (sandbox().await, Secure::new(), Authority::new());
    let gateway = asking(&wechat, &secure, &callers, "").await;
    assert!(ask(&gateway, &secure, None).await.is_none(), "without one");
    let stranger = Authority::new().sign("crm.internal");
    assert!(ask(&gateway, &secure, Some(stranger)).await.is_none(), "of somebody else's");
    let listeners = secure.authority.sign("crm.internal");
    assert!(ask(&gateway, &secure, Some(listeners)).await.is_none(), "of the authority that signed the listener's own");
    assert!(calls(&wechat).is_empty());
    let reply = ask(&gateway, &secure, Some(callers.sign("anybody.internal"))).await.unwrap();
    assert_eq!(reply.json()["openid"], "o6");
}

#[tokio::test]
async fn a_caller_is_known_by_the_name_in_its_certificate() {
    let (wechat, secure, callers) = (sandbox().await, Secure::new(), Authority::new());
    let keys = "admit = ['certificate']\n\
                [[caller]]\nname = 'crm'\ncertificates = ['CRM.internal', 'crm-2.internal']\n\
                [[caller]]\nname = 'shop'\ncertificates = ['shop.internal']\ndeny = ['/cgi-bin/*']\n";
    let gateway = asking(&wechat, &secure, &callers, keys).await;
    for (name, status) in [
        ("crm.internal", 200),
        ("Crm.Internal", 200),
        ("crm-2.internal", 200),
        ("shop.internal", 403),
        ("other.internal", 401),
        ("x.crm.internal", 401),
        ("*.internal", 401),
    ] {
        let before = calls(&wechat).len();
        let reply = ask(&gateway, &secure, Some(callers.sign(name))).await.unwrap();
        assert_eq!(reply.status, status, "{name}");
        assert_eq!(calls(&wechat).len() - before, usize::from(status == 200), "{name}");
    }
}

#[tokio::test]
async fn it_is_known_on_every_request_of_http_2_too() {
    let (wechat, secure, callers) = (sandbox().await, Secure::new(), Authority::new());
    let keys = "admit = ['certificate']\n[[caller]]\nname = 'crm'\ncertificates = ['crm.internal']\nrate = '2/h'\n";
    let gateway = asking(&wechat, &secure, &callers, keys).await;
    let config = caller_config(secure.authority.path(), H2, Some(callers.sign("crm.internal")));
    let caller = Http2Caller::over(handshake(gateway.address, config).await.unwrap()).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(caller.get(INFO).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn a_session_that_is_resumed_belongs_to_the_same_caller() {
    let (wechat, secure, callers) = (sandbox().await, Secure::new(), Authority::new());
    let keys = "admit = ['certificate']\n[[caller]]\nname = 'crm'\ncertificates = ['crm.internal']\n";
    let gateway = asking(&wechat, &secure, &callers, keys).await;
    let config = Arc::new(caller_config(secure.authority.path(), HTTP1, Some(callers.sign("crm.internal"))));
    assert_eq!(ask_as(&gateway, Arc::clone(&config)).await.unwrap().status, 200);
    let again = handshake(gateway.address, Arc::clone(&config)).await.unwrap();
    assert_eq!(again.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
    let mut caller = Caller::over(again);
    caller.request("GET", INFO, &[], b"").await;
    assert_eq!(caller.reply().await.status, 200);
}

/// A field is no certificate, whatever a proxy in front of other programs would make of it.
#[tokio::test]
async fn no_field_stands_in_for_a_certificate() {
    let (wechat, secure, callers) = (sandbox().await, Secure::new(), Authority::new());
    let keys = "admit = ['certificate', 'network']\n\
                [[caller]]\nname = 'crm'\ncertificates = ['crm.internal']\n\
                [[caller]]\nname = 'far'\nnetworks = ['192.0.2.0/24']\n";
    let gateway = asking(&wechat, &secure, &callers, keys).await;
    let config = caller_config(secure.authority.path(), HTTP1, Some(callers.sign("other.internal")));
    let mut caller = Caller::over(handshake(gateway.address, config).await.unwrap());
    for name in ["X-Client-Cert", "X-SSL-Client-S-DN", "X-Forwarded-Client-Cert", "Client-Cert"] {
        caller.request("GET", INFO, &[(name, "CN=crm.internal"), ("X-Forwarded-For", "192.0.2.1")], b"").await;
        assert_eq!(caller.reply().await.error(), Some("caller_unknown"), "{name}");
    }
    assert!(calls(&wechat).is_empty());
}

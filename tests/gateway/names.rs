//! Where a name leads: by the system or past it, to several addresses of both families, and elsewhere after a while.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use wxgate::app::AppError;
use wxgate::egress::EgressError;
use wxgate::sandbox::Sandbox;

use crate::name_server::NameServer;
use crate::support::{Gateway, account, config, sandbox, within};

/// A call that takes no token of the account's.
const CALL: &str = "/sns/userinfo";
const NAME: &str = "wechat.example";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const HERE_6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// In front of `name` at this port, which `names` knows.
async fn gateway(name: &str, port: u16, names: &NameServer, keys: &str) -> Gateway {
    Gateway::at(&format!("http://{name}:{port}"), &format!("{}{keys}\n{}", names.keys(), account())).await
}

/// An address whose queue is full, so that the kernel leaves the next connection without any answer.
fn unanswering(address: SocketAddr) -> Vec<Socket> {
    let socket = || Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    let listener = socket();
    listener.bind(&address.into()).unwrap();
    listener.listen(0).unwrap();
    let mut kept = vec![listener];
    loop {
        let caller = socket();
        let answered = caller.connect_timeout(&address.into(), Duration::from_millis(200)).is_ok();
        kept.push(caller);
        if !answered {
            return kept;
        }
    }
}

/// Passes connections to `address` on to `to`, until it is dropped.
async fn relay(address: SocketAddr, to: SocketAddr) -> tokio::task::JoinSet<()> {
    let listener = TcpListener::bind(address).await.unwrap();
    let mut task = tokio::task::JoinSet::new();
    task.spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut onward = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut from, &mut onward).await;
            });
        }
    });
    task
}

fn calls(wechat: &Sandbox) -> u64 {
    wechat.world().journal().count(CALL)
}

#[tokio::test]
async fn name_servers_are_asked_for_requests_and_for_tokens() {
    let (wechat, names) = (sandbox().await, NameServer::start().await);
    names.lead(NAME, &[HERE]);
    let gateway = gateway(NAME, wechat.address().port(), &names, "").await;
    assert_eq!(gateway.get("/cgi-bin/user/get").await.status, 200);
    assert_eq!(gateway.get(CALL).await.status, 200);
    assert!(names.asked() > 0);
    let host = format!("{NAME}:{}", wechat.address().port());
    for seen in wechat.world().journal().requests() {
        assert_eq!(seen.header(&hyper::header::HOST), [host.as_bytes()]);
    }
}

/// The very reason for it: a hosts entry for callers on this machine must not lead the gateway to itself.
#[tokio::test]
async fn the_hosts_file_is_not_read() {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap();
    let entries =
        hosts.lines().filter(|line| line.starts_with("127.")).flat_map(|line| line.split_whitespace().skip(1));
    let Some(name) = entries.filter(|name| !name.contains("localhost")).last() else {
        return; // a machine whose hosts file says nothing that it could be caught at
    };
    let (wechat, names) = (sandbox().await, NameServer::start().await);
    let port = wechat.address().port();
    let by_system = Gateway::at(&format!("http://{name}:{port}"), &account()).await;
    assert_eq!(by_system.get(CALL).await.status, 200);
    let by_dns = gateway(name, port, &names, "").await;
    assert_eq!(by_dns.get(CALL).await.error(), Some("upstream_unreachable"));
    assert!(names.asked() > 0);
}

#[tokio::test]
async fn an_address_that_does_not_answer_leaves_time_for_the_next_one() {
    let (wechat, names) = (sandbox().await, NameServer::start().await);
    let port = wechat.address().port();
    let _dead = unanswering((THERE, port).into());
    for addresses in [[THERE, HERE], [HERE, THERE]] {
        names.lead(NAME, &addresses);
        let gateway = gateway(NAME, port, &names, "upstream.connect_timeout = '1s'").await;
        assert_eq!(gateway.request("POST", CALL, &[], b"{}").await.status, 200, "{addresses:?}");
        assert_eq!(gateway.get("/cgi-bin/user/get").await.status, 200, "{addresses:?}");
    }
}

/// RFC 8305. Where a machine has no IPv6 at all, there is nothing to see.
#[tokio::test]
async fn an_address_family_that_does_not_answer_is_given_up_for_the_other() {
    let (wechat, names) = (sandbox().await, NameServer::start().await);
    let port = wechat.address().port();
    if std::net::TcpListener::bind((HERE_6, port)).is_err() {
        return;
    }
    names.lead(NAME, &[HERE, HERE_6]);
    // IPv6 is dead.
    let dead = unanswering((HERE_6, port).into());
    let by_4 = gateway(NAME, port, &names, "").await;
    assert_eq!(by_4.request("POST", CALL, &[], b"{}").await.status, 200);
    drop(dead);
    // IPv4 is.
    names.lead(NAME, &[THERE, HERE_6]);
    let (_dead, _relay) = (unanswering((THERE, port).into()), relay((HERE_6, port).into(), wechat.address()).await);
    let by_6 = gateway(NAME, port, &names, "").await;
    assert_eq!(by_6.request("POST", CALL, &[], b"{}").await.status, 200);
    assert_eq!(by_6.get("/cgi-bin/user/get").await.status, 200);
}

/// Although it is busy all the time.
#[tokio::test]
async fn a_connection_follows_its_name_within_its_life() {
    let (old, new, names) = (sandbox().await, sandbox().await, NameServer::start().await);
    let port = old.address().port();
    let _relay = relay((THERE, port).into(), new.address()).await;
    names.lead(NAME, &[HERE]);
    let gateway = gateway(NAME, port, &names, "upstream.connection_life = '100ms'").await;
    let mut caller = gateway.connect().await;
    let mut call = async || {
        caller.request("POST", CALL, &[], b"{}").await;
        assert_eq!(caller.reply().await.status, 200);
    };
    call().await;
    assert_eq!((calls(&old), calls(&new)), (1, 0));
    names.lead(NAME, &[THERE]);
    within(async {
        while calls(&new) == 0 {
            call().await
        }
    })
    .await;
    let before = calls(&old);
    for _ in 0..10 {
        call().await;
    }
    assert_eq!(calls(&old), before);
}

#[tokio::test]
async fn a_name_that_is_a_listener_of_our_own_is_refused_at_start_and_at_each_resolve() {
    let names = NameServer::start().await;
    let started = async |leads: IpAddr| loop {
        names.lead(NAME, &[leads]);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let keys = format!("listen.address = '127.0.0.1:{port}'\n{}{}", names.keys(), account());
        match Gateway::from_config(config(&format!("http://{NAME}:{port}"), &keys)).await {
            Err(AppError::Bind(_)) => {} // another test took the port in between
            outcome => return outcome,
        }
    };
    assert!(matches!(started(HERE).await, Err(AppError::Egress(EgressError::Loop { .. }))));
    let gateway = started(THERE).await.unwrap();
    names.lead(NAME, &[HERE]);
    let reply = gateway.get(CALL).await;
    assert_eq!((reply.status, reply.error()), (502, Some("upstream_unreachable")), "{}", reply.text());
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_is_an_unreachable_upstream_in_time() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let keys = format!(
        "upstream.resolver = 'dns'\nupstream.name_servers = ['{}']\nupstream.connect_timeout = '200ms'\n{}",
        silent.local_addr().unwrap(),
        account()
    );
    let gateway = Gateway::at(&format!("http://{NAME}"), &keys).await;
    assert_eq!(gateway.get(CALL).await.error(), Some("upstream_unreachable"));
}

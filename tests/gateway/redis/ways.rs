//! The ways to a Redis: TLS, a password, sentinels.

use std::fs;

use wxgate::sandbox::DEFAULT_APPID;

use super::server::{Redis, classic, replicas};
use super::{all_are_served, classic_fetches};
use crate::authority::Authority;
use crate::support::{sandbox, within};

/// Two replicas that fetched once between them have shared.
async fn is_shared(store: &str) {
    let wechat = sandbox().await;
    all_are_served(&replicas(2, &wechat, &classic(store)).await, 1).await;
    assert_eq!(classic_fetches(&wechat), 1, "{store}");
}

#[tokio::test]
async fn over_tls_with_a_user_and_a_password_and_the_authority_of_ca_file() {
    let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = authority.sign("localhost");
    let file = |name: &str| directory.path().join(name).display().to_string();
    fs::write(file("certificate.pem"), certificate.pem()).unwrap();
    fs::write(file("key.pem"), key.serialize_pem()).unwrap();
    let (_redis, port) = Redis::on_port(|port| {
        let settings = [
            "--port",
            "0",
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &file("certificate.pem"),
            "--tls-key-file",
            &file("key.pem"),
            "--tls-ca-cert-file",
            &authority.path().display().to_string(),
            "--tls-auth-clients",
            "no",
            "--user",
            "gate",
            "on",
            ">p4ss/word",
            "~wxgate:*",
            "+@all",
            "-@dangerous", // as operations.md advises
        ];
        settings.map(str::to_owned).to_vec()
    })
    .await;
    let url = format!("store.kind = 'redis'\nstore.url = 'rediss://gate@localhost:{port}/1'\n");
    let ca_file = format!("store.ca_file = '{}'\n", authority.path().display());
    is_shared(&format!("{url}{ca_file}store.password = 'p4ss/word'\n")).await;
}

#[tokio::test]
async fn sentinels_are_asked_for_the_master_and_again_when_it_has_failed() {
    let settings = |port: u16| vec!["--port".to_owned(), port.to_string(), "--requirepass".to_owned(), "pw".to_owned()];
    let (master, port) = Redis::on_port(settings).await;
    let (next, next_port) = Redis::on_port(settings).await;
    let (_sentinel, sentinel_port) =
        Redis::sentinel(&format!("sentinel monitor mymaster 127.0.0.1 {port} 1\nsentinel auth-pass mymaster pw\n"))
            .await;
    // The first one of the list is away.
    let store = format!(
        "store.kind = 'redis'\nstore.url = 'redis://master'\nstore.password = 'pw'\n\
         store.sentinels = ['127.0.0.1:1', '127.0.0.1:{sentinel_port}']\nstore.master_name = 'mymaster'\n"
    );
    is_shared(&store).await;

    // The sentinel is told of another master, as after a failover.
    let client = redis::Client::open(format!("redis://127.0.0.1:{sentinel_port}")).unwrap();
    let mut sentinel = client.get_multiplexed_async_connection().await.unwrap();
    let wechat = sandbox().await;
    let replicas = replicas(2, &wechat, &classic(&store)).await;
    let port_of_next = next_port.to_string();
    for command in [
        &["SENTINEL", "REMOVE", "mymaster"][..],
        &["SENTINEL", "MONITOR", "mymaster", "127.0.0.1", &port_of_next, "1"],
        &["SENTINEL", "SET", "mymaster", "auth-pass", "pw"],
    ] {
        let mut line = redis::cmd(command[0]);
        line.arg(&command[1..]);
        let _: redis::Value = line.query_async(&mut sentinel).await.unwrap();
    }
    drop(master);
    let client = redis::Client::open(format!("redis://:pw@127.0.0.1:{next_port}")).unwrap();
    let mut there = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("wxgate:{{{DEFAULT_APPID}}}:token");
    // Replicas look every few seconds, and bring what the new master does not know.
    let arrived = async {
        loop {
            let fence: Option<u64> = redis::cmd("HGET").arg(&key).arg("fence").query_async(&mut there).await.unwrap();
            if fence.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    within(arrived).await;
    all_are_served(&replicas, 1).await;
    drop(next);
}

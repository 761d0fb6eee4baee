//! Callers: who is let in, by what it shows, and what it may do then (architecture.md §6).

mod limits;
mod placeholders;
mod secrets;
mod showing;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use wxgate::sandbox::{CLASSIC, DEFAULT_APPID, STABLE, Sandbox};

use crate::support::{Gateway, Reply};

/// A virtual secret of `crm`'s.
const SECRET: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";
const INFO: &str = "/cgi-bin/user/info?openid=o6";
/// Whoever calls from this machine.
const NEAR: &str = "networks = ['127.0.0.0/8']";
/// Nobody.
const FAR: &str = "networks = ['192.0.2.0/24']";

/// A gateway whose only listener demands callers; `admit` as the configuration has it.
async fn demanding(wechat: &Sandbox, admit: &str, callers: &str) -> Gateway {
    Gateway::with(wechat, &format!("{}{callers}", listen(admit))).await
}

/// One listener of several.
fn listen(admit: &str) -> String {
    format!("[[listen]]\naddress = '127.0.0.1:0'\nadmit = {admit}\n")
}

/// A caller with these virtual secrets and `more` keys.
fn caller(name: &str, secrets: &[&str], more: &str) -> String {
    let hashes: Vec<_> = secrets.iter().map(|secret| hash_of(secret)).collect();
    format!("[[caller]]\nname = '{name}'\nsecrets = {hashes:?}\n{more}\n")
}

/// What the configuration has in a virtual secret's place.
pub fn hash_of(secret: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, secret.as_bytes()).as_ref())
}

/// The caller that most of these tests are about.
fn crm(more: &str) -> String {
    caller("crm", &[SECRET], more)
}

/// What an SDK with this secret gets at the classic endpoint.
async fn classic(gateway: &Gateway, secret: &str) -> Reply {
    gateway.get(&format!("{CLASSIC}?grant_type=client_credential&appid={DEFAULT_APPID}&secret={secret}")).await
}

/// What an SDK with this secret gets at the stable endpoint.
async fn stable(gateway: &Gateway, secret: &str) -> Reply {
    let body = format!(r#"{{"grant_type":"client_credential","appid":"{DEFAULT_APPID}","secret":"{secret}"}}"#);
    gateway.request("POST", STABLE, &[("Content-Type", "application/json")], body.as_bytes()).await
}

/// A call as an SDK makes it once it has its token.
async fn with_token(gateway: &Gateway, token: &str) -> Reply {
    gateway.get(&format!("{INFO}&access_token={token}")).await
}

async fn with_bearer(gateway: &Gateway, target: &str, secret: &str) -> Reply {
    gateway.request("GET", target, &[("Authorization", &format!("Bearer {secret}"))], b"").await
}

/// The token in an answer that is shaped like WeChat's.
#[track_caller]
fn token_in(reply: &Reply) -> String {
    assert_eq!((reply.status, reply.error()), (200, None), "{}", reply.text());
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

fn refused(reply: &Reply) -> (u16, Option<&str>) {
    (reply.status, reply.error())
}

/// It is WeChat's answer to [`INFO`].
#[track_caller]
fn assert_served(reply: &Reply) {
    assert_eq!((reply.status, reply.json()["openid"].as_str()), (200, Some("o6")), "{}", reply.text());
}

//! The way of an unmodified SDK: a virtual secret brings a placeholder, and the placeholder says who calls.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use wxgate::gateway::{Claims, Placeholder, PlaceholderKey, SecretId};
use wxgate::sandbox::{CLASSIC, DEFAULT_APPID, DEFAULT_SECRET, Kind};

use super::{
    INFO, NEAR, SECRET, assert_served, caller, classic, crm, demanding, listen, refused, stable, token_in, with_token,
};
use crate::support::{Caller, Gateway, account, calls, last_call, sandbox};

const BY_PLACEHOLDER: &str = "['placeholder']";

#[tokio::test]
async fn an_sdk_is_admitted_by_the_placeholder_that_its_virtual_secret_brings() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, BY_PLACEHOLDER, &crm("")).await;
    let in_json = stable(&gateway, SECRET).await;
    let in_query = classic(&gateway, SECRET).await;
    let posted = gateway.request("POST", &format!("{CLASSIC}?%73ecret={SECRET}"), &[], b"").await;
    for reply in [in_json, in_query, posted] {
        let placeholder = token_in(&reply);
        assert_served(&with_token(&gateway, &placeholder).await);
        let claims = Placeholder::parse(&placeholder).unwrap();
        let claims = claims.claims().unwrap();
        assert_eq!((claims.appid, claims.caller), (DEFAULT_APPID, "crm"));
        let seen = last_call(&wechat);
        assert!(!seen.target.contains("wxgate_") && !seen.target.contains(SECRET), "{}", seen.target);
    }
}

#[tokio::test]
async fn a_wrong_secret_brings_nothing_and_the_true_one_is_no_callers() {
    let wechat = sandbox().await;
    let gateway = demanding(&wechat, BY_PLACEHOLDER, &crm("")).await;
    for secret in ["", "wrong", DEFAULT_SECRET, &SECRET.to_uppercase(), &SECRET[1..]] {
        for reply in [classic(&gateway, secret).await, stable(&gateway, secret).await] {
            assert_eq!(refused(&reply), (401, Some("caller_unknown")), "{secret}");
        }
    }
    let without = gateway.get(&format!("{CLASSIC}?appid={DEFAULT_APPID}")).await;
    assert_eq!(refused(&without), (401, Some("caller_unknown")));
    assert!(calls(&wechat).is_empty());
}

#[tokio::test]
async fn only_a_placeholder_that_names_its_caller_opens_a_demanding_listener() {
    let wechat = sandbox().await;
    let keys = format!("{}{}{}", listen(BY_PLACEHOLDER), listen("[]"), crm(""));
    let gateway = Gateway::with(&wechat, &keys).await;
    let mut open = Caller::connect(gateway.addresses[1]).await;
    open.request("GET", &format!("{CLASSIC}?secret=any"), &[], b"").await;
    let nobodys = token_in(&open.reply().await);
    open.request("GET", &format!("{INFO}&access_token={nobodys}"), &[], b"").await;
    assert_served(&open.reply().await);
    wechat.world().journal().clear();
    let real = wechat.world().with_ledger(|ledger, _| ledger.newest(DEFAULT_APPID, Kind::Stable).unwrap().to_owned());
    for token in [&nobodys, "92_some-token-of-wechats", &real, SECRET, ""] {
        assert_eq!(refused(&with_token(&gateway, token).await), (401, Some("caller_unknown")), "{token}");
    }
    assert_eq!(refused(&gateway.get(INFO).await), (401, Some("caller_unknown")));
    assert!(calls(&wechat).is_empty());
}

/// Its answer must be WeChat's own, so that the SDK asks for a new one.
#[tokio::test]
async fn a_placeholder_ends_when_its_secret_is_removed() {
    const KEY: &str = "placeholder_key = 'a-key-that-both-gateways-have-in-common'\n";
    let wechat = sandbox().await;
    let with = |secrets: &[&str], name: &str| {
        format!("{}{}{}{KEY}", listen(BY_PLACEHOLDER), caller(name, secrets, ""), account())
    };
    let before = Gateway::with_accounts(&wechat, &with(&["0ld-secret", SECRET], "crm")).await;
    let (old, new) = (token_in(&stable(&before, "0ld-secret").await), token_in(&stable(&before, SECRET).await));
    let after = Gateway::with_accounts(&wechat, &with(&[SECRET], "crm")).await;
    assert_served(&with_token(&before, &old).await);
    assert_served(&with_token(&after, &new).await);
    let renamed = Gateway::with_accounts(&wechat, &with(&["0ld-secret", SECRET], "billing")).await;
    let sent = calls(&wechat).len();
    for (gateway, token) in [(&after, &old), (&renamed, &old), (&renamed, &new)] {
        let reply = with_token(gateway, token).await;
        assert_eq!(refused(&reply), (200, Some("invalid_placeholder")));
        assert_eq!(reply.json()["errcode"], 40001, "SDKs fetch anew on nothing else");
    }
    assert_eq!(calls(&wechat).len(), sent);
}

/// A placeholder of the default account, issued `age` seconds ago to `name`, by its secret with this id.
fn aged(age: u64, name: &str, secret_id: SecretId) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = Claims { issued_at: now - age, appid: DEFAULT_APPID, caller: name, secret_id };
    PlaceholderKey::derive(&DEFAULT_SECRET.into()).unwrap().issue(&claims)
}

fn id_of(secret: &str) -> SecretId {
    digest(&SHA256, secret.as_bytes()).as_ref()[..8].try_into().unwrap()
}

#[tokio::test]
async fn a_placeholder_grows_old_where_callers_are_demanded() {
    let wechat = sandbox().await;
    let keys = format!("{}{}{}", listen(BY_PLACEHOLDER), listen("[]"), crm(""));
    let gateway = Gateway::with(&wechat, &keys).await;
    for age in [0, 7_200, 7_400] {
        assert_served(&with_token(&gateway, &aged(age, "crm", id_of(SECRET))).await);
    }
    let mut open = Caller::connect(gateway.addresses[1]).await;
    for age in [7_501, 86_400, 1_000_000_000] {
        let old = aged(age, "crm", id_of(SECRET));
        let reply = with_token(&gateway, &old).await;
        assert_eq!(refused(&reply), (200, Some("invalid_placeholder")), "{age}");
        open.request("GET", &format!("{INFO}&access_token={old}"), &[], b"").await;
        assert_served(&open.reply().await);
    }
}

#[tokio::test]
async fn a_caller_is_known_by_its_name_and_its_secret_together() {
    let wechat = sandbox().await;
    let callers = crm("") + &caller("shop", &["another-secret"], "");
    let gateway = demanding(&wechat, BY_PLACEHOLDER, &callers).await;
    for (name, secret) in [("crm", "another-secret"), ("shop", SECRET), ("nobody", SECRET), ("crm", "removed")] {
        let reply = with_token(&gateway, &aged(0, name, id_of(secret))).await;
        assert_eq!(refused(&reply), (200, Some("invalid_placeholder")), "{name} {secret}");
    }
    assert!(calls(&wechat).is_empty());
}

#[tokio::test]
async fn a_forged_placeholder_is_worth_nothing_even_beside_another_way_in() {
    let wechat = sandbox().await;
    let near = crm(NEAR);
    let gateway = demanding(&wechat, "['network', 'placeholder']", &near).await;
    let forged = PlaceholderKey::derive(&"not the account's key".into()).unwrap();
    let claims = Claims { issued_at: 4_000_000_000, appid: DEFAULT_APPID, caller: "crm", secret_id: id_of(SECRET) };
    let reply = with_token(&gateway, &forged.issue(&claims)).await;
    assert_eq!(refused(&reply), (200, Some("invalid_placeholder")));
    assert!(calls(&wechat).is_empty());
}

#[tokio::test]
async fn the_real_token_is_for_callers_only() {
    let wechat = sandbox().await;
    let real = "token_endpoint = 'real'\n";
    let gateway = demanding(&wechat, &format!("['placeholder', 'bearer']\n{real}"), &crm("")).await;
    for secret in ["wrong", DEFAULT_SECRET, ""] {
        for reply in [classic(&gateway, secret).await, stable(&gateway, secret).await] {
            assert_eq!(refused(&reply), (401, Some("caller_unknown")), "{secret}");
            assert!(!reply.text().contains("92_"), "{}", reply.text());
        }
    }
    let token = token_in(&stable(&gateway, SECRET).await);
    let owner = wechat.world().with_ledger(|ledger, _| ledger.owner(&token).map(str::to_owned));
    assert_eq!(owner.as_deref(), Some(DEFAULT_APPID));
    assert_eq!(token_in(&classic(&gateway, SECRET).await), token);
    assert_eq!(refused(&with_token(&gateway, &token).await), (401, Some("caller_unknown")), "it names no caller");
}

//! What orchestrators ask: whether the process lives, and whether it has a token to work with.

use wxgate::sandbox::{Account, DEFAULT_APPID, Fault, Gate, STABLE, Sandbox, Settings};

use crate::support::{Caller, Gateway, Reply, account, sandbox, within};

/// The key that switches the admin listener on.
pub const ADMIN: &str = "admin.address = '127.0.0.1:0'\n";
const PATH: &str = "/cgi-bin/user/info?openid=o6";

/// One GET at the admin listener.
pub async fn operator(gateway: &Gateway, target: &str) -> Reply {
    let mut caller = Caller::connect(gateway.admin.unwrap()).await;
    caller.request("GET", target, &[], b"").await;
    caller.reply().await
}

#[tokio::test]
async fn it_is_live_at_once_and_ready_with_the_first_token() {
    let wechat = sandbox().await;
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at(STABLE).hold(&gate));
    let gateway = Gateway::with(&wechat, ADMIN).await;
    within(gate.held(1)).await;
    assert_eq!(operator(&gateway, "/livez").await.status, 200);
    let reply = operator(&gateway, "/readyz").await;
    assert_eq!((reply.status, reply.json()["ready"].as_bool()), (503, Some(false)));
    assert_eq!(reply.json()["accounts"][0]["reason"], "no token yet: WeChat is being asked");

    gate.open();
    assert_eq!(gateway.get(PATH).await.status, 200);
    let reply = operator(&gateway, "/readyz").await;
    assert_eq!((reply.status, reply.json()["ready"].as_bool()), (200, Some(true)));
    assert!(reply.json()["accounts"][0]["reason"].as_str().unwrap().starts_with("token for another 7"));
}

/// Whoever holds the operator's listener full holds up other operators, and no caller.
#[tokio::test]
async fn connections_to_the_operator_are_few_and_take_no_place_from_callers() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    let mut held = Vec::new();
    for _ in 0..64 {
        let mut caller = Caller::connect(gateway.admin.unwrap()).await;
        caller.request("GET", "/livez", &[], b"").await;
        assert_eq!(caller.reply().await.status, 200);
        held.push(caller);
    }
    let mut waiting = Caller::connect(gateway.admin.unwrap()).await;
    waiting.request("GET", "/livez", &[], b"").await;
    for _ in 0..5 {
        assert_eq!(gateway.get(PATH).await.status, 200);
    }
    assert!(waiting.stream.try_read(&mut [0]).is_err(), "one more than there may be is not answered yet");
    drop(held.pop());
    assert_eq!(waiting.reply().await.status, 200);
}

/// Two accounts, of which one gets no token.
async fn one_frozen() -> (Sandbox, Gateway) {
    let accounts = vec![Account::new("wxsound", "sound-secret"), Account::new("wxfrozen", "frozen-secret")];
    let wechat = Sandbox::start(Settings { accounts, ..Settings::default() }).await.unwrap();
    wechat.world().set_frozen("wxfrozen", true);
    let keys = format!(
        "{ADMIN}[[account]]\nname = 'sound'\nappid = 'wxsound'\nsecret = 'sound-secret'\n\
         [[account]]\nname = 'frozen'\nappid = 'wxfrozen'\nsecret = 'frozen-secret'\n"
    );
    let gateway = Gateway::with_accounts(&wechat, &keys).await;
    assert_eq!(gateway.get(&format!("/@sound{PATH}")).await.status, 200);
    assert_eq!(gateway.get(&format!("/@frozen{PATH}")).await.error(), Some("no_token"));
    (wechat, gateway)
}

#[tokio::test]
async fn a_frozen_account_does_not_take_the_others_out() {
    let (_wechat, gateway) = one_frozen().await;
    let reply = operator(&gateway, "/readyz").await;
    assert_eq!((reply.status, reply.json()["ready"].as_bool()), (200, Some(true)));
    let ready = |index: usize| reply.json()["accounts"][index]["ready"].as_bool();
    assert_eq!((ready(0), ready(1)), (Some(true), Some(false)));
}

#[tokio::test]
async fn one_account_alone_can_be_asked_for() {
    let (_wechat, gateway) = one_frozen().await;
    for (name, status) in [("sound", 200), ("frozen", 503), ("nobody", 404)] {
        let reply = operator(&gateway, &format!("/readyz?account={name}")).await;
        assert_eq!((reply.status, reply.json()["ready"].as_bool()), (status, Some(status == 200)), "{name}");
    }
    let accounts = operator(&gateway, "/readyz?account=frozen").await.json()["accounts"].clone();
    assert_eq!((accounts.as_array().unwrap().len(), accounts[0]["name"].as_str()), (1, Some("frozen")));
    assert!(accounts[0]["reason"].as_str().unwrap().contains("40243"), "{accounts}");
}

#[tokio::test]
async fn it_is_not_ready_before_each_account_was_asked_for() {
    let wechat = sandbox().await;
    let keys =
        format!("{ADMIN}{}token = 'classic'\n[[account]]\nname = 'slow'\nappid = 'wxslow'\nsecret = 's'\n", account());
    let gate = Gate::new();
    wechat.world().faults().add(Fault::at(STABLE).hold(&gate));
    let gateway =
        Gateway::with_accounts(&wechat, &keys.replacen("name = 'main'", "name = 'main'\ndefault = true", 1)).await;
    assert_eq!(gateway.get(PATH).await.status, 200, "{DEFAULT_APPID} has its token");
    assert_eq!(operator(&gateway, "/readyz").await.status, 503);
    assert_eq!(operator(&gateway, "/readyz?account=main").await.status, 200);
    gate.open();
    gateway.get(&format!("/@slow{PATH}")).await;
    assert_eq!(operator(&gateway, "/readyz").await.status, 200);
}

#[tokio::test]
async fn asking_costs_wechat_nothing() {
    let wechat = sandbox().await;
    let gateway = Gateway::with(&wechat, ADMIN).await;
    gateway.get(PATH).await;
    let before = wechat.world().journal().total();
    for target in ["/livez", "/readyz", "/readyz?account=main"] {
        assert_eq!(operator(&gateway, target).await.status, 200);
    }
    assert_eq!(wechat.world().journal().total(), before);
}

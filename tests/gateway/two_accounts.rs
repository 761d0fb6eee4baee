//! A WeChat that knows two accounts, and which of them it took a request for.

use wxgate::sandbox::{Account, DEFAULT_APPID, DEFAULT_SECRET, Sandbox, Seen, Settings};

use crate::support::account;

/// The appid of the second account, `shop`.
pub const SHOP: &str = "wx0000000000000shop";
/// Its AppSecret, with characters that must not stand in a query as they are.
pub const SHOP_SECRET: &str = "shop&secret=+/%41";

/// A sandbox that knows the default account and the shop's.
pub async fn sandbox_of_two() -> Sandbox {
    let accounts = vec![Account::new(DEFAULT_APPID, DEFAULT_SECRET), Account::new(SHOP, SHOP_SECRET)];
    Sandbox::start(Settings { accounts, ..Settings::default() }).await.unwrap()
}

/// Both accounts as an operator writes them. Neither is the default.
pub fn both() -> String {
    format!("{}[[account]]\nname = 'shop'\nappid = '{SHOP}'\nsecret = '{SHOP_SECRET}'\n", account())
}

/// The appid whose token this request carried. It must carry exactly one.
pub fn appid_of(wechat: &Sandbox, seen: &Seen) -> String {
    let tokens = seen.parameters("access_token");
    assert_eq!(tokens.len(), 1, "{seen:?}");
    wechat.world().with_ledger(|ledger, _| ledger.owner(&tokens[0]).expect("a token of WeChat's").to_owned())
}

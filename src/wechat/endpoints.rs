//! Which credential an endpoint takes (wechat.md §3).
//!
//! WeChat has some 1,500 endpoints and adds more every month. Nearly all take the account's access
//! token in the query, so that is what an unknown path is given, and only the exceptions stand here.
//! No rule on prefixes could replace the list: `/cgi-bin/component/setprivacysetting`, for one, is an
//! ordinary call amid those of third-party platforms.

use self::Credential::*;
use self::TokenEndpoint::{Classic, Stable};

/// What a call must carry to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The account's access token, as `access_token` in the query.
    AppToken,
    /// The account's appid and secret in the query, and no token.
    AppSecret(SecretName),
    /// The account's access token, and an appid and secret beside it.
    AppTokenAndSecret(SecretName),
    /// An end user's OAuth token, which also travels as `access_token`: not ours to touch.
    UserToken,
    /// No credential at all: the call takes an appid only.
    Nothing,
    /// The call asks for a token. It is never forwarded.
    TokenEndpoint(TokenEndpoint),
    /// A third-party platform's token, which also travels as `access_token`: not ours to touch.
    ComponentToken,
    /// A third-party platform's token in a parameter of its own, `component_access_token`.
    ComponentTokenOwnName,
    /// A third-party platform's secret, in the JSON body.
    ComponentSecret,
}

impl Credential {
    /// Whether the account's access token is put into the query.
    pub fn injects_token(self) -> bool {
        matches!(self, AppToken | AppTokenAndSecret(_))
    }
}

/// The query parameter that carries an AppSecret: WeChat has two names for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretName {
    /// `secret`
    Secret,
    /// `appsecret`
    Appsecret,
}

impl SecretName {
    /// The name as it stands in the query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Appsecret => "appsecret",
        }
    }
}

/// The two endpoints that hand out an account's access token (wechat.md §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEndpoint {
    /// `GET /cgi-bin/token`: every call mints a token and supersedes the last one.
    Classic,
    /// `POST /cgi-bin/stable_token`: everyone who asks gets the same token.
    Stable,
}

/// The credential that the endpoint at `path` takes.
///
/// The match is byte-exact, as WeChat's own is taken to be; [`classify`](super::classify) guards
/// against paths that only look different.
pub fn credential(path: &str) -> Credential {
    match EXCEPTIONS.binary_search_by_key(&path, |&(exception, _)| exception) {
        Ok(at) => EXCEPTIONS[at].1,
        Err(_) => AppToken,
    }
}

/// Every endpoint known to take something else than [`Credential::AppToken`], sorted by path.
///
/// All of them are in the form that [`normalise`](super::normalise) gives.
pub static EXCEPTIONS: &[(&str, Credential)] = &[
    ("/cgi-bin/clear_quota/v2", AppSecret(SecretName::Appsecret)),
    ("/cgi-bin/component/api_authorizer_token", ComponentToken),
    ("/cgi-bin/component/api_component_token", ComponentSecret),
    ("/cgi-bin/component/api_create_preauthcode", ComponentToken),
    ("/cgi-bin/component/api_get_authorizer_info", ComponentToken),
    ("/cgi-bin/component/api_query_auth", ComponentToken),
    ("/cgi-bin/component/api_start_push_ticket", ComponentSecret),
    ("/cgi-bin/component/clear_quota/v2", ComponentSecret),
    ("/cgi-bin/component/fastregisterweapp", ComponentToken),
    ("/cgi-bin/component/get_domain_confirmfile", ComponentToken),
    ("/cgi-bin/component/modify_wxa_jump_domain", ComponentToken),
    ("/cgi-bin/component/modify_wxa_server_domain", ComponentToken),
    ("/cgi-bin/stable_token", TokenEndpoint(Stable)),
    ("/cgi-bin/token", TokenEndpoint(Classic)),
    ("/componenttcb/batchcreatecsversion", ComponentToken),
    ("/componenttcb/batchdelcsversion", ComponentToken),
    ("/componenttcb/batchdeletefile", ComponentToken),
    ("/componenttcb/batchdownloadfile", ComponentToken),
    ("/componenttcb/batchgetenvid", ComponentToken),
    ("/componenttcb/batchsetcspropotion", ComponentToken),
    ("/componenttcb/batchshareenv", ComponentToken),
    ("/componenttcb/batchupdatetriggers", ComponentToken),
    ("/componenttcb/batchuploadscf", ComponentToken),
    ("/componenttcb/batchuploadscfcode", ComponentToken),
    ("/componenttcb/createcloudbaserunenv", ComponentToken),
    ("/componenttcb/createcloudbaserunresauth", ComponentToken),
    ("/componenttcb/createcloudbaserunserverversion", ComponentToken),
    ("/componenttcb/createcontainerservice", ComponentToken),
    ("/componenttcb/createcsversion", ComponentToken),
    ("/componenttcb/createenv", ComponentToken),
    ("/componenttcb/createstaticstore", ComponentToken),
    ("/componenttcb/dbaggregate", ComponentToken),
    ("/componenttcb/dbcollection", ComponentToken),
    ("/componenttcb/dbexport", ComponentToken),
    ("/componenttcb/dbgetacl", ComponentToken),
    ("/componenttcb/dbimport", ComponentToken),
    ("/componenttcb/dbindex", ComponentToken),
    ("/componenttcb/dbmigrationstate", ComponentToken),
    ("/componenttcb/dbmodifyacl", ComponentToken),
    ("/componenttcb/dbrecord", ComponentToken),
    ("/componenttcb/delcontainerservice", ComponentToken),
    ("/componenttcb/delcsversion", ComponentToken),
    ("/componenttcb/deletecloudbaserunserverversion", ComponentToken),
    ("/componenttcb/deletescf", ComponentToken),
    ("/componenttcb/describecloudbaserunenvs", ComponentToken),
    ("/componenttcb/describeenvs", ComponentToken),
    ("/componenttcb/describestaticstore", ComponentToken),
    ("/componenttcb/establishcloudbaserunserver", ComponentToken),
    ("/componenttcb/getbucket", ComponentToken),
    ("/componenttcb/getcslist", ComponentToken),
    ("/componenttcb/getcsversiondetail", ComponentToken),
    ("/componenttcb/getcsversionlist", ComponentToken),
    ("/componenttcb/getscflist", ComponentToken),
    ("/componenttcb/gettriggers", ComponentToken),
    ("/componenttcb/opencontainerservice", ComponentToken),
    ("/componenttcb/releasecloudbaserunversion", ComponentToken),
    ("/componenttcb/rollupdatecloudbaserunserverversion", ComponentToken),
    ("/componenttcb/setcspropotion", ComponentToken),
    ("/componenttcb/setcsversionconfig", ComponentToken),
    ("/componenttcb/staticfilelist", ComponentToken),
    ("/componenttcb/staticuploadfile", ComponentToken),
    ("/componenttcb/updatescfconfig", ComponentToken),
    ("/componenttcb/uploadfile", ComponentToken),
    ("/donut/code2verifyinfo", AppTokenAndSecret(SecretName::Appsecret)),
    ("/sns/auth", UserToken),
    ("/sns/component/jscode2session", ComponentTokenOwnName),
    ("/sns/jscode2session", AppSecret(SecretName::Secret)),
    ("/sns/oauth2/access_token", AppSecret(SecretName::Secret)),
    ("/sns/oauth2/component/access_token", ComponentTokenOwnName),
    ("/sns/oauth2/component/refresh_token", ComponentTokenOwnName),
    ("/sns/oauth2/refresh_token", Nothing),
    ("/sns/userinfo", UserToken),
    ("/wedata/wedata_get_login_config", ComponentToken),
    ("/wedata/wedata_set_login_config", ComponentToken),
    ("/wxa/addtotemplate", ComponentToken),
    ("/wxa/component/fastregisterbetaweapp", ComponentToken),
    ("/wxa/component/fastregisterpersonalweapp", ComponentToken),
    ("/wxa/deletetemplate", ComponentToken),
    ("/wxa/gettemplatedraftlist", ComponentToken),
    ("/wxa/gettemplatelist", ComponentToken),
    ("/wxa/security/applysetorderpathinfo", ComponentToken),
    ("/wxa/servicemarket/get_paid_order_list", ComponentToken),
    ("/wxa/servicemarket/service/get_service_buyer", ComponentToken),
    ("/wxa/servicemarket/service/get_service_buyer_list", ComponentToken),
    ("/wxa/servicemarket/service/login_auth", ComponentToken),
];

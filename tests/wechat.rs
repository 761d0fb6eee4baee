//! The endpoint table, held against a list of all endpoints known.

use std::collections::BTreeSet;

use wxgate::wechat::{Credential, EXCEPTIONS, SecretName, TokenEndpoint, classify, credential, normalise};

struct Endpoint {
    path: &'static str,
    credential: &'static str,
}

fn endpoints() -> Vec<Endpoint> {
    let lines = include_str!("../src/wechat/endpoints.tsv").lines().filter(|line| !line.starts_with('#'));
    let rows = lines.skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.map(|row| Endpoint { path: row[0], credential: row[2] }).collect()
}

/// The word in the list for a credential; the list does not tell the token endpoints from others that
/// take the secret.
fn word(credential: Credential) -> &'static str {
    match credential {
        Credential::AppToken => "app_token",
        Credential::AppSecret(_) | Credential::TokenEndpoint(_) => "app_secret",
        Credential::AppTokenAndSecret(_) => "app_token+app_secret",
        Credential::UserToken => "user_token",
        Credential::Nothing => "none",
        Credential::ComponentToken => "component_token",
        Credential::ComponentTokenOwnName => "component_token_own_name",
        Credential::ComponentSecret => "component_secret",
    }
}

#[test]
fn every_known_endpoint_has_its_credential() {
    let endpoints = endpoints();
    assert_eq!(endpoints.len(), 1503);
    for endpoint in endpoints {
        assert_eq!(word(credential(endpoint.path)), endpoint.credential, "{}", endpoint.path);
    }
}

#[test]
fn no_known_endpoint_is_taken_for_a_disguise() {
    for endpoint in endpoints() {
        assert_eq!(classify(endpoint.path), Ok(credential(endpoint.path)), "{}", endpoint.path);
    }
}

#[test]
fn exceptions_are_sorted_known_and_in_normal_form() {
    let known: BTreeSet<&str> = endpoints().iter().map(|endpoint| endpoint.path).collect();
    assert!(EXCEPTIONS.is_sorted_by(|(a, _), (b, _)| a < b));
    for &(path, credential) in EXCEPTIONS {
        assert!(known.contains(path), "{path}");
        assert!(!matches!(credential, Credential::AppToken), "{path}");
        assert_eq!(normalise(path), path);
    }
}

#[test]
fn endpoints_that_carry_a_secret_are_told_apart() {
    use SecretName::{Appsecret, Secret};
    for (path, expected) in [
        ("/cgi-bin/token", Credential::TokenEndpoint(TokenEndpoint::Classic)),
        ("/cgi-bin/stable_token", Credential::TokenEndpoint(TokenEndpoint::Stable)),
        ("/sns/jscode2session", Credential::AppSecret(Secret)),
        ("/sns/oauth2/access_token", Credential::AppSecret(Secret)),
        ("/cgi-bin/clear_quota/v2", Credential::AppSecret(Appsecret)),
        ("/donut/code2verifyinfo", Credential::AppTokenAndSecret(Appsecret)),
    ] {
        assert_eq!(credential(path), expected, "{path}");
    }
    assert_eq!((Secret.as_str(), Appsecret.as_str()), ("secret", "appsecret"));
}

#[test]
fn only_calls_with_the_accounts_own_token_are_given_one() {
    let injected = |path| credential(path).injects_token();
    for path in ["/cgi-bin/user/get", "/donut/code2verifyinfo", "/new/endpoint", "/cgi-bin/component/setprivacysetting"]
    {
        assert!(injected(path), "{path}");
    }
    for path in
        ["/sns/userinfo", "/sns/jscode2session", "/cgi-bin/token", "/wxa/addtotemplate", "/sns/oauth2/refresh_token"]
    {
        assert!(!injected(path), "{path}");
    }
}

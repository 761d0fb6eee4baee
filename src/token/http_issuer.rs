//! The token endpoints, over HTTP (wechat.md §1).

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::failure::Failure;
use super::issuer::{Fetch, Issued, Issuer, Liveness};
use super::schedule::lifetime;
use crate::egress::{Fault, IssuerHttp, cause_of};
use crate::secret::{ExposeSecret, SecretString, in_query, scrub};
use crate::wechat;

/// The most that an issuer's answer may hold; a token's is some 200 bytes.
const ANSWER_LIMIT: usize = 64 * 1024;
/// wechat.md §1: reserve 512 bytes for a token. Four times that is not a token.
const LONGEST_TOKEN: usize = 2_048;

/// The issuer of one account, over reqwest.
pub struct HttpIssuer {
    http: IssuerHttp,
    appid: String,
    secret: SecretString,
    timeout: Duration,
    rejecting: Vec<i64>,
}

/// A call without a whole answer.
struct Unanswered {
    /// What that says about where it went; `None` where an answer had begun.
    fault: Option<Fault>,
    failure: Failure,
}

impl HttpIssuer {
    /// `timeout` bounds each call as a whole; `rejecting` are the errcodes that call a token dead.
    pub fn new(http: IssuerHttp, appid: String, secret: SecretString, timeout: Duration, rejecting: Vec<i64>) -> Self {
        Self { http, appid, secret, timeout, rejecting }
    }

    fn request(&self, origin: &str, fetch: Fetch) -> reqwest::RequestBuilder {
        let secret = self.secret.expose_secret();
        match fetch {
            Fetch::Classic => self.http.client.get(format!(
                "{origin}/cgi-bin/token?grant_type=client_credential&appid={}&secret={}",
                self.appid,
                in_query(&self.secret).expose_secret()
            )),
            Fetch::Stable | Fetch::Forced => {
                self.http.client.post(format!("{origin}/cgi-bin/stable_token")).json(&serde_json::json!({
                    "grant_type": "client_credential",
                    "appid": self.appid,
                    "secret": secret,
                    "force_refresh": fetch == Fetch::Forced,
                }))
            }
        }
    }

    /// The answer's status and body, whatever they are. Asks at the first origin that is up, and at the next one only where
    /// nothing was sent, or the request is `repeatable`.
    async fn exchange(
        &self,
        repeatable: bool,
        request: impl Fn(&str) -> reqwest::RequestBuilder,
    ) -> Result<(u16, Vec<u8>), Failure> {
        let mut tries = self.http.health.tries(repeatable);
        let mut place = tries.first();
        loop {
            let origin = self.http.origins.get(place.index()).map_or("", String::as_str);
            let Unanswered { fault, failure } = match self.exchange_with(request(origin)).await {
                Ok(answer) => {
                    place.answered();
                    return Ok(answer);
                }
                Err(unanswered) => unanswered,
            };
            let Some(fault) = fault else { return Err(failure) };
            place.failed(fault, &failure.what);
            let next = if repeatable || fault == Fault::Unreached { tries.next() } else { None };
            match next {
                Some(next) => place = next,
                None => return Err(failure),
            }
        }
    }

    /// One call, within its time. Waiting for a place is no part of that.
    async fn exchange_with(&self, request: reqwest::RequestBuilder) -> Result<(u16, Vec<u8>), Unanswered> {
        let _place = self.http.place().await;
        let deadline = Instant::now() + self.timeout;
        let too_late = || {
            let timeout = humantime::format_duration(self.timeout);
            Failure::unreachable(format_args!("no whole answer within {timeout}"))
        };
        let answer = match timeout_at(deadline, request.send()).await {
            Ok(answer) => answer.map_err(Unanswered::of)?,
            Err(_) => return Err(Unanswered { fault: Some(Fault::Silent), failure: too_late() }),
        };
        let status = answer.status().as_u16();
        let body = timeout_at(deadline, read_body(answer)).await.unwrap_or_else(|_| Err(too_late()));
        body.map(|body| (status, body)).map_err(|failure| Unanswered { fault: None, failure })
    }

    fn read_answer(&self, status: u16, body: &[u8]) -> Result<Issued, Failure> {
        // WeChat's bodies are not always valid UTF-8 (wechat.md §2); a token's characters are.
        let answer: Value = serde_json::from_str(&String::from_utf8_lossy(body)).unwrap_or_default();
        if let Some(errcode) = wechat::errcode(body).filter(|&errcode| errcode != 0) {
            let errmsg = answer.get("errmsg").and_then(Value::as_str).unwrap_or("(no errmsg)");
            return Err(Failure::refused(errcode, &scrub(errmsg, &[&self.secret])));
        }
        if matches!(status, 404 | 405 | 501) {
            return Err(Failure::missing(status));
        }
        if status != 200 {
            return Err(Failure::garbage(format_args!("status {status}")));
        }
        let token = answer.get("access_token").and_then(Value::as_str).filter(|token| is_token(token));
        let token = token.ok_or_else(|| Failure::garbage(format_args!("{} bytes without a token", body.len())))?;
        Ok(Issued { token: token.into(), expires_in: lifetime(answer.get("expires_in").and_then(number)) })
    }
}

impl Unanswered {
    fn of(error: reqwest::Error) -> Self {
        let fault = if error.is_connect() { Fault::Unreached } else { Fault::Silent };
        Self { fault: Some(fault), failure: Failure::unreachable(cause_of(error)) }
    }
}

impl Issuer for HttpIssuer {
    async fn fetch(&self, fetch: Fetch) -> Result<Issued, Failure> {
        // A classic fetch mints a token and a forced one kills the one before: neither may be done twice.
        let (status, body) = self.exchange(fetch == Fetch::Stable, |origin| self.request(origin, fetch)).await?;
        self.read_answer(status, &body)
    }

    async fn ask(&self, token: &SecretString) -> Liveness {
        let token = in_query(token);
        let path = "/cgi-bin/get_api_domain_ip?access_token=";
        let request = |origin: &str| self.http.client.get(format!("{origin}{path}{}", token.expose_secret()));
        match self.exchange(true, request).await {
            Ok((_, body)) if wechat::errcode(&body).is_some_and(|code| self.rejecting.contains(&code)) => {
                Liveness::Dead
            }
            Ok((200, _)) => Liveness::Alive,
            Ok(_) | Err(_) => Liveness::Unknown,
        }
    }
}

impl fmt::Debug for HttpIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpIssuer").field("appid", &self.appid).finish_non_exhaustive()
    }
}

async fn read_body(mut answer: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| Failure::unreachable(cause_of(error)))? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(Failure::garbage("more than 64 KiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Something that can stand in a query and is not absurdly long.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A number, or a string that holds one.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use prometheus_client::metrics::counter::Counter;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Barrier;
    use tokio::task::JoinSet;

    use super::*;
    use crate::egress::{CALLS_AT_ONCE, Health};
    use crate::wechat::Fault;

    fn issuer() -> HttpIssuer {
        issuer_at("http://127.0.0.1:1", Duration::from_secs(1))
    }

    fn issuer_at(base_url: &str, timeout: Duration) -> HttpIssuer {
        let http = reqwest::Client::builder().tls_backend_preconfigured(crate::egress::without_roots()).build();
        let health = Health::new([(String::new(), Counter::default())], Duration::from_secs(30));
        let http = IssuerHttp::new(http.unwrap(), [base_url.to_owned()].into(), health);
        HttpIssuer::new(http, "wx1".to_owned(), "the-app-secret".into(), timeout, vec![40001])
    }

    #[test]
    fn answers_are_read_leniently() {
        for (body, seconds) in [
            (r#"{"access_token":"92_abc","expires_in":7200}"#, 7200),
            (r#"{"access_token":"92_abc","expires_in":7200.0,"errcode":0}"#, 7200),
            (r#"{"access_token":"92_abc","expires_in":"600"}"#, 600),
            (r#"{"access_token":"92_abc"}"#, 300),
            (r#"{"access_token":"92_abc","expires_in":null}"#, 300),
            (r#"{"access_token":"92_abc","expires_in":99999}"#, 7200),
        ] {
            let issued = issuer().read_answer(200, body.as_bytes()).unwrap();
            assert_eq!((issued.token.expose_secret(), issued.expires_in.as_secs()), ("92_abc", seconds), "{body}");
        }
    }

    #[test]
    fn answers_that_are_no_token_are_failures_of_the_right_kind() {
        let long = format!(r#"{{"access_token":"{}","expires_in":1}}"#, "x".repeat(3000));
        for (status, body, fault) in [
            (200, r#"{"errcode":-1,"errmsg":"system error"}"#, Fault::Transient),
            (200, r#"{"errcode":40013,"errmsg":"invalid appid rid: 1"}"#, Fault::Permanent),
            (200, r#"{"errcode":40066,"errmsg":"invalid url"}"#, Fault::NoSuchEndpoint),
            (404, "<html>", Fault::NoSuchEndpoint),
            (405, "", Fault::NoSuchEndpoint),
            (502, "<html>", Fault::Transient),
            (302, "", Fault::Transient),
            (200, "", Fault::Transient),
            (200, "[]", Fault::Transient),
            (200, r#"{"access_token":"","expires_in":7200}"#, Fault::Transient),
            (200, "{\"access_token\":\"a b\",\"expires_in\":7200}", Fault::Transient),
            (200, long.as_str(), Fault::Transient),
        ] {
            assert_eq!(issuer().read_answer(status, body.as_bytes()).unwrap_err().fault, fault, "{status} {body:.60}");
        }
    }

    #[test]
    fn a_refused_address_is_named() {
        let body = br#"{"errcode":40164,"errmsg":"invalid ip 114.221.21.30 ipv6 ::ffff:114.221.21.30, not in whitelist rid: 1-2-3"}"#;
        let failure = issuer().read_answer(200, body).unwrap_err();
        assert!(failure.to_string().contains("saw: 114.221.21.30)"), "{failure}");
    }

    #[test]
    fn an_echoed_secret_is_not_repeated() {
        let body = br#"{"errcode":40125,"errmsg":"invalid appsecret the-app-secret"}"#;
        let failure = issuer().read_answer(200, body).unwrap_err();
        assert!(!format!("{failure} {failure:?}").contains("the-app-secret"));
    }

    #[tokio::test]
    async fn an_unreachable_issuer_is_a_transient_failure_without_the_url() {
        for fetch in [Fetch::Classic, Fetch::Stable, Fetch::Forced] {
            let failure = issuer().fetch(fetch).await.unwrap_err();
            assert_eq!(failure.fault, Fault::Transient);
            let text = format!("{failure} {failure:?}");
            assert!(!text.contains("the-app-secret") && !text.contains("http://"), "{text}");
        }
        assert_eq!(issuer().ask(&"92_x".into()).await, Liveness::Unknown);
    }

    #[tokio::test]
    async fn many_fetches_at_once_are_few_connections_at_a_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Arc::new(issuer_at(&base_url, Duration::from_secs(60)));
        let fetches: JoinSet<_> = (0..3 * CALLS_AT_ONCE)
            .map(|_| {
                let issuer = Arc::clone(&issuer);
                async move { issuer.fetch(Fetch::Stable).await }
            })
            .collect();
        let most = Arc::new(AtomicUsize::new(0));
        let answering = tokio::spawn(answer_in_groups(listener, Arc::clone(&most)));
        for fetched in fetches.join_all().await {
            fetched.unwrap();
        }
        assert_eq!(most.load(Ordering::Relaxed), CALLS_AT_ONCE);
        answering.abort();
    }

    /// Answers calls when [`CALLS_AT_ONCE`] are there, and notes the most that ever waited for their answer.
    async fn answer_in_groups(listener: TcpListener, most: Arc<AtomicUsize>) {
        let (all_there, waiting) = (Arc::new(Barrier::new(CALLS_AT_ONCE)), Arc::new(AtomicUsize::new(0)));
        loop {
            let (mut call, _) = listener.accept().await.unwrap();
            most.fetch_max(waiting.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            let (all_there, waiting) = (Arc::clone(&all_there), Arc::clone(&waiting));
            tokio::spawn(async move {
                let _ = call.read(&mut [0; 1024]).await;
                all_there.wait().await;
                waiting.fetch_sub(1, Ordering::Relaxed);
                let body = r#"{"access_token":"t","expires_in":7200}"#;
                let answer =
                    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = call.write_all(answer.as_bytes()).await;
                let _ = tokio::io::copy(&mut call, &mut tokio::io::sink()).await;
            });
        }
    }
}

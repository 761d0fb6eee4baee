//! To WeChat and back: the credential goes in, the answer is judged, and a refusal of the token is healed once.

use std::fmt::Display;
use std::sync::Arc;

use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response};

use super::Gateway;
use super::body::{Collected, Outgoing};
use super::error::Error;
use super::exchange::Exchange;
use super::fields::lines;
use super::in_flight::Permit;
use super::judge::{Judged, Verdict, judge, unjudged};
use super::reply::{ReplyBody, refusal, reply};
use super::retry::Retry;
use super::rewrite::{self, Pair, Target};
use super::route::Account;
use crate::observe::traces::Wait;
use crate::secret::{ExposeSecret, SecretString};
use crate::token::{Remedy, Token};
use crate::upstream::{self, Answer, SendError};
use crate::wechat::SecretName;

/// What leaves the query of a call that takes the secret, whatever the caller wrote there. Some SDKs add their token to
/// a login too, and that is a placeholder, which is nobody's business but ours.
const CREDENTIALS: [&str; 4] = ["access_token", "appid", "secret", "appsecret"];

/// A request on its way: its body as the caller sent it, and where it goes without the query.
pub(super) struct Call<'a> {
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) body: &'a Collected,
    /// Its `Authorization` was for us.
    pub(super) authorization_served: bool,
    /// Its head, and what is noted of it.
    pub(super) exchange: &'a Exchange,
}

/// What a request needs of its account besides the token: the name under which the secret goes out, if it does.
#[derive(Clone, Copy)]
pub(super) struct Credentials<'a> {
    pub(super) account: &'a Account,
    pub(super) secret: Option<SecretName>,
}

impl Gateway {
    /// The account's token goes in, the answer is judged, and a refusal is healed once. `permit` is the call's place among
    /// those in flight, which goes on with its answer.
    pub(super) async fn with_token(
        &self,
        call: &Call<'_>,
        credentials: Credentials<'_>,
        permit: Permit,
    ) -> Result<Response<ReplyBody>, Error> {
        let account = credentials.account;
        let token = {
            let _waiting = call.exchange.waits(Wait::Token);
            account.token.usable(self.setup.token_wait).await.map_err(Error::NoToken)?
        };
        let first = self.try_token(call, credentials, &token).await?;
        if !matches!(first.verdict, Verdict::Rejected(_)) {
            return Ok(reply(first, &secrets_of(account, &token), permit));
        }
        account.heals.attempted.inc();
        match self.fresh_token(call, account, &token).await {
            // Boxed, since few requests need it and its state would make every caller's connection larger.
            Some(fresh) => Ok(Box::pin(self.resend(call, credentials, permit, (first, &token), &fresh)).await),
            None => {
                let answer = reply(first, &secrets_of(account, &token), permit);
                Ok(healing_ended(call.exchange, account, Retry::Failed, answer))
            }
        }
    }

    /// The token to send once more with; `None` where the caller has to live with WeChat's refusal.
    async fn fresh_token(&self, call: &Call<'_>, account: &Account, refused: &Token) -> Option<Arc<Token>> {
        let generation = refused.generation();
        let (request_id, path) = (call.exchange.id(), call.path);
        tracing::debug!(%request_id, account = account.name, path, generation, "WeChat refused the token");
        let _waiting = call.exchange.waits(Wait::FreshToken);
        match account.token.rejected(generation, self.setup.token_wait).await {
            Remedy::Newer(fresh) => Some(fresh),
            Remedy::Alive(token) => {
                call.exchange.token_lives();
                tokio::time::sleep(self.setup.heal.pause).await;
                Some(token)
            }
            // The log says why, once, where it arose.
            Remedy::Failed(_) | Remedy::Withheld(_) | Remedy::TimedOut => None,
        }
    }

    /// Once more, and never a third time: whatever comes now is the caller's answer.
    async fn resend(
        &self,
        call: &Call<'_>,
        credentials: Credentials<'_>,
        permit: Permit,
        first: (Judged, &Token),
        fresh: &Token,
    ) -> Response<ReplyBody> {
        let (account, path, generation) = (credentials.account, call.path, fresh.generation());
        let request_id = call.exchange.id();
        match self.try_token(call, credentials, fresh).await {
            Ok(second) => {
                let retry = if second.verdict == Verdict::Accepted { Retry::Healed } else { Retry::Failed };
                if retry == Retry::Failed {
                    tracing::warn!(
                        %request_id,
                        account = account.name,
                        path,
                        generation,
                        "WeChat did not take the request again"
                    );
                }
                healing_ended(call.exchange, account, retry, reply(second, &secrets_of(account, fresh), permit))
            }
            // Never sent: WeChat's refusal is its last word.
            Err(Error::Upstream(SendError::Connect(error))) => {
                tracing::warn!(%request_id, account = account.name, path, %error, "the request could not be sent again");
                let answer = reply(first.0, &secrets_of(account, first.1), permit);
                healing_ended(call.exchange, account, Retry::Failed, answer)
            }
            // Sent, and perhaps done: the refusal would be a lie.
            Err(error) => {
                error.log(&call.exchange.head, request_id);
                call.exchange.failed(error.kind());
                healing_ended(call.exchange, account, Retry::Failed, refusal(&error))
            }
        }
    }

    async fn try_token(
        &self,
        call: &Call<'_>,
        Credentials { account, secret }: Credentials<'_>,
        token: &Token,
    ) -> Result<Judged, Error> {
        let token_pair = ("access_token", token.in_query().expose_secret());
        let answer = match secret {
            None => self.send(call, &["access_token"], &[token_pair]).await?,
            // Boxed, since few endpoints take both.
            Some(name) => Box::pin(self.send_both(call, token_pair, secret_pair(account, name))).await?,
        };
        let mut judged = judge(answer, &self.setup.heal.errcodes).await;
        call.exchange.judged(&mut judged, token.generation());
        if judged.verdict == Verdict::Accepted {
            token.accept();
        }
        Ok(judged)
    }

    async fn send_both(
        &self,
        call: &Call<'_>,
        token: Pair<'_>,
        [appid, secret]: [Pair<'_>; 2],
    ) -> Result<Answer<Outgoing>, Error> {
        self.send(call, &CREDENTIALS, &[token, appid, secret]).await
    }

    /// The account's appid and secret go in; never judged, never healed (architecture.md §8).
    pub(super) async fn with_secret(
        &self,
        call: &Call<'_>,
        account: &Account,
        name: SecretName,
        permit: Permit,
    ) -> Result<Response<ReplyBody>, Error> {
        let answer = self.send(call, &CREDENTIALS, &secret_pair(account, name)).await?;
        Ok(reply(unjudged(answer), &[&account.secret, &account.secret_in_query], permit))
    }

    /// Another credential than the account's is in it already, or none is needed.
    pub(super) async fn untouched(&self, call: &Call<'_>, permit: Permit) -> Result<Response<ReplyBody>, Error> {
        let answer = self.send(call, &[], &[]).await?;
        Ok(reply(unjudged(answer), &[], permit))
    }

    async fn send(&self, call: &Call<'_>, removed: &[&str], added: &[Pair<'_>]) -> Result<Answer<Outgoing>, Error> {
        let sending = call.exchange.is_sent();
        let outcome = self.upstream.send(&Rewritten { call, removed, added }).await.map_err(Error::from);
        sending.ended(&outcome);
        outcome
    }
}

/// A call as it goes to WeChat.
struct Rewritten<'a> {
    call: &'a Call<'a>,
    /// The names of the parameters that leave its query …
    removed: &'a [&'a str],
    /// … and those that take their place.
    added: &'a [Pair<'a>],
}

impl upstream::Request for Rewritten<'_> {
    type Body = Outgoing;

    fn id(&self) -> impl Display {
        self.call.exchange.id()
    }

    fn method(&self) -> &Method {
        &self.call.exchange.head.method
    }

    fn push_head(&self, head: &mut Vec<u8>, host: &HeaderValue) {
        let Call { path, query, body, authorization_served, exchange } = *self.call;
        exchange.goes_to(host);
        let Parts { method, headers, .. } = &exchange.head;
        let target = Target { path, query, removed: self.removed, added: self.added };
        let length = length_to_state(method, headers, body);
        rewrite::push_head(head, method, target, headers, host, length, authorization_served);
    }

    fn body(&self) -> Outgoing {
        self.call.body.outgoing()
    }
}

/// What an answer's fields must not tell, also in the form in which it stood in the query.
fn secrets_of<'a>(account: &'a Account, token: &'a Token) -> [&'a SecretString; 4] {
    [token.value(), token.in_query(), &account.secret, &account.secret_in_query]
}

/// The one true pair, as it stands in the query.
fn secret_pair(account: &Account, name: SecretName) -> [Pair<'_>; 2] {
    [("appid", &account.appid), (name.as_str(), account.secret_in_query.expose_secret())]
}

/// RFC 9110 §8.6: a request without content states its length only where its method expects content, or where the
/// caller stated it.
fn length_to_state(method: &Method, headers: &HeaderMap, body: &Collected) -> Option<u64> {
    let length = body.length();
    let expected = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    (length > 0 || expected || lines(headers, header::CONTENT_LENGTH).next().is_some()).then_some(length)
}

/// Tells the caller and the operator how a heal ended.
fn healing_ended(
    exchange: &Exchange,
    account: &Account,
    retry: Retry,
    mut answer: Response<ReplyBody>,
) -> Response<ReplyBody> {
    exchange.healing_ended(retry);
    match retry {
        Retry::Healed => account.heals.healed.inc(),
        Retry::Failed => account.heals.failed.inc(),
    };
    retry.mark(answer.headers_mut());
    answer
}

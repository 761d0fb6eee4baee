//! `wxgate call`: one request to WeChat's API from the command line, through a running gateway or on its own.

mod answer;
mod body;
mod direct;
mod running;
mod target;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;

use self::answer::{Answer, Output};
use self::body::{Body, Part};
use self::running::Gateway;
use self::target::Target;
use super::say_problem;
use crate::config::{self, Config, Environment};
use crate::egress::cause_of;
use crate::secret::SecretString;

/// What to call, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Request {
    /// GET, POST, …
    #[arg(value_parser = method)]
    method: Method,
    /// The path and the query, without a token; the URL as WeChat's documentation shows it will do too
    #[arg(value_parser = target::parse)]
    path: Target,
    /// The account to call as [default: the default account]
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The body: the text itself, @FILE, or - for standard input
    #[arg(long, short, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    data: Option<String>,
    /// A part of an upload's form: NAME=@FILE, or NAME=TEXT; may stand there several times
    #[arg(long, short, value_name = "NAME=@FILE", conflicts_with = "data", value_parser = body::part)]
    upload: Vec<Part>,
    /// A further header field; may stand there several times
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = field)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// Where the answer goes, byte for byte: a file, or - for standard output
    #[arg(long, short, value_name = "FILE|-")]
    output: Option<Output>,
    /// The longest that the whole call may take
    #[arg(long, default_value = "2m", value_parser = humantime::parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    through: Through,
}

/// The way that the call takes.
#[derive(Debug, clap::Args)]
struct Through {
    /// The gateway to call through: http://…, https://… or unix:/PATH [default: the configuration's listener]
    #[arg(long, value_name = "URL", value_parser = running::address)]
    gateway: Option<Gateway>,
    /// A file with the virtual secret, for a listener that demands callers
    #[arg(long, value_name = "FILE")]
    bearer_file: Option<PathBuf>,
    /// The variable that holds it
    #[arg(long, value_name = "VARIABLE", conflicts_with = "bearer_file")]
    bearer_env: Option<String>,
    /// PEM certificates to trust besides the system's, for https://…
    #[arg(long, value_name = "FILE", requires = "gateway")]
    ca_file: Option<PathBuf>,
    /// Call WeChat without a gateway, as an account of the configuration
    #[arg(long, conflicts_with_all = ["gateway", "bearer_file", "bearer_env"])]
    direct: bool,
}

const AFTER_HELP: &str = "\
The answer goes to standard output, JSON indented; what else there is to know goes to standard error: the status,
X-Wxgate-Retry and X-Wxgate-Error, an errcode with what to do about it, and the rid by which WeChat's support finds the
call. An answer that cannot be shown in a terminal wants --output; one with an errcode is always shown.

  wxgate call GET '/cgi-bin/user/get'
  wxgate call GET '/cgi-bin/user/info?openid=o6_bmjrPTlm6_2sgVt7hMZOPfL2M' --account shop
  wxgate call POST /cgi-bin/message/custom/send --data @message.json
  wxgate call POST '/cgi-bin/media/upload?type=image' --upload media=@picture.png
  wxgate call POST /wxa/getwxacodeunlimit --data '{\"scene\": \"a=1\"}' --output code.png

With --direct, the token is the one in the store where there is one; otherwise the stable endpoint is asked in normal mode,
whatever the account's setting: a call never ends the token that production uses. Nothing is refreshed or sent
again. No token and no secret is ever shown.

Exit codes: 0 all is well, 1 WeChat answered with an errcode or a status of 400 or above, or the call failed, 2 wrong
usage.";

/// The largest answer that is taken; WeChat's are 10 MB at most (wechat.md §4).
const ANSWER_LIMIT: usize = 64 << 20;

/// Why there is no answer.
enum Trouble {
    /// What was asked for makes no sense.
    Usage(String),
    /// It was tried in vain.
    Failed(String),
}

/// A way to WeChat, with the credentials that it takes put in.
struct Way {
    http: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    /// What an answer must not show, whatever echoes it.
    secrets: Vec<SecretString>,
    /// For people: "through …".
    description: String,
}

/// Makes the call and shows what came of it.
pub(super) async fn call(request: Request, config: Option<&Path>) -> ExitCode {
    let output = request.output.clone();
    match make(request, config).await {
        Ok(answer) => answer.show(output.as_ref()),
        Err(Trouble::Failed(problem)) => say_problem(&problem),
        Err(Trouble::Usage(problem)) => {
            say_problem(&problem);
            ExitCode::from(2)
        }
    }
}

async fn make(request: Request, config: Option<&Path>) -> Result<Answer, Trouble> {
    let account = request.account.as_deref();
    let body = body::read(request.data.as_deref(), request.upload).await?;
    let through = &request.through;
    let way = match (&through.gateway, through.direct) {
        (Some(gateway), _) => running::way(gateway, &request.path, account, through)?,
        (None, false) => {
            let gateway = running::find(&load(config, "--gateway URL needs none")?, account, through).await?;
            running::way(&gateway, &request.path, account, through)?
        }
        (None, true) => direct::way(&load(config, "--direct needs one")?, &request.path, account).await?,
    };
    let mut headers = way.headers.clone();
    headers.extend(request.header.into_iter().map(|(name, value)| (Some(name), value)));
    tokio::time::timeout(request.timeout, send(way, request.method, headers, body)).await.unwrap_or_else(|_| {
        let limit = humantime::format_duration(request.timeout);
        Err(Trouble::Failed(format!("no whole answer within {limit}; --timeout allows more")))
    })
}

/// The configuration; no warnings, for they are `wxgate check`'s to tell.
fn load(path: Option<&Path>, hint: &str) -> Result<Config, Trouble> {
    let loaded = config::load(path, &Environment::of_process());
    loaded.map(|loaded| loaded.config).map_err(|problems| {
        let advice = format!("the call takes its way from the configuration ({hint})");
        Trouble::Failed(format!("{problems}\n{advice}"))
    })
}

async fn send(way: Way, method: Method, mut headers: HeaderMap, body: Option<Body>) -> Result<Answer, Trouble> {
    let failed = |error| Trouble::Failed(format!("no answer {}: {}", way.description, cause_of(error)));
    let started = Instant::now();
    let mut request = way.http.request(method.clone(), way.url);
    match body {
        Some(Body::Form(form)) => request = request.multipart(form),
        Some(Body::Bytes(bytes)) => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            request = request.body(bytes);
        }
        // RFC 9110 §8.6: said where the method expects a body; WeChat wants to hear it.
        None if matches!(method, Method::POST | Method::PUT | Method::PATCH) => {
            headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
        }
        None => {}
    }
    let mut response = request.headers(headers).send().await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(Trouble::Failed("the answer has more than 64 MiB".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Answer::new(status, headers, body, &way.secrets, started.elapsed(), way.description))
}

fn method(text: &str) -> Result<Method, &'static str> {
    Method::from_bytes(text.to_ascii_uppercase().as_bytes()).map_err(|_| "no method of HTTP")
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = text.split_once(':').ok_or("must be a name, a colon and a value")?;
    let name = name.trim().parse().map_err(|_| "no name of a header field")?;
    let value = value.trim().parse().map_err(|_| "no value of a header field")?;
    Ok((name, value))
}

//! HTTP/1.1 towards WeChat: one request, one answer, polled in the task of the caller that waits for it.
//!
//! It stands in place of `hyper::client::conn::http1`, which runs each connection in a second task and passes every
//! message through two channels, 8,000 instructions a request (docs/architecture.md, chapter 3.7). What is less than
//! a whole HTTP client is left out on purpose: no pipelining, no upgrade, no request without a length.
//!
//! The reading ([`AnswerReader`], and below it `head`, `framing`, `chunked`) knows nothing of sockets; `tests/answers/`
//! and the fuzz target `answer` hold it against hyper's on the same bytes.

mod chunked;
mod connection;
mod exchange;
mod framing;
mod head;
mod malformed;
mod reader;
mod sending;

pub(super) use connection::Connection;
pub(super) use exchange::{Exchange, ExchangeError};
pub use malformed::Malformed;
pub use reader::{AnswerReader, BodyStep};

//! What a refresher needs to know of its account.

use std::time::Duration;

use crate::config::TokenKind;

/// How an account's token is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The account's name, for the log.
    pub account: String,
    /// Which endpoint hands the tokens out.
    pub kind: TokenKind,
    /// The configured margin; `None` for the endpoint's own.
    pub margin: Option<Duration>,
}

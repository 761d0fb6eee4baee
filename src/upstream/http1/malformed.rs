//! What makes bytes no answer.

/// Why bytes are not an answer, or not the rest of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The status line or a field does not parse.
    #[error("the head does not parse: {0}")]
    Head(#[from] httparse::Error),
    /// A field's name or value, or a status, that HTTP does not know.
    #[error("the head holds what HTTP does not allow")]
    Forbidden,
    /// A head beyond [`LARGEST_HEAD`](super::head::LARGEST_HEAD).
    #[error("the head is too large")]
    TooLarge,
    /// 101, after a request that asked for no other protocol.
    #[error("101 Switching Protocols, which nobody asked for")]
    Switching,
    /// `Content-Length` is no number, or two that differ.
    #[error("Content-Length is not one number")]
    Length,
    /// `Transfer-Encoding` is something else than `chunked`, or stands in an answer of HTTP/1.0.
    #[error("a transfer coding that nobody offered")]
    TransferCoding,
    /// The length, the end or the trailers of chunks.
    #[error("chunks: {0}")]
    Chunks(&'static str),
    /// The connection ended before the answer's own end.
    #[error("the connection ended before the answer did")]
    Truncated,
}

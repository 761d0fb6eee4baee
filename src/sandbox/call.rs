//! A request with its body read.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Request, Uri};

use super::journal::Seen;
use super::media::{Room, UPLOAD};
use super::query;
use super::world::World;

/// How many bytes of any body are kept.
const BEGINNING: usize = 64 << 10;

/// A request with its body read, as the endpoints see it. No `Debug`: it may hold a secret.
pub(super) struct Call {
    pub(super) seen: Arc<Seen>,
    pub(super) from: IpAddr,
    query: Vec<(String, String)>,
    /// The whole body, or the first 64 KiB of a large one that nobody wants to keep.
    pub(super) body: Bytes,
    /// Set when room was found in the media store, so that `body` is whole.
    pub(super) room: Option<Room>,
}

/// The request's body broke off.
#[derive(Debug)]
pub(super) struct BrokenOff;

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) connection: u64,
    pub(super) from: IpAddr,
}

impl Call {
    /// Reads the request to its end. Its whole body is kept only where an upload finds room.
    pub(super) async fn receive(world: &World, origin: Origin, request: Request<Incoming>) -> Result<Self, BrokenOff> {
        let (head, body) = request.into_parts();
        let target = target(&head.uri);
        let room = match head.uri.path() == UPLOAD {
            true => content_length(&head.headers).and_then(|length| world.media().reserve(length)),
            false => None,
        };
        let received = read(body, room.as_ref().map_or(BEGINNING, Room::bytes)).await?;
        let seen = Arc::new(received.seen(world, origin, head, target));
        let query = query::pairs(seen.query().unwrap_or_default());
        Ok(Self { seen, from: origin.from, query, body: received.beginning, room })
    }

    pub(super) fn method(&self) -> &Method {
        &self.seen.method
    }

    pub(super) fn path(&self) -> &str {
        self.seen.path()
    }

    /// The first value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters(name).next()
    }

    pub(super) fn parameters(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        self.seen.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    pub(super) fn is_chunked(&self) -> bool {
        self.seen.headers.contains_key(TRANSFER_ENCODING)
    }

    pub(super) fn has_content_length(&self) -> bool {
        self.seen.headers.contains_key(CONTENT_LENGTH)
    }
}

/// What became of a body: its length and digest, and its beginning, which may be all of it.
struct Received {
    length: u64,
    sha256: [u8; 32],
    beginning: Bytes,
}

impl Received {
    fn seen(&self, world: &World, origin: Origin, head: Parts, target: String) -> Seen {
        let is_whole = self.beginning.len() as u64 == self.length;
        Seen {
            connection: origin.connection,
            at: world.now(),
            method: head.method,
            target,
            version: head.version,
            headers: head.headers,
            body_length: self.length,
            body_sha256: self.sha256,
            body: (is_whole && self.beginning.len() <= BEGINNING).then(|| self.beginning.clone()),
        }
    }
}

async fn read(mut body: Incoming, keep: usize) -> Result<Received, BrokenOff> {
    let mut digest = Context::new(&SHA256);
    let mut length = 0;
    // Sized at once where much is kept: growing by doubling would overrun the store's bound.
    let mut beginning = BytesMut::with_capacity(if keep > BEGINNING { keep } else { 0 });
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BrokenOff)?.into_data() else { continue };
        digest.update(&data);
        length += data.len() as u64;
        beginning.extend_from_slice(&data[..data.len().min(keep - beginning.len())]);
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest.finish().as_ref());
    Ok(Received { length, sha256, beginning: beginning.freeze() })
}

/// The target as it was sent: hyper keeps path and query byte for byte.
fn target(uri: &Uri) -> String {
    match (uri.scheme(), uri.path_and_query()) {
        (None, Some(path_and_query)) => path_and_query.as_str().to_owned(),
        _ => uri.to_string(),
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

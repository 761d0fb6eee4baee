//! HTTP/2 frame by frame (RFC 9113 §4), for what no well-behaved caller sends.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::support::within;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
/// RFC 9113 §7.
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A connection on which frames are written by hand.
pub struct Frames<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Sends the preface and empty settings.
    pub async fn begin(stream: S) -> Self {
        let mut frames = Self(stream);
        let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, b"")].concat();
        frames.write(&preface).await;
        frames
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        within(self.0.write_all(bytes)).await.unwrap();
        within(self.0.flush()).await.unwrap();
    }

    /// The payload of the next frame of this type; `None` if the connection ends before.
    pub async fn next(&mut self, wanted: u8) -> Option<Vec<u8>> {
        loop {
            let mut head = [0; 9];
            within(self.0.read_exact(&mut head)).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            within(self.0.read_exact(&mut payload)).await.ok()?;
            if head[3] == wanted {
                return Some(payload);
            }
        }
    }

    /// Why the other side ends the connection; `None` if it does not say so.
    pub async fn goaway(&mut self) -> Option<u32> {
        let payload = self.next(GOAWAY).await?;
        Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()))
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// The fields of a GET by HTTPS, in the plainest form of RFC 7541: no index of our own, no Huffman code.
pub fn get(path: &str, authority: Option<&str>, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x82, 0x87]; // :method GET, :scheme https
    literal(&mut block, 0x04, "", path);
    if let Some(authority) = authority {
        literal(&mut block, 0x01, "", authority);
    }
    for (name, value) in fields {
        literal(&mut block, 0x00, name, value);
    }
    block
}

/// RFC 7541 §6.2.2; `index` 0 for a name that stands there itself.
fn literal(block: &mut Vec<u8>, index: u8, name: &str, value: &str) {
    block.push(index);
    for text in [name, value].into_iter().skip(usize::from(index != 0)) {
        let length = u8::try_from(text.len()).unwrap();
        assert!(length < 127, "longer texts have a longer length");
        block.push(length);
        block.extend_from_slice(text.as_bytes());
    }
}

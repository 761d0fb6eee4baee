//! An upstream that answers by the byte: what the sandbox, which speaks HTTP properly, cannot say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::support::Caller;

/// How an answer is written. The connection stays open behind it.
#[derive(Clone)]
pub enum Script {
    AtOnce(Vec<u8>),
    ByteByByte(Vec<u8>),
    /// These bytes over and over, a thousand times a second, as long as they are taken.
    ForEver(Vec<u8>),
}

impl From<Vec<u8>> for Script {
    fn from(bytes: Vec<u8>) -> Self {
        Self::AtOnce(bytes)
    }
}

/// The base URL of an upstream that answers the first request with the first of these, and so on; the last one is for
/// all that follow. It hands out no tokens.
pub async fn scripted(answers: Vec<impl Into<Script>>) -> String {
    let answers: Vec<Script> = answers.into_iter().map(Into::into).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let count = Arc::new(AtomicUsize::new(0));
        while let Ok((stream, _)) = listener.accept().await {
            let (answers, count) = (answers.clone(), count.clone());
            tokio::spawn(async move {
                let mut caller = Caller::over(stream);
                while let Some(is_token_fetch) = request(&mut caller).await {
                    let answer = if is_token_fetch {
                        Script::AtOnce(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec())
                    } else {
                        let number = count.fetch_add(1, Ordering::Relaxed);
                        answers[number.min(answers.len() - 1)].clone()
                    };
                    if write(&mut caller.stream, answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    base_url
}

/// Reads a request to its end, and says whether it is the gateway's own.
async fn request(caller: &mut Caller) -> Option<bool> {
    let head = String::from_utf8(caller.until(b"\r\n\r\n").await?).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    caller.exactly(length).await?;
    Some(head.contains("/cgi-bin/stable_token ") || head.contains("/cgi-bin/token?"))
}

async fn write(stream: &mut TcpStream, answer: Script) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    match answer {
        Script::AtOnce(bytes) => stream.write_all(&bytes).await,
        Script::ByteByByte(bytes) => {
            for byte in bytes {
                stream.write_all(&[byte]).await?;
            }
            Ok(())
        }
        Script::ForEver(bytes) => loop {
            stream.write_all(&bytes).await?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        },
    }
}

//! The body that goes up: bytes, or a form with files.

use std::io::{self, Read};
use std::path::PathBuf;

use reqwest::multipart::{self, Form};

use super::Trouble;

/// A request's body. All of it is in memory, so that it goes out with its length: WeChat answers 412 to chunked bodies.
pub(super) enum Body {
    Bytes(Vec<u8>),
    Form(Form),
}

/// A part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    name: String,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    File(PathBuf),
    Text(String),
}

/// `NAME=@FILE` or `NAME=TEXT`.
pub(super) fn part(text: &str) -> Result<Part, &'static str> {
    let (name, content) = text.split_once('=').ok_or("must be a name, = and @FILE or a text")?;
    let content = match content.strip_prefix('@') {
        Some(path) => Content::File(path.into()),
        None => Content::Text(content.to_owned()),
    };
    Ok(Part { name: name.to_owned(), content })
}

/// The body that was asked for; `None` for none.
pub(super) async fn read(data: Option<&str>, parts: Vec<Part>) -> Result<Option<Body>, Trouble> {
    if !parts.is_empty() {
        let mut form = Form::new();
        for Part { name, content } in parts {
            form = match content {
                Content::Text(text) => form.text(name, text),
                Content::File(path) => form.part(name, file(path)?),
            };
        }
        return Ok(Some(Body::Form(form)));
    }
    let Some(data) = data else { return Ok(None) };
    let bytes = match data.strip_prefix('@') {
        Some(path) => read_file(&path.into())?,
        None if data == "-" => read_standard_input().await?,
        None => data.as_bytes().to_vec(),
    };
    Ok(Some(Body::Bytes(bytes)))
}

/// A file with the name and the type by which WeChat knows what it is (41005 without a name: wechat.md §4).
fn file(path: PathBuf) -> Result<multipart::Part, Trouble> {
    let name = path.file_name().map_or_else(|| "file".to_owned(), |name| name.to_string_lossy().into_owned());
    let kind = mime_guess::from_path(&path).first_or_octet_stream();
    let part = multipart::Part::bytes(read_file(&path)?).file_name(name);
    part.mime_str(kind.as_ref()).map_err(|_| Trouble::Failed(format!("{}: of no known type", path.display())))
}

fn read_file(path: &PathBuf) -> Result<Vec<u8>, Trouble> {
    std::fs::read(path).map_err(|error| Trouble::Failed(format!("{}: {error}", path.display())))
}

async fn read_standard_input() -> Result<Vec<u8>, Trouble> {
    let read = || {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    };
    let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map_err(|error| Trouble::Failed(format!("standard input: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_file_or_a_text_which_may_hold_anything() {
        let part_of = |name: &str, content| Ok(Part { name: name.to_owned(), content });
        assert_eq!(part("media=@a b.png"), part_of("media", Content::File("a b.png".into())));
        assert_eq!(part("description={\"a\":\"=@\"}"), part_of("description", Content::Text("{\"a\":\"=@\"}".into())));
        assert!(part("picture.png").is_err());
    }
}

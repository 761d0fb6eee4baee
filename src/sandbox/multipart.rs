//! Just enough of multipart/form-data (RFC 7578) to find the uploaded file.

use bytes::Bytes;
use hyper::header::HeaderValue;
use memchr::memmem;

use super::media::File;

/// The first part that has a `filename`, as WeChat demands of an upload (wechat.md §4).
///
/// Where `body` is only the beginning, the file's bytes may be cut short.
pub(super) fn file(content_type: &str, body: &Bytes) -> Option<File> {
    let boundary = boundary(content_type)?;
    // Every delimiter but the first follows a line break, which belongs to it (RFC 2046 §5.1.1).
    let delimiter = format!("\r\n--{boundary}");
    let mut at = memmem::find(body, &delimiter.as_bytes()[2..])? + delimiter.len() - 2;
    loop {
        let head = at..at + memmem::find(&body[at..], b"\r\n\r\n")?;
        let start = head.end + 4;
        let end = memmem::find(&body[start..], delimiter.as_bytes()).map_or(body.len(), |length| start + length);
        if let Some(file) = named_file(&String::from_utf8_lossy(&body[head]), body.slice(start..end)) {
            return Some(file);
        }
        at = (end + delimiter.len()).min(body.len());
    }
}

fn named_file(head: &str, bytes: Bytes) -> Option<File> {
    let (_, rest) = head.split_once("filename=\"")?;
    let (name, _) = rest.split_once('"')?;
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let content_type = lines.find(|(field, _)| field.eq_ignore_ascii_case("content-type"));
    let content_type = content_type.and_then(|(_, value)| HeaderValue::from_str(value.trim()).ok());
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Some(File { name: name.to_owned(), content_type, bytes })
}

fn boundary(content_type: &str) -> Option<&str> {
    let (_, rest) = content_type.split_once("boundary=")?;
    let value = rest.split(';').next().unwrap_or(rest).trim().trim_matches('"');
    Some(value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a b.jpg\"\r\n\
        content-type: image/jpeg\r\n\r\n\xff\xd8\r\n--X\r\n\r\n\xd9\r\n--XX--\r\n";

    #[test]
    fn the_file_is_found_behind_other_parts_byte_for_byte() {
        let file = file("multipart/form-data; boundary=\"XX\"", &Bytes::from_static(FORM)).unwrap();
        assert_eq!((file.name.as_str(), file.content_type.as_bytes()), ("a b.jpg", &b"image/jpeg"[..]));
        assert_eq!(&file.bytes[..], b"\xff\xd8\r\n--X\r\n\r\n\xd9");
    }

    #[test]
    fn a_beginning_suffices_to_see_that_there_is_a_file() {
        let beginning = Bytes::from_static(FORM).slice(..FORM.len() - 12);
        assert_eq!(file("multipart/form-data; boundary=XX", &beginning).unwrap().name, "a b.jpg");
    }

    #[test]
    fn no_filename_no_boundary_or_no_form_is_no_file() {
        let nameless =
            Bytes::from_static(b"--XX\r\nContent-Disposition: form-data; name=\"media\"\r\n\r\nhi\r\n--XX--");
        assert_eq!(file("multipart/form-data; boundary=XX", &nameless), None);
        assert_eq!(file("multipart/form-data", &Bytes::from_static(FORM)), None);
        assert_eq!(file("multipart/form-data; boundary=XX", &Bytes::from_static(b"{}")), None);
    }
}

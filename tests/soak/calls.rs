//! What the callers ask for, and how they know WeChat's answer to it.

use fastrand::Rng;

use crate::support::Reply;

/// Every path that is called.
pub const PATHS: [&str; 7] = [
    "/cgi-bin/user/info",
    "/cgi-bin/message/custom/send",
    "/cgi-bin/user/get",
    "/sns/jscode2session",
    "/wxa/getwxacodeunlimit",
    "/cgi-bin/media/upload",
    "/cgi-bin/media/get",
];

/// One request, and what its answer must be like.
pub struct Call {
    pub method: &'static str,
    pub target: String,
    pub fields: Vec<(&'static str, &'static str)>,
    pub body: Vec<u8>,
    pub is_answered: Box<dyn Fn(&Reply) -> bool + Send>,
}

impl Call {
    /// Whether WeChat says that it saw this login's code before. A GET may be sent twice (RFC 9110 §9.2.2), when a kept
    /// connection dies without an answer; its code counts once.
    pub fn is_used_up(&self, reply: &Reply) -> bool {
        self.target.starts_with(PATHS[3]) && reply.status == 200 && reply.json()["errcode"] == 40029
    }
}

/// A call of any kind. `uploaded` is what the caller uploaded last, which it may download.
pub fn any(random: &mut Rng, uploaded: Option<&(String, Vec<u8>)>) -> Call {
    match random.u8(0..10) {
        0..=2 => info(random),
        3..=4 => message(random),
        5 => list(),
        6 => session(random),
        7 => picture(random),
        8 => upload(random),
        _ => uploaded.map_or_else(|| info(random), download),
    }
}

fn info(random: &mut Rng) -> Call {
    let openid = format!("o{:016x}", random.u64(..));
    get(format!("{}?lang=zh_CN&openid={openid}", PATHS[0]), move |reply| reply.json()["openid"] == *openid)
}

fn message(random: &mut Rng) -> Call {
    let content = "你好".repeat(random.usize(1..200));
    let body = format!("{{\"touser\":\"o6\",\"msgtype\":\"text\",\"text\":{{\"content\":\"{content}\"}}}}");
    post(PATHS[1], vec![("Content-Type", "application/json")], body.into(), |reply| reply.json()["errcode"] == 0)
}

fn list() -> Call {
    get(PATHS[2].to_owned(), |reply| reply.json()["data"]["openid"].as_array().is_some_and(|list| list.len() == 10_000))
}

fn session(random: &mut Rng) -> Call {
    let code = random.u64(..);
    let target = format!("{}?secret=dummy&js_code={code:x}&grant_type=authorization_code", PATHS[3]);
    get(target, |reply| reply.json()["session_key"].is_string())
}

fn picture(random: &mut Rng) -> Call {
    let body = format!("{{\"scene\":\"id={}\"}}", random.u32(..));
    post(PATHS[4], Vec::new(), body.into(), |reply| reply.body.starts_with(b"\x89PNG"))
}

/// A file between a byte and 300 KB.
fn upload(random: &mut Rng) -> Call {
    let file = vec![random.alphanumeric() as u8; random.usize(1..300_000)];
    let head = b"--XX\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.png\"\r\n\r\n";
    let body = [head, &file[..], b"\r\n--XX--\r\n"].concat();
    let form = vec![("Content-Type", "multipart/form-data; boundary=XX")];
    post(PATHS[5], form, body, |reply| reply.json()["media_id"].is_string())
}

/// The file in the body of an upload, under the name that WeChat gave it.
pub fn uploaded(call: &Call, reply: &Reply) -> Option<(String, Vec<u8>)> {
    let start =
        call.target.starts_with(PATHS[5]).then(|| call.body.windows(4).position(|end| end == b"\r\n\r\n"))?? + 4;
    let file = call.body[start..].strip_suffix(b"\r\n--XX--\r\n")?;
    Some((reply.json()["media_id"].as_str()?.to_owned(), file.to_vec()))
}

fn download((media_id, file): &(String, Vec<u8>)) -> Call {
    let file = file.clone();
    get(format!("{}?media_id={media_id}", PATHS[6]), move |reply| reply.body == file)
}

fn get(target: String, is_answered: impl Fn(&Reply) -> bool + Send + 'static) -> Call {
    Call { method: "GET", target, fields: Vec::new(), body: Vec::new(), is_answered: Box::new(is_answered) }
}

fn post(
    path: &str,
    fields: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    is_answered: impl Fn(&Reply) -> bool + Send + 'static,
) -> Call {
    Call { method: "POST", target: path.to_owned(), fields, body, is_answered: Box::new(is_answered) }
}

//! Uploads, downloads and pictures: everything whose body is not JSON.

use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use serde_json::{Value, json};

use crate::sandbox::answer::Answer;
use crate::sandbox::call::Call;
use crate::sandbox::world::World;
use crate::sandbox::{multipart, picture};

/// `POST /cgi-bin/media/upload`: remembers the file, where there is room, under a new media_id.
pub(super) fn upload(world: &World, call: Call) -> Answer {
    let Some(file) = call.content_type().and_then(|kind| multipart::file(kind, &call.body)) else {
        return Answer::error(41005);
    };
    let media_id = format!("sandbox_{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let kind = call.parameter("type").unwrap_or("image");
    let answer = json!({"type": kind, "media_id": media_id, "created_at": 1_700_000_000, "item": []});
    if let Some(room) = call.room {
        world.media().keep(media_id, file, room);
    }
    Answer::json_as_text(&answer)
}

/// `GET /cgi-bin/media/get`: the very bytes, or a JSON error with HTTP 200.
pub(super) fn download(world: &World, call: &Call) -> Answer {
    let Some(file) = call.parameter("media_id").and_then(|id| world.media().find(id)) else {
        return Answer::error(40007);
    };
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", file.name));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    Answer::new(StatusCode::OK, file.content_type, file.bytes).header(CONTENT_DISPOSITION, disposition)
}

/// `POST /wxa/getwxacodeunlimit`: a picture that depends on `scene`.
pub(super) fn code_picture(call: &Call) -> Answer {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let Some(scene) = body["scene"].as_str().filter(|scene| (1..=32).contains(&scene.len())) else {
        return Answer::error(40129);
    };
    let seed = scene.bytes().fold(0_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    match picture::png(seed) {
        Ok(png) => Answer::new(StatusCode::OK, HeaderValue::from_static("image/png"), png),
        Err(_) => Answer::error(-1),
    }
}

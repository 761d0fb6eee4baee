//! The business endpoints.

use serde_json::json;

use super::*;

const FORM: &str = "Content-Type: multipart/form-data; boundary=XX\r\n";

/// A form with one part that may or may not have a filename.
fn form(filename: &str, file: &[u8]) -> Vec<u8> {
    let head =
        format!("--XX\r\nContent-Disposition: form-data; name=\"media\"{filename}\r\nContent-Type: image/png\r\n\r\n");
    [head.as_bytes(), file, b"\r\n--XX--\r\n"].concat()
}

#[tokio::test]
async fn an_upload_comes_back_byte_for_byte() {
    let wechat = Sandbox::fresh().await;
    let file: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let target = wechat.signed("/cgi-bin/media/upload?type=image");
    let uploaded = wechat.send("POST", &target, FORM, form("; filename=\"qr.png\"", &file)).await.json();
    assert_eq!(uploaded["type"], "image");
    let media_id = uploaded["media_id"].as_str().unwrap();
    let answer = wechat.get(&wechat.signed(&format!("/cgi-bin/media/get?media_id={media_id}"))).await;
    assert!(answer.head().contains("content-type: image/png"), "{}", answer.head());
    assert!(answer.head().contains("attachment; filename=\"qr.png\""), "{}", answer.head());
    assert!(answer.body() == file, "{} bytes", answer.body().len());
}

#[tokio::test]
async fn an_upload_needs_a_filename_and_a_download_a_known_media_id() {
    let wechat = Sandbox::fresh().await;
    let target = wechat.signed("/cgi-bin/media/upload?type=image");
    assert_eq!(wechat.send("POST", &target, FORM, form("", b"png")).await.errcode(), Some(41005));
    let answer = wechat.get(&wechat.signed("/cgi-bin/media/get?media_id=unknown")).await;
    assert_eq!(answer.errcode(), Some(40007));
}

#[tokio::test]
async fn an_upload_without_room_is_answered_and_forgotten() {
    let wechat = Sandbox::start(Settings { media_memory: 0, ..Settings::default() }).await.unwrap();
    let file = vec![7; 300_000];
    let target = wechat.signed("/cgi-bin/media/upload?type=image");
    let uploaded = wechat.send("POST", &target, FORM, form("; filename=\"a\"", &file)).await.json();
    let media_id = uploaded["media_id"].as_str().unwrap();
    let answer = wechat.get(&wechat.signed(&format!("/cgi-bin/media/get?media_id={media_id}"))).await;
    assert_eq!(answer.errcode(), Some(40007));
}

#[tokio::test]
async fn the_list_of_followers_is_big_and_has_a_second_page() {
    let wechat = Sandbox::fresh().await;
    let answer = wechat.get(&wechat.signed("/cgi-bin/user/get")).await;
    assert!(answer.head().contains("content-type: application/json; encoding=utf-8"), "{}", answer.head());
    assert!((300_000..330_000).contains(&answer.body().len()), "{}", answer.body().len());
    let first = answer.json();
    let next = first["next_openid"].as_str().unwrap();
    let second = wechat.get(&wechat.signed(&format!("/cgi-bin/user/get?next_openid={next}"))).await.json();
    assert_eq!((first["count"].as_u64(), second["count"].as_u64()), (Some(10_000), Some(2_000)));
    assert_eq!(first["data"]["openid"][9_999], next);
    assert_ne!(second["data"]["openid"][0], next);
}

#[tokio::test]
async fn a_picture_is_binary_and_its_error_is_json() {
    let wechat = Sandbox::fresh().await;
    let target = wechat.signed("/wxa/getwxacodeunlimit");
    let picture = wechat.post(&target, r#"{"scene":"a=1"}"#).await;
    assert!(picture.body().starts_with(b"\x89PNG") && picture.body().len() > 100_000);
    assert_eq!(wechat.post(&target, "{}").await.errcode(), Some(40129));
}

#[tokio::test]
async fn a_success_may_nest_an_errcode_that_means_nothing() {
    let wechat = Sandbox::fresh().await;
    let answer = wechat.post(&wechat.signed("/wxa/msg_sec_check"), r#"{"content":"hi"}"#).await.json();
    assert_eq!((&answer["errcode"], &answer["detail"][0]["errcode"]), (&json!(0), &json!(40001)));
}

#[tokio::test]
async fn the_wrong_method_is_refused_behind_the_door() {
    let wechat = Sandbox::fresh().await;
    assert_eq!(wechat.get(&wechat.signed("/wxa/msg_sec_check")).await.errcode(), Some(43002));
    assert_eq!(wechat.post(&wechat.signed("/cgi-bin/user/info"), "{}").await.errcode(), Some(43001));
}

#[tokio::test]
async fn calls_with_the_secret_take_no_token() {
    let wechat = Sandbox::fresh().await;
    let pair = FETCH.replace("grant_type=client_credential&", "");
    let session = wechat.get(&format!("/sns/jscode2session?{pair}&js_code=c0de&grant_type=authorization_code")).await;
    assert!(session.json()["openid"].is_string());
    assert_eq!(wechat.get(&format!("/sns/jscode2session?{pair}")).await.errcode(), Some(41008));
    let guess = pair.replace(DEFAULT_SECRET, "guess");
    assert_eq!(wechat.get(&format!("/sns/jscode2session?{guess}&js_code=c0de")).await.errcode(), Some(40125));
    let pair = pair.replace("secret=5a", "appsecret=5a");
    let clear = format!("/cgi-bin/clear_quota/v2?{pair}");
    assert_eq!(wechat.post(&clear, "").await.errcode(), Some(0));
    let verify = format!("/donut/code2verifyinfo?{pair}&code=c0de");
    assert_eq!(wechat.get(&verify).await.errcode(), Some(41001));
    assert_eq!(wechat.get(&wechat.signed(&verify)).await.errcode(), Some(0));
}

#[tokio::test]
async fn an_end_users_token_is_not_the_accounts() {
    let wechat = Sandbox::fresh().await;
    let pair = FETCH.replace("grant_type=client_credential&", "");
    let user = wechat.get(&format!("/sns/oauth2/access_token?{pair}&code=c0de")).await.json();
    let token = user["access_token"].as_str().unwrap();
    assert_eq!(wechat.get(&format!("/sns/auth?access_token={token}&openid=o")).await.errcode(), Some(0));
    assert_eq!(wechat.get(&wechat.signed("/sns/userinfo?openid=o")).await.errcode(), Some(40001));
    assert_eq!(wechat.get(&format!("/cgi-bin/user/info?openid=o&access_token={token}")).await.errcode(), Some(40001));
    let refresh = user["refresh_token"].as_str().unwrap();
    let target = format!("/sns/oauth2/refresh_token?appid={DEFAULT_APPID}&refresh_token={refresh}");
    assert!(wechat.get(&target).await.json()["access_token"].is_string());
}

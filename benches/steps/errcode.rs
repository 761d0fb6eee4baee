//! Reading an answer's errcode (architecture.md §3.8); answers longer than 4 KiB are not read.

use divan::{Bencher, black_box};
use wxgate::wechat::errcode;

#[divan::bench]
fn in_27_bytes_that_say_ok(bencher: Bencher<'_, '_>) {
    read(bencher, br#"{"errcode":0,"errmsg":"ok"}"#.to_vec());
}

#[divan::bench]
fn in_a_refusal_of_the_token(bencher: Bencher<'_, '_>) {
    let refusal = r#"{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest rid: 6"}"#;
    read(bencher, refusal.into());
}

#[divan::bench(args = [270, 4096])]
fn in_an_answer_without_one(bencher: Bencher<'_, '_>, length: usize) {
    let user = r#"{"openid":"oZ1y26dV7mHOJcaRP3lWzVUwgkD8","nickname":"\u5f20\u4e09"},"#;
    let mut answer = format!(r#"{{"user_info_list":[{}"#, user.repeat(length / user.len() + 1));
    answer.truncate(length);
    read(bencher, answer.into());
}

fn read(bencher: Bencher<'_, '_>, answer: Vec<u8>) {
    bencher.bench_local(|| errcode(black_box(&answer)));
}

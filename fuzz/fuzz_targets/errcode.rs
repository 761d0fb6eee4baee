#![no_main]

#[path = "../properties/errcode.rs"]
mod errcode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| errcode::holds(data));

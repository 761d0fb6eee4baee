#![no_main]

#[path = "../properties/route.rs"]
mod route;

libfuzzer_sys::fuzz_target!(|data: &[u8]| route::holds(data));

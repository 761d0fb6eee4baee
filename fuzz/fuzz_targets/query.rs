#![no_main]

#[path = "../properties/query.rs"]
mod query;

libfuzzer_sys::fuzz_target!(|data: &[u8]| query::holds(data));

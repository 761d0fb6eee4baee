#![no_main]

#[path = "../properties/placeholder.rs"]
mod placeholder;

libfuzzer_sys::fuzz_target!(|data: &[u8]| placeholder::holds(data));

//! What the fuzz targets start from, and what they found, as ordinary tests: every file in `fuzz/seeds/` and every
//! regression below goes through the very function that its target calls. How to fuzz: `fuzz/README.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]
#![allow(unreachable_pub, reason = "the modules here have no outside")]

#[path = "../fuzz/properties/answer.rs"]
#[allow(dead_code, reason = "the table of answers uses the rest")]
mod answer;
#[path = "../fuzz/properties/config.rs"]
mod config;
#[path = "../fuzz/properties/errcode.rs"]
mod errcode;
#[path = "../fuzz/properties/placeholder.rs"]
mod placeholder;
#[path = "../fuzz/properties/query.rs"]
mod query;
#[path = "../fuzz/properties/route.rs"]
mod route;

use std::fs;
use std::panic::catch_unwind;

macro_rules! seeds_of {
    ($($target:ident),*) => {$(
        mod $target {
            #[test]
            fn hold() {
                super::hold(stringify!($target), crate::$target::holds);
            }
        }
    )*};
}

mod seeds {
    use super::hold;
    seeds_of!(answer, config, errcode, placeholder, query, route);
}

/// Every seed of a target has its property.
fn hold(target: &str, property: fn(&[u8])) {
    let mut seeds = 0;
    for entry in fs::read_dir(format!("fuzz/seeds/{target}")).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::read(&path).unwrap();
        assert!(catch_unwind(|| property(&data)).is_ok(), "{}", path.display());
        seeds += 1;
    }
    assert!(seeds > 0, "no seeds in fuzz/seeds/{target}");
}

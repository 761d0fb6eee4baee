//! The real program: SIGHUP, and files that change under it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::process::Program;
use crate::support::{Caller, account, config_text, sandbox};

const POST: (&str, &str) = ("POST", "/wxa/any");

/// What a caller gets for a body of ten bytes.
async fn status(address: SocketAddr) -> u16 {
    let mut caller = Caller::connect(address).await;
    caller.request(POST.0, POST.1, &[], b"0123456789").await;
    caller.reply().await.status
}

fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

#[tokio::test]
async fn sighup_reads_the_file_again_and_says_what_came_of_it() {
    let wechat = sandbox().await;
    let text = |keys: &str| config_text(&wechat.base_url(), &format!("{keys}\n{}", account()));
    let mut program = Program::run(&text(""));
    let address = program.address().await;
    assert_eq!(status(address).await, 200);
    let file = program.directory().join("config.toml");

    replace(&file, &text("body.limit = '9B'\nlog.format = 'json'\nlog.level = 'debug'"));
    program.signal("HUP");
    program.says("read again and is in force cause=SIGHUP").await;
    program.says("log.format: has changed, which takes effect with the next start").await;
    assert_eq!(status(address).await, 413);
    program.says("kind=\"body_too_large\"").await; // at level debug only

    replace(&file, "body.limits = 1\nheal = 2");
    program.signal("HUP");
    program.says("the old one stays in force: body.limits: unknown key").await;
    program.says("the old one stays in force: heal: must be a table").await;
    assert_eq!(status(address).await, 413);
}

#[tokio::test]
async fn a_file_that_changes_is_read_again_however_it_is_put_there() {
    let wechat = sandbox().await;
    let text = |keys: &str| config_text(&wechat.base_url(), &format!("{keys}\n{}", account()));
    // As Kubernetes mounts a ConfigMap: the file is a link into a link that is replaced as a whole.
    let directory = TempDir::new().unwrap();
    let place = |name: &str| directory.path().join(name);
    for (version, keys) in [("1", ""), ("2", "body.limit = '9B'")] {
        fs::create_dir(place(version)).unwrap();
        fs::write(place(version).join("config.toml"), text(keys)).unwrap();
    }
    symlink("1", place("data")).unwrap();
    symlink("data/config.toml", place("config.toml")).unwrap();
    let mut program = Program::command(&["run", "--config", place("config.toml").to_str().unwrap()]);
    let address = program.address().await;
    assert_eq!(status(address).await, 200);

    symlink("2", place("next")).unwrap();
    fs::rename(place("next"), place("data")).unwrap();
    program.says("is in force cause=a changed file").await;
    assert_eq!(status(address).await, 413);

    // An editor puts a file in the link's place, first a bad one.
    program.lines.clear();
    replace(&place("config.toml"), "nonsense");
    program.says("the old one stays in force").await;
    assert_eq!(program.lines.iter().filter(|line| line.contains("stays in force")).count(), 1);
    program.lines.clear();
    replace(&place("config.toml"), &text(""));
    program.says("is in force cause=a changed file").await;
    assert!(!program.lines.iter().any(|line| line.contains("stays in force")), "it was said once");
}

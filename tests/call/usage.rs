//! What cannot be meant, and the help.

use crate::support::Place;

#[tokio::test]
async fn what_cannot_be_meant_exits_with_2() {
    for arguments in [
        &["GET"][..],
        &["G ET", "/x"],
        &["GET", "cgi-bin/user/get"],
        &["GET", "https://example.com/x"],
        &["GET", "/cgi-bin/token?grant_type=client_credential"],
        &["POST", "/@shop/cgi-bin/stable_token"],
        &["POST", "/x", "--upload", "picture.png"],
        &["POST", "/x", "--upload", "a=@b", "--data", "x"],
        &["GET", "/x", "--gateway", "127.0.0.1:8080"],
        &["GET", "/x", "--gateway", "http://127.0.0.1:8080", "--direct"],
        &["GET", "/x", "--direct", "--bearer-env", "A"],
        &["GET", "/x", "--header", "no colon"],
    ] {
        let run = Place::empty().call(arguments).await;
        assert_eq!((run.exit, run.stdout()), (2, ""), "{arguments:?}: {}", run.stderr);
    }
}

#[tokio::test]
async fn a_file_that_is_missing_and_a_configuration_that_is_none_are_problems() {
    let run = Place::empty().call(&["POST", "/x", "--data", "@missing.json"]).await;
    assert_eq!(run.exit, 1);
    assert!(run.stderr.contains("missing.json: "), "{}", run.stderr);
    let run = Place::empty().call(&["GET", "/x"]).await;
    assert_eq!(run.exit, 1);
    assert!(run.stderr.contains("--gateway URL needs none"), "{}", run.stderr);
}

#[tokio::test]
async fn the_help_shows_how_it_is_meant() {
    let run = Place::empty().call(&["--help"]).await;
    assert_eq!(run.exit, 0);
    for part in ["--upload media=@picture.png", "Exit codes", "--direct", "No token and no secret is ever shown"] {
        assert!(run.stdout().contains(part), "{part} in {}", run.stdout());
    }
}

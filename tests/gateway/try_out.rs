//! `wxgate sandbox`: what it prints works when it is pasted.

use std::process::{Command, Output};

use crate::process::Program;

const PORTS: [&str; 7] = ["sandbox", "--port", "0", "--wechat-port", "0", "--admin-port", "0"];

#[tokio::test]
async fn the_printed_lines_do_what_they_say() {
    let mut program = Program::command(&PORTS);
    program.says("Ctrl-C stops it").await;
    let lines: Vec<String> = program.lines.iter().map(|line| line.trim().to_owned()).collect();
    let pasted: Vec<&str> = lines.iter().filter(|line| line.starts_with("curl ")).map(String::as_str).collect();
    let [first, kill, healed] = pasted[..] else { panic!("{lines:#?}") };

    let answer = paste(first).await;
    assert!(answer.contains(r#""openid":"o6_bmjrPTlm6_2sgVt7hMZOPfL2M""#), "{answer}");
    let answer = paste(kill).await;
    assert!(answer.contains(r#""done": true"#), "{answer}");
    let answer = paste(healed).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok\r\n") && answer.contains("x-wxgate-retry: healed\r\n"), "{answer}");

    program.signal("INT");
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_nothing_is_promised() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--port", "--wechat-port", "--admin-port"] {
        let mut arguments = PORTS;
        arguments[PORTS.iter().position(|word| *word == flag).unwrap() + 1] = &port;
        let mut program = Program::command(&arguments);
        assert_eq!(program.ended().await.code(), Some(1), "{flag}");
        program.says(&port).await;
        assert!(!program.lines.iter().any(|line| line.contains("curl")), "{flag} {:#?}", program.lines);
    }
}

/// What a person sees who pastes the line into a shell.
async fn paste(line: &str) -> String {
    let line = line.replacen("curl ", "curl --silent --show-error --max-time 20 ", 1);
    let shell = tokio::task::spawn_blocking(move || Command::new("sh").args(["-c", &line]).output());
    let Output { status, stdout, stderr } = shell.await.unwrap().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

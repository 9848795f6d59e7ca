//! `log archive`, `log segments` and `log restore` of the real binary: both ways, and exit codes.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

#[path = "common/command.rs"]
mod command;
#[path = "common/process.rs"]
mod process;
use command::run;
use process::Process;

fn evenkeel(home: &Path, arguments: &[&str]) -> (Output, i32) {
    let output = run(home, arguments);
    let code = output.status.code().expect("it ended by itself");
    (output, code)
}

/// A directory that a server has made and left.
fn left() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary directory can be made");
    let server = Process::start(&mut process::serve(home.path(), "127.0.0.1:0"));
    drop(server.expect("it serves"));
    home
}

const HERE: &[&str] = &["--data", "data"];

fn said(output: &Output) -> String {
    let told = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(told).expect("a command writes text")
}

#[test]
fn a_short_log_stays_in_the_database_and_that_is_said_both_ways() {
    let home = left();
    let server = Process::start(&mut process::serve(home.path(), "127.0.0.1:0"));
    let server = server.expect("it serves");
    let url = format!("http://{}", server.address);
    let token = process::token(home.path());
    let remote = ["--url", url.as_str(), "--token", token.as_str()];
    for flags in [&remote[..], HERE] {
        let (output, code) = evenkeel(home.path(), &[&["log", "archive"], flags].concat());
        assert_eq!(code, 0, "{output:?}");
        let text = said(&output);
        assert!(text.starts_with("Nothing to archive: "), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        let (output, code) = evenkeel(home.path(), &[&["log", "segments"], flags].concat());
        assert_eq!(code, 0, "{output:?}");
        assert_eq!(said(&output), "The log is in the database from 1 on.\n");
        let json = [&["log", "segments", "--json"], flags].concat();
        let (output, _) = evenkeel(home.path(), &json);
        let list: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!(
            (&list["floor"], &list["items"]),
            (&1.into(), &Value::Array(Vec::new()))
        );
        let deep = [&["verify", "--deep"], flags].concat();
        assert_eq!(evenkeel(home.path(), &deep).1, 0);
    }
}

#[test]
fn a_segment_that_is_not_there_is_not_restored() {
    let home = left();
    let (output, code) = evenkeel(home.path(), &[&["log", "restore", "1"], HERE].concat());
    assert_eq!(code, 1, "{output:?}");
    let copy = home.path().join("copy");
    std::fs::write(&copy, "no segment").expect("it is written");
    let from = ["log", "restore", "1", "--from", "copy"];
    let (output, code) = evenkeel(home.path(), &[&from[..], HERE].concat());
    assert_eq!(code, 1, "{output:?}");
    assert!(
        said(&output).contains("there is no segment 1"),
        "{output:?}"
    );
    let (output, code) = evenkeel(home.path(), &from);
    assert_eq!(code, 2, "{output:?}");
}

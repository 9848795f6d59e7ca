//! `verify` of the real binary: both ways to the stores, anchors, exit codes, the picture.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

#[path = "common/command.rs"]
mod command;
use command::{evenkeel, run};

/// What `verify` with these flags answers, and its exit code.
fn verify(directory: &Path, arguments: &[&str]) -> (Output, i32) {
    let all = [["verify"].as_slice(), arguments].concat();
    let output = run(directory, &all);
    let code = output.status.code().expect("it ended by itself");
    (output, code)
}

/// A server on a free port; killed when the test is done with it.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let mut command = evenkeel(directory, &["serve", "--listen", "127.0.0.1:0"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary was built for this test");
        let out = child.stdout.take().expect("standard output is piped");
        let mut first = String::new();
        let read = BufReader::new(out).read_line(&mut first);
        read.expect("a server says when it serves");
        let url = first.trim().strip_prefix("ready ");
        let url = url.expect("the first line says ready").to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited = self.child.wait();
    }
}

fn room() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

fn anchors(directory: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("evenkeel-data/anchors"));
    let text = text.unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

const HERE: &[&str] = &["--data", "evenkeel-data"];

#[test]
fn a_whole_store_is_held_both_ways_and_leaves_an_anchor() {
    let room = room();
    let server = Server::start(room.path());
    assert!(anchors(room.path()).is_empty(), "the log was empty");
    for flags in [["--url", server.url.as_str()], ["--data", "evenkeel-data"]] {
        let (output, code) = verify(room.path(), &flags);
        assert_eq!(code, 0, "{output:?}");
        let text = String::from_utf8(output.stdout).expect("a picture is text");
        assert!(
            text.ends_with("Nothing is violated, at position 1.\n"),
            "{text}"
        );
        for number in 1..=22 {
            let id = format!("I{number} ");
            let lines = text.lines().filter(|line| line.starts_with(&id));
            assert_eq!(lines.count(), 1, "{id}: {text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        let (output, code) = verify(room.path(), &[&flags[..], &["--json"]].concat());
        assert_eq!(code, 0, "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!(report["checks"].as_array().map(Vec::len), Some(22));
    }
    let left = anchors(room.path());
    assert_eq!(left.len(), 1, "one position, one line: {left:?}");
    assert!(left[0].starts_with("1 "), "{left:?}");
}

#[test]
fn each_start_leaves_an_anchor() {
    let room = room();
    drop(Server::start(room.path()));
    drop(Server::start(room.path()));
    assert_eq!(anchors(room.path()).len(), 1, "{:?}", anchors(room.path()));
}

#[test]
fn a_log_that_is_not_the_anchored_one_is_code_1_both_ways() {
    let room = room();
    let server = Server::start(room.path());
    let made_up = format!("1 {}\n9 {}\n", "0".repeat(64), "1".repeat(64));
    std::fs::write(room.path().join("evenkeel-data/anchors"), made_up).expect("written");
    for flags in [["--url", server.url.as_str()], ["--data", "evenkeel-data"]] {
        let (output, code) = verify(room.path(), &[&flags[..], &["--json"]].concat());
        assert_eq!(code, 1, "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        let findings = report["checks"][15]["findings"].as_array().expect("a list");
        let kinds: Vec<_> = findings.iter().map(|one| one["kind"].as_str()).collect();
        assert_eq!(kinds, [Some("entry_edited"), Some("tail_cut")]);
        let (output, code) = verify(room.path(), &flags);
        assert_eq!(code, 1, "{output:?}");
        let text = String::from_utf8(output.stdout).expect("a picture is text");
        assert!(text.contains("next: the log itself was changed"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
    }
    assert_eq!(
        anchors(room.path()).len(),
        2,
        "only a green report is an anchor"
    );
}

#[test]
fn wrong_usage_is_code_2_and_an_absent_store_code_3() {
    let room = room();
    assert_eq!(verify(room.path(), &["--acks", "acks.jsonl"]).1, 2);
    assert_eq!(verify(room.path(), HERE).1, 3, "there is no store");
    drop(Server::start(room.path()));
    let with = |file| [HERE, &["--acks", file]].concat();
    assert_eq!(verify(room.path(), &with("none.jsonl")).1, 2);
    let path = room.path().join("acks.jsonl");
    std::fs::write(&path, "{\"key\":null,\"status\":200}\n").expect("written");
    assert_eq!(verify(room.path(), &with("acks.jsonl")).1, 0);
}

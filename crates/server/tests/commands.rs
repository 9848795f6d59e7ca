//! The real binary: exit codes, the lock, the first token, and both ways of every command.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

#[path = "common/command.rs"]
mod command;
use command::{evenkeel, run};

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    let parsed = serde_json::from_slice(&output.stdout);
    parsed.unwrap_or_else(|_| panic!("not one JSON value: {output:?}"))
}

fn room() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

/// This machine's own address, a free port.
const OWN: &[&str] = &["--listen", "127.0.0.1:0"];

/// A server on a free port; killed when the test is done with it.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let all = [["serve"].as_slice(), arguments].concat();
        let mut command = evenkeel(directory, &all);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary was built for this test");
        let out = child.stdout.take().expect("standard output is piped");
        let mut first = String::new();
        BufReader::new(out)
            .read_line(&mut first)
            .expect("a server says when it serves");
        let url = first
            .trim()
            .strip_prefix("ready ")
            .expect("the first line says ready");
        Self {
            url: url.to_owned(),
            child,
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited = self.child.wait();
    }
}

#[test]
fn a_first_start_on_loopback_leaves_a_private_token_and_a_clean_end_is_code_0() {
    let room = room();
    let mut server = Server::start(room.path(), OWN);
    let token = room.path().join("evenkeel-data/token");
    let mode = std::fs::metadata(&token)
        .expect("the token is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(&token).expect("the token can be read");
    assert!(
        secret.starts_with("ek_") && secret.ends_with('\n'),
        "{secret:?}"
    );

    kill_process(server.pid(), Signal::TERM).expect("the server runs");
    let status = server.child.wait().expect("the server ends");
    assert_eq!(status.code(), Some(0));

    let again = Server::start(room.path(), OWN);
    let kept = std::fs::read_to_string(&token).expect("the token can be read");
    assert_eq!(kept, secret, "a second start makes no second token");
    drop(again);
}

#[test]
fn a_second_server_on_one_directory_ends_with_code_3_and_says_who_has_it() {
    let room = room();
    let server = Server::start(room.path(), OWN);
    let second = run(room.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(3));
    assert_eq!(second.stdout, b"");
    let told = told(&second);
    assert!(
        told.contains(&format!("process {}", server.child.id())),
        "{told}"
    );
    assert!(told.contains(&server.url), "{told}");
}

#[test]
fn another_address_without_a_token_is_refused_with_how_to_make_one() {
    let room = room();
    let refused = run(room.path(), &["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2));
    let text = told(&refused);
    assert!(
        text.contains("evenkeel token create --role admin --data evenkeel-data"),
        "{text}"
    );

    let arguments = [
        "token",
        "create",
        "--role",
        "admin",
        "--data",
        "evenkeel-data",
        "--json",
    ];
    let made = run(room.path(), &arguments);
    assert_eq!(made.status.code(), Some(0), "{}", told(&made));
    let made = json(&made);
    assert!(
        made["token"]
            .as_str()
            .is_some_and(|token| token.starts_with("ek_")),
        "{made}"
    );
    let server = Server::start(room.path(), &["--listen", "0.0.0.0:0"]);
    assert!(
        server.url.starts_with("http://127.0.0.1:"),
        "{}",
        server.url
    );
    let own = room.path().join("evenkeel-data/token");
    assert!(!own.exists(), "nobody asked for a token file");
}

#[test]
fn a_command_goes_to_the_server_or_opens_the_stores_and_answers_the_same() {
    let room = room();
    let server = Server::start(room.path(), OWN);
    let secret = std::fs::read_to_string(room.path().join("evenkeel-data/token"));
    let secret = secret.expect("a first start leaves a token");
    let remote = ["--url", server.url.as_str(), "--token", secret.trim()];
    let local = ["--data", "evenkeel-data"];
    for place in [remote.as_slice(), local.as_slice()] {
        let create = ["token", "create", "--role", "staff", "--key", "k-1"];
        let made = run(room.path(), &[create.as_slice(), place].concat());
        assert_eq!(made.status.code(), Some(0), "{}", told(&made));
    }
    let list = |place: &[&str]| {
        let listed = run(
            room.path(),
            &[["token", "list", "--json"].as_slice(), place].concat(),
        );
        assert_eq!(listed.status.code(), Some(0), "{}", told(&listed));
        json(&listed)
    };
    let items = list(&remote)["items"].clone();
    let staff = items
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["role"] == "staff");
    assert_eq!(
        staff.count(),
        1,
        "one key makes one token, whichever way it goes"
    );
    assert_eq!(items, list(&local)["items"]);

    let own = run(room.path(), &["status", "--url", server.url.as_str()]);
    assert_eq!(
        own.status.code(),
        Some(0),
        "its own server's token: {}",
        told(&own)
    );
    let verified = run(room.path(), &["verify", "--data", "evenkeel-data"]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
}

#[test]
fn wrong_input_is_code_2_and_an_absent_server_code_3() {
    let room = room();
    let config = room.path().join("evenkeel.toml");
    std::fs::write(&config, "[holds]\n\nttl_sm = 600000\n").expect("a file can be written");
    for command in [
        ["config", "check"].as_slice(),
        ["serve"].as_slice(),
        ["status"].as_slice(),
    ] {
        let arguments = [command, ["--config", "evenkeel.toml"].as_slice()].concat();
        let checked = run(room.path(), &arguments);
        assert_eq!(checked.status.code(), Some(2), "{command:?}");
        let wanted = "evenkeel: evenkeel.toml:3: unknown key holds.ttl_sm; \
                      did you mean holds.ttl_ms?\n";
        assert_eq!(told(&checked), wanted, "{command:?}");
    }
    assert!(
        !room.path().join("evenkeel-data").exists(),
        "a wrong start leaves nothing behind"
    );

    assert_eq!(
        run(room.path(), &["stock", "receive", "lamp", "0.5"])
            .status
            .code(),
        Some(2)
    );
    let nobody = run(room.path(), &["status", "--url", "http://127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(3), "{}", told(&nobody));
    let server = Server::start(room.path(), OWN);
    let bare = [
        "status",
        "--url",
        server.url.as_str(),
        "--token",
        "ek_wrong",
    ];
    assert_eq!(run(room.path(), &bare).status.code(), Some(2));
}

#[test]
fn a_position_that_is_not_there_is_code_1() {
    let room = room();
    let server = Server::start(room.path(), OWN);
    let url = server.url.as_str();
    assert_eq!(
        run(room.path(), &["log", "show", "1", "--url", url])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(
        run(room.path(), &["log", "show", "999", "--url", url])
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn reading_a_directory_that_is_not_there_makes_none() {
    let room = room();
    let read = run(room.path(), &["status", "--data", "nowhere"]);
    assert_eq!(read.status.code(), Some(3), "{}", told(&read));
    assert!(!room.path().join("nowhere").exists());
}

/// What a command that fails says, and its exit code.
fn says(room: &TempDir, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(room.path(), arguments);
    assert_eq!(
        output.stdout, b"",
        "{arguments:?} prints beside its failure"
    );
    let told = told(&output);
    for line in told.lines() {
        assert!(line.starts_with("evenkeel: "), "{arguments:?}: {line}");
    }
    (output.status.code(), told)
}

#[test]
fn a_failure_says_what_to_do_next() {
    let room = room();
    let server = Server::start(room.path(), OWN);
    let url = ["--url", server.url.as_str()];
    let asked = |command: &[&str]| says(&room, &[command, url.as_slice()].concat());

    let unknown = ["stock", "receive", "lamp", "5", "--reference", "po-1"];
    let (code, told) = asked(&unknown);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("PUT /v1/skus/lamp"), "{told}");
    let (code, told) = asked(&["stock", "adjust", "lamp", "0", "--reason", "lost"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("/quantity: "), "{told}");
    let (code, told) = asked(&["token", "revoke", "nobody"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("/v1/tokens/nobody"), "{told}");
    let (code, told) = asked(&["token", "list", "--token", "ek_wrong"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("--token or EVENKEEL_TOKEN"), "{told}");

    let (code, told) = says(&room, &["stock", "show", "--url", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(
        told.contains("evenkeel serve") && told.contains("--data DIR"),
        "{told}"
    );
    let (code, told) = says(&room, &["stock", "show", "--data", "nowhere"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("evenkeel serve --data nowhere"), "{told}");
    for held in [["serve"].as_slice(), ["migrate"].as_slice()] {
        let (code, told) = says(&room, held);
        assert_eq!(code, Some(3), "{held:?}: {told}");
        assert!(told.contains("end it first"), "{held:?}: {told}");
    }
}

#[test]
fn a_start_that_cannot_listen_leaves_no_store_and_no_token() {
    let room = room();
    let server = Server::start(room.path(), OWN);
    let address = server.url.trim_start_matches("http://");
    let (code, told) = says(&room, &["serve", "--data", "other", "--listen", address]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("--listen"), "{told}");
    let left = std::fs::read_dir(room.path().join("other")).expect("the lock was taken");
    let left: Vec<_> = left
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    assert_eq!(left, ["lock"]);
}

#[test]
fn every_mistake_of_a_configuration_is_told_in_the_order_of_its_lines() {
    let room = room();
    let text = "[server]\nlisten = \"nowhere\"\nlistem = 1\n[holds]\nttl_ms = 5\n";
    std::fs::write(room.path().join("e.toml"), text).expect("a file can be written");
    let (code, told) = says(&room, &["config", "check", "--config", "e.toml"]);
    assert_eq!(code, Some(2), "{told}");
    let places: Vec<_> = told
        .lines()
        .filter_map(|line| line.split(": ").nth(1))
        .collect();
    assert_eq!(places, ["e.toml:2", "e.toml:3", "e.toml:5"], "{told}");
    let (code, told) = says(&room, &["config", "check", "--config", "absent.toml"]);
    assert_eq!(code, Some(2), "{told}");
}

#[test]
fn an_export_has_every_entry_and_what_its_hash_is_made_of() {
    let room = room();
    let server = Server::start(room.path(), OWN);
    let exported = |place: &[&str]| {
        let output = run(room.path(), &[["log", "export"].as_slice(), place].concat());
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        String::from_utf8(output.stdout).expect("JSON is text")
    };
    let remote = exported(&["--url", &server.url]);
    assert_eq!(remote, exported(&["--data", "evenkeel-data"]));
    let first: Value = serde_json::from_str(remote.trim()).expect("one entry, on one line");
    assert_eq!(first["position"], 1);
    assert!(
        first["text"].is_string() && first["previous_hash"].is_string(),
        "{first}"
    );
    let out = ["--url", &server.url, "--out", "log.jsonl"];
    assert_eq!(exported(&out), "");
    let written = std::fs::read_to_string(room.path().join("log.jsonl"));
    assert_eq!(written.expect("the export wrote it"), remote);
}

#[test]
fn a_server_that_follows_its_parent_ends_with_it() {
    let room = room();
    // The shell is the parent; it prints the server's pid, waits for its line and then ends.
    let script = "\"$0\" serve --listen 127.0.0.1:0 >ready 2>/dev/null & echo $!; \
                  until [ -s ready ]; do :; done; kill -9 $$";
    let mut shell = Command::new("bash");
    shell
        .args(["-c", script, env!("CARGO_BIN_EXE_evenkeel")])
        .current_dir(room.path());
    let ended = shell
        .env("EVENKEEL_DIE_WITH_PARENT", "1")
        .output()
        .expect("there is a shell");
    let pid = String::from_utf8_lossy(&ended.stdout).trim().to_owned();
    // `tail` ends when that process has ended, `timeout` when it lives on.
    let watch = ["10", "tail", "--pid", &pid, "-f", "/dev/null"];
    let watched = Command::new("timeout")
        .args(watch)
        .status()
        .expect("there is a timeout");
    assert!(watched.success(), "the server {pid} lives on");
}

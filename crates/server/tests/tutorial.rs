//! Every shell line of `README.md` and `docs/start.md`, run by a shell with the real binary.
//!
//! What differs from what a reader types: the binary is the one of this test, the port is a free
//! one, a server is waited for, the demo is a small one, and building and testing the whole (`cargo
//! build`, `./test`) is left to whoever runs this.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The lines of a page's `sh` blocks, those that go on behind a backslash included.
fn shell_lines(page: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(page);
    let text = std::fs::read_to_string(path).expect("the page is there");
    let blocks = text.split("```sh\n").skip(1);
    let lines = blocks.filter_map(|rest| rest.split("```").next());
    lines.flat_map(str::lines).map(str::to_owned).collect()
}

/// A line as this test runs it; nothing for what it leaves out.
fn as_run(line: &str, listen: &str) -> Option<String> {
    const SMALL: &str = "evenkeel demo --buyers 40 --units 10 --seconds 2";
    let line = line.replace("./target/release/evenkeel", "evenkeel");
    let line = line.replace("127.0.0.1:7411", listen);
    let words: Vec<&str> = line.split_whitespace().collect();
    let left_out = [
        "cargo build --release",
        "./test",
        "export PATH=",
        "clients/generate",
    ];
    match words.as_slice() {
        _ if left_out.iter().any(|begin| line.starts_with(begin)) => None,
        ["cargo", "run", "--release", "--", "demo", ..] | ["evenkeel", "demo", ..] => {
            Some(SMALL.to_owned())
        }
        ["evenkeel", "serve", ..] => Some(format!(
            "evenkeel serve --listen {listen} >ready 2>log &\nuntil [ -s ready ]; do :; done"
        )),
        _ => Some(line.clone()),
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").to_string()
}

fn run(page: &str, room: &Path) -> Output {
    let listen = free_address();
    let mut script = "set -euo pipefail\ntrap 'kill $(jobs -p)' EXIT\n".to_owned();
    let lines = shell_lines(page);
    assert!(lines.len() > 8, "{page} has shell lines");
    for line in lines.iter().filter_map(|line| as_run(line, &listen)) {
        let _ = writeln!(script, "{line}");
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_evenkeel"));
    let folder = binary.parent().expect("a binary is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(room)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("EVENKEEL_URL", format!("http://{listen}"))
        .env("EVENKEEL_DIE_WITH_PARENT", "1")
        .output()
        .expect("there is bash");
    let (out, err) = (&output.stdout, &output.stderr);
    let (out, err) = (String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    assert!(output.status.success(), "{script}\n--- {out}\n--- {err}");
    output
}

/// What a page's lines print holds these texts, in this order.
fn assert_tells(output: &Output, wanted: &[&str]) {
    let told = String::from_utf8_lossy(&output.stdout);
    let mut rest = &*told;
    for text in wanted {
        let at = rest.find(text);
        let at = at.unwrap_or_else(|| panic!("{text} is not told in its place:\n{told}"));
        rest = &rest[at + text.len()..];
    }
}

#[test]
fn every_line_of_the_readme_works_and_the_second_buyer_is_told_so() {
    let room = tempfile::tempdir().expect("a temporary directory can be made");
    let output = run("README.md", room.path());
    let wanted = [
        "ok: sold",
        "\"customer\":\"ann\"",
        "stock.sold_out",
        "\"ann\"",
        "I1 ",
    ];
    assert_tells(&output, &wanted);
}

#[test]
fn every_line_of_the_tutorial_works_and_ends_proven() {
    let room = tempfile::tempdir().expect("a temporary directory can be made");
    let output = run("docs/start.md", room.path());
    let wanted = ["ok: sold", "ek_", "\"h-1\"", "\"confirmed\"", "I22"];
    assert_tells(&output, &wanted);
}

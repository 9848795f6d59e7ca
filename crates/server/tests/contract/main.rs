//! The running server against its own API document: schemathesis asks it everything that the
//! document allows and much that it does not, and holds each answer against the document.
//! `hooks.py` has what a document cannot say.
//!
//! The tool comes from its registry, once for all runs. Where it cannot be had, the test says that
//! it was skipped; with `EVENKEEL_LONG` set it fails then, and asks far more.

use std::path::PathBuf;
use std::process::{Command, Stdio};

#[path = "../common/process.rs"]
mod process;
#[path = "../common/run.rs"]
#[expect(dead_code, reason = "suites that wait use more of it")]
mod run;

use process::{Process, serve, token};

#[test]
fn no_answer_of_the_server_is_against_its_document() {
    let home = tempfile::tempdir().expect("a temporary directory can be made");
    let log = std::fs::File::create(home.path().join("log")).expect("a scratch file");
    // More is asked in a second than any client may.
    let mut command = serve(home.path(), "127.0.0.1:0");
    command
        .env("EVENKEEL_LIMITS__REQUESTS_PER_ADDRESS", "0")
        .env("EVENKEEL_LIMITS__REQUESTS_PER_TOKEN", "0")
        .stderr(Stdio::from(log));
    let server = Process::start(&mut command).expect("it serves");
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/contract/check");
    let tools = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let (phases, examples) = match run::is_long() {
        true => ("examples,coverage,fuzzing,stateful", "100"),
        false => ("coverage,fuzzing", "5"),
    };
    let asked = Command::new(script)
        .arg(tools)
        .arg(format!("http://{}", server.address))
        .arg(token(home.path()))
        .args(["--phases", phases, "--max-examples", examples])
        .output()
        .expect("there is bash");
    let said = String::from_utf8_lossy(&asked.stdout);
    if asked.status.code() == Some(3) && !run::is_long() {
        eprintln!("skipped: schemathesis cannot be had here");
        return;
    }
    let wrong = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{said}\n{wrong}");
    for line in said.lines().filter(|line| line.contains("generated")) {
        println!("{}", line.trim());
    }
}

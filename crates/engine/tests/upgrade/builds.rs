//! The small node in both builds, and how a test talks to one.
//!
//! Both are built by the cargo that built this test, into the same directory, with the same profile
//! and the same stores, so that only the two crates that have the feature are compiled anew, and
//! these without optimising, which takes longest. The whole workspace is named, as the usual run of
//! all tests does: other crates then have the features that they have there.

use serde_json::Value;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

/// Which release a node is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// That of this source.
    Older,
    /// The one that knows the format after it.
    Newer,
}

impl Build {
    const fn example(self) -> &'static str {
        match self {
            Self::Older => "node",
            Self::Newer => "node_next",
        }
    }

    /// Its executable; built once for all tests of this process.
    fn path(self) -> &'static Path {
        static BUILT: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
        BUILT[usize::from(self == Self::Newer)].get_or_init(|| built(self))
    }
}

fn built(build: Build) -> PathBuf {
    let this = std::env::current_exe().expect("a test has a path");
    // target/release/deps/upgrade-0123456789abcdef
    let profile = this.ancestors().nth(2).expect("it stands in deps");
    let target = profile.parent().expect("a profile has its directory");
    let named = profile.file_name().and_then(|name| name.to_str());
    let named = match named.expect("a profile has a name") {
        "debug" => "dev",
        other => other,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--workspace", "--profile", named])
        .args(["--example", build.example(), "--target-dir"])
        .arg(target);
    if cfg!(feature = "postgres") {
        cargo.args(["--features", "evenkeel/postgres,evenkeel-engine/postgres"]);
    }
    if build == Build::Newer {
        cargo.args(["--features", "evenkeel-engine/next-format"]);
        for anew in ["evenkeel-rules", "evenkeel-engine"] {
            let plain = format!("profile.{named}.package.{anew}.opt-level=0");
            cargo.args(["--config", &plain]);
        }
    }
    let done = cargo.status().expect("cargo can be run");
    assert!(done.success(), "{build:?} cannot be built");
    let name = format!("{}{}", build.example(), std::env::consts::EXE_SUFFIX);
    profile.join("examples").join(name)
}

/// A node that runs in a process of its own. It is killed when it is dropped.
pub(crate) struct Node {
    process: Child,
    asks: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    /// What it said when it was started.
    pub(crate) began: Value,
}

impl Node {
    /// Starts a node whose clock goes so much ahead; it lives, or says why it does not.
    pub(crate) fn start(build: Build, place: &str, name: &str, ahead_ms: u64) -> Self {
        let mut process = Command::new(build.path())
            .args([place, name, &ahead_ms.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let answers = process.stdout.take().expect("it is piped");
        let mut node = Self {
            asks: process.stdin.take(),
            answers: BufReader::new(answers).lines(),
            began: Value::Null,
            process,
        };
        node.began = node.hear();
        node
    }

    fn hear(&mut self) -> Value {
        let line = self.answers.next().expect("it answers").expect("text");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Asks it for something, and waits for its answer.
    pub(crate) fn ask(&mut self, line: &str) -> Value {
        let asks = self.asks.as_mut().expect("it was not stopped");
        writeln!(asks, "{line}").expect("it listens");
        self.hear()
    }

    /// Asks it for something that it does.
    pub(crate) fn does(&mut self, line: &str) -> Value {
        let answer = self.ask(line);
        assert_eq!(answer.get("error"), None, "{line}: {answer}");
        answer
    }

    /// Why it does not do something.
    pub(crate) fn refuses(&mut self, line: &str) -> String {
        let answer = self.ask(line);
        let error = answer["error"].as_str();
        error
            .unwrap_or_else(|| panic!("{line}: {answer}"))
            .to_owned()
    }

    /// Lets it end, which it does by itself if it could not be started.
    pub(crate) fn stop(mut self) -> ExitStatus {
        drop(self.asks.take());
        self.process.wait().expect("it ends")
    }

    /// Ends it where it stands.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

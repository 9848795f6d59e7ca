//! `evenkeel load`, through a balancer.

use crate::until;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A load that is under way.
pub(crate) struct Load {
    child: Child,
    acks: PathBuf,
}

impl Load {
    /// Begins the scenario `mixed`, so many seconds long and over so many units, and waits until
    /// it is under way. Its answers stand in a file of the scratch directory.
    pub(crate) fn begin(
        (port, token): (u16, &str),
        (seconds, units): (u64, u64),
        scratch: &Path,
    ) -> Self {
        let acks = scratch.join(format!("acks-{units}.jsonl"));
        let child = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args([
                "load",
                "--scenario",
                "mixed",
                "--json",
                "--connections",
                "8",
            ])
            .args(["--seconds", &seconds.to_string()])
            .args(["--units", &units.to_string()])
            .args(["--url", &format!("http://127.0.0.1:{port}"), "--acks"])
            .arg(&acks)
            .env("EVENKEEL_TOKEN", token)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let load = Self { child, acks };
        until("the load is under way", || load.acknowledged() > 50);
        load
    }

    /// Answers that promise something, so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        let acks = std::fs::read_to_string(&self.acks).unwrap_or_default();
        let promise = |line: &&str| line.contains("\"status\":20");
        acks.lines().filter(promise).count() as u64
    }

    /// Whether it goes on.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_none()
    }

    /// Waits for its end; its report and where its answers stand. Nothing may be wrong with the
    /// units that it was given.
    pub(crate) fn end(self) -> (Value, PathBuf) {
        let output = self.child.wait_with_output().expect("it is ours");
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("no report: {output:?}"));
        for count in ["oversold", "lost", "double"] {
            assert_eq!(report[count], 0, "{report:#}");
        }
        (report, self.acks)
    }
}

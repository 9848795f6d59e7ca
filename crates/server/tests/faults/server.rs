//! The server as a process, and `verify` over what it leaves.

use crate::layer::Layer;
use crate::process::{Process, serve, token};
use crate::until;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A running server.
pub(crate) struct Server {
    process: Process,
    home: PathBuf,
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

impl Server {
    /// Starts it on a free port.
    pub(crate) fn start(home: &Path, layer: Option<&Layer>) -> Self {
        Self::start_at(home, "127.0.0.1:0", layer)
    }

    /// Starts it where clients know it, and waits until it serves.
    pub(crate) fn start_at(home: &Path, address: &str, layer: Option<&Layer>) -> Self {
        let started = Self::try_start(home, address, layer);
        started.unwrap_or_else(|ended| panic!("it did not start: {ended:?}"))
    }

    /// Starts it, and waits until it serves or has ended.
    pub(crate) fn try_start(
        home: &Path,
        address: &str,
        layer: Option<&Layer>,
    ) -> Result<Self, Ended> {
        let log = home.with_extension("log");
        let said = File::create(&log).expect("a file for what it says");
        let mut command = serve(home, address);
        command
            .env("EVENKEEL_LIMITS__HOLDS_PER_CUSTOMER", "0")
            .env("EVENKEEL_LIMITS__ABANDON", "0")
            .stderr(said);
        if let Some(layer) = layer {
            layer.between(&mut command);
        }
        match Process::start(&mut command) {
            Ok(process) => Ok(Self {
                process,
                home: home.to_owned(),
            }),
            Err(status) => {
                let code = status.code();
                let said = std::fs::read_to_string(log).unwrap_or_default();
                Err(Ended { code, said })
            }
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.process.address
    }

    pub(crate) fn token(&self) -> String {
        token(&self.home)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.child), signal).expect("the server runs");
    }

    /// How many files and connections it may have open.
    pub(crate) fn let_open(&self, handles: Option<u64>) {
        // The highest is what this process has, whose child it is.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let current = handles.or(maximum);
        let server = Some(Pid::from_child(&self.process.child));
        let set = prlimit(server, Resource::Nofile, Rlimit { current, maximum });
        set.expect("a limit below the highest can be set");
    }

    /// Files and connections that it has open.
    pub(crate) fn open(&self) -> u64 {
        let handles = std::fs::read_dir(format!("/proc/{}/fd", self.process.child.id()));
        handles.expect("the server runs").count() as u64
    }

    /// What it has said on standard error.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.home.with_extension("log")).unwrap_or_default()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.child.try_wait().expect("it is ours").is_some()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn end(mut self) -> Ended {
        until("the server ends", || self.has_ended());
        let code = self.process.child.wait().expect("it is ours").code();
        let said = self.said();
        Ended { code, said }
    }

    /// Kills it with -9; it must have run until then.
    pub(crate) fn kill(mut self) {
        assert!(!self.has_ended(), "it ended by itself: {:?}", self.end());
        drop(self);
    }
}

/// What `verify --acks` said.
#[derive(Debug)]
pub(crate) struct Verified {
    /// Effects of acknowledged answers that are not there, and whatever else I5 found.
    pub(crate) lost: u64,
    /// Every violated check, in words.
    pub(crate) violated: Vec<String>,
    pub(crate) position: u64,
}

/// Compares what is in `home/data` with the answers of a file; how it went wrong if it could not.
pub(crate) fn try_verify(home: &Path, acks: &Path) -> Result<Verified, Ended> {
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["verify", "--json", "--data"])
        .arg(home.join("data"))
        .arg("--acks")
        .arg(acks)
        .output()
        .expect("the binary was built for this test");
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code();
        return Err(Ended { code, said });
    };
    let checks = report["checks"].as_array().expect("verify has checks");
    let violated = |check: &&Value| check["result"] == "violated";
    let findings = |check: &Value| check["findings"].as_array().map_or(0, Vec::len) as u64;
    let fifth = checks.iter().find(|check| check["id"] == "I5");
    let fifth = fifth.expect("I5 is one of them");
    assert_ne!(fifth["result"], "not_checkable", "{fifth:#}");
    Ok(Verified {
        lost: findings(fifth),
        violated: checks
            .iter()
            .filter(violated)
            .map(Value::to_string)
            .collect(),
        position: report["position"].as_u64().expect("a position is a number"),
    })
}

/// Compares, and accepts nothing but a green report; how many acknowledged effects are missing.
pub(crate) fn verify(home: &Path, acks: &Path) -> u64 {
    let verified = try_verify(home, acks);
    let verified = verified.unwrap_or_else(|ended| panic!("no verdict: {ended:?}"));
    assert_eq!(
        verified.violated,
        Vec::<String>::new(),
        "at {}",
        verified.position
    );
    verified.lost
}

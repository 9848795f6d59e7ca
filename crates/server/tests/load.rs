//! The load generator against the real server.

#[path = "common/process.rs"]
mod process;

use process::{Process, serve};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A server of this test, ended with it.
struct Server {
    process: Process,
    home: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a scratch directory");
        let process = Process::start(&mut serve(home.path(), "127.0.0.1:0"));
        let process = process.expect("it serves");
        Self { process, home }
    }

    fn url(&self) -> String {
        format!("http://{}", self.process.address)
    }

    fn token(&self) -> String {
        process::token(self.home.path())
    }

    fn acks(&self) -> PathBuf {
        self.home.path().join("acks.jsonl")
    }

    fn load(&self, scenario: &str, more: &[&str]) -> (Output, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["load", "--seconds", "2", "--connections", "16", "--json"])
            .args(["--url", &self.url(), "--scenario", scenario, "--acks"])
            .arg(self.acks())
            .args(more)
            .env("EVENKEEL_TOKEN", self.token())
            .output()
            .expect("the binary runs");
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("no JSON on standard output ({error}); on standard error:\n{said}")
        });
        (output, report)
    }

    /// Invariants that the acks file is checked for, beside the running server.
    fn verify(&self) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["verify", "--json", "--data"])
            .arg(self.home.path().join("data"))
            .arg("--acks")
            .arg(self.acks())
            .output()
            .expect("the binary runs");
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    }
}

/// Every member that `SHAPES.md` names.
const MEMBERS: [&str; 20] = [
    "ok",
    "scenario",
    "seconds",
    "connections",
    "requests",
    "requests_per_second",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "answers",
    "codes",
    "errors",
    "units",
    "sold",
    "winners",
    "oversold",
    "lost",
    "double",
];

fn check(output: &Output, report: &Value) {
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(output.status.code(), Some(0));
    for member in MEMBERS {
        assert!(!report[member].is_null(), "{member} is missing: {report:#}");
    }
    for count in ["oversold", "lost", "double"] {
        assert_eq!(report[count], 0, "{report:#}");
    }
}

fn check_acks(server: &Server) {
    let verify = server.verify();
    assert_eq!(verify["ok"], true, "{verify:#}");
    let checks = verify["checks"].as_array().expect("verify has checks");
    for id in ["I5", "I22"] {
        let check = checks.iter().find(|check| check["id"] == id).expect(id);
        assert_eq!(check["result"], "held", "{check:#}");
        assert!(check["checked"].as_u64() > Some(0), "{check:#}");
    }
}

#[test]
fn the_last_unit_has_exactly_one_winner_whose_retry_is_replayed() {
    let server = Server::start();
    let (output, report) = server.load("last-unit", &[]);
    check(&output, &report);
    assert_eq!(
        (&report["units"], &report["sold"], &report["winners"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(report["answers"]["201"], 1);
    check_acks(&server);
}

#[test]
fn a_drop_adds_up_to_the_unit() {
    let server = Server::start();
    // So few that all are sold in the time: what comes then is refused, and I22 has what to check.
    let (output, report) = server.load("drop", &["--units", "200"]);
    check(&output, &report);
    assert!(report["sold"].as_u64() > Some(0), "{report:#}");
    check_acks(&server);
}

#[test]
fn orders_between_holds_add_up_to_the_unit() {
    let server = Server::start();
    let (output, report) = server.load("mixed", &["--units", "200"]);
    check(&output, &report);
    assert_eq!(report["scenario"], "mixed");
    check_acks(&server);
}

#[test]
fn without_a_good_token_nothing_is_run_and_without_a_server_neither() {
    let server = Server::start();
    let run = |url: &str, token: &str| {
        Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args([
                "load",
                "--scenario",
                "last-unit",
                "--url",
                url,
                "--token",
                token,
            ])
            .output()
            .expect("the binary runs")
    };
    assert_eq!(run(&server.url(), "ek_wrong").status.code(), Some(2));
    assert_eq!(run("http://127.0.0.1:1", "ek_any").status.code(), Some(3));
}

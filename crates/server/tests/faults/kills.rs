//! `kill -9` under `evenkeel load --acks`, then `verify --acks`.

use crate::layer::free_address;
use crate::server::{Server, verify};
use crate::{choices, pass, tell, times, until};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Kills while one load runs; it goes on asking for what was not answered.
const KILLS_EACH: u64 = 5;
/// Loads on one directory, before a new one is begun.
const LOADS_EACH: u64 = 5;
/// When it is killed, after it began to serve, in milliseconds.
const LIFE: std::ops::Range<u64> = 5..600;

fn load(address: &str, token: &str, acks: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["load", "--scenario", "drop", "--units", "20000000"])
        .args(["--seconds", "8", "--connections", "16", "--json"])
        .arg("--url")
        .arg(format!("http://{address}"))
        .arg("--acks")
        .arg(acks)
        .env("EVENKEEL_TOKEN", token)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test")
}

/// Lines that acknowledge something.
fn acknowledged(acks: &str) -> u64 {
    let promise = |line: &&str| line.contains("\"status\":20");
    acks.lines().filter(promise).count() as u64
}

#[test]
fn what_was_acknowledged_survives_kill_9_under_load() {
    let mut rng = choices("kill -9");
    let kills = times(5, 200);
    let (mut injected, mut promised, mut lost) = (0, 0, 0);
    while injected < kills {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let home = scratch.path().join("home");
        std::fs::create_dir(&home).expect("a scratch directory");
        let address = free_address();
        let mut server = Server::start_at(&home, &address, None);
        let token = server.token();
        let mut all = String::new();
        for round in 0..LOADS_EACH {
            if injected >= kills {
                break;
            }
            let acks = scratch.path().join(format!("acks-{round}.jsonl"));
            let mut load = load(&address, &token, &acks);
            until("the load is under way", || {
                std::fs::metadata(&acks).is_ok_and(|file| file.len() > 0)
            });
            for _ in 0..KILLS_EACH.min(kills - injected) {
                pass(Duration::from_millis(rng.u64(LIFE)));
                let over = load.try_wait().expect("it is ours").is_some();
                assert!(!over, "the load has ended before the kill");
                server.kill();
                injected += 1;
                server = Server::start_at(&home, &address, None);
            }
            let output = load.wait_with_output().expect("it is ours");
            let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            for count in ["oversold", "lost", "double"] {
                assert_eq!(report[count], 0, "{output:?}");
            }
            all += &std::fs::read_to_string(&acks).expect("the load wrote it");
        }
        let acks = scratch.path().join("acks.jsonl");
        std::fs::write(&acks, &all).expect("a scratch file");
        promised += acknowledged(&all);
        lost += verify(&home, &acks);
        server.kill();
    }
    tell("kill -9", injected, promised, lost);
}

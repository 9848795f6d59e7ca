//! The demo as a user runs it: the real binary, its own server as a child, killed in mid-sale, and
//! a bank that misbehaves.

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn demo(arguments: &[&str]) -> (Output, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .arg("demo")
        .args(arguments)
        .arg("--json")
        .output()
        .expect("the binary runs");
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("no JSON on standard output ({error}); on standard error:\n{said}")
    });
    (output, report)
}

/// Every member that `SHAPES.md` names.
const MEMBERS: [&str; 21] = [
    "ok",
    "buyers",
    "willing",
    "units",
    "sold",
    "unsold",
    "refused",
    "expired",
    "released",
    "refunded",
    "oversold",
    "orders",
    "cards",
    "money",
    "requests",
    "requests_per_second",
    "p50_ms",
    "p99_ms",
    "faults",
    "seconds",
    "verify",
];

/// A report that is green: every unit and every cent is where it belongs.
fn assert_green((output, report): &(Output, Value)) {
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(output.status.code(), Some(0));
    for member in MEMBERS {
        assert!(!report[member].is_null(), "{member} is missing: {report:#}");
    }
    assert_eq!(report["oversold"], 0);
    let number = |pointer: &str| {
        let number = report.pointer(pointer).and_then(Value::as_i64);
        number.unwrap_or_else(|| panic!("{pointer} is no number: {report:#}"))
    };
    let willing = number("/willing");
    assert_eq!(number("/sold"), willing.min(number("/units")));
    assert_eq!(number("/units"), number("/sold") + number("/unsold"));
    let (captured, refunded) = (
        number("/money/captured/amount"),
        number("/money/refunded/amount"),
    );
    assert_eq!(captured - refunded, number("/money/owed/amount"));
    assert!(refunded < captured && number("/refunded") <= number("/requests"));
    // Each order by its status, and by its card.
    let sum = |name: &str| {
        let counts = report[name].as_object().expect("it is an object");
        counts.values().filter_map(Value::as_u64).sum::<u64>()
    };
    assert_eq!(sum("orders"), sum("cards"), "{report:#}");
    let quiet = ["DELIVERED", "REFUNDED", "CANCELLED", "EXPIRED"];
    let statuses = report["orders"].as_object().expect("it is an object");
    assert!(statuses.keys().all(|status| quiet.contains(&&**status)));
    let checks = report["verify"]["checks"].as_array();
    assert_eq!(checks.expect("verify has checks").len(), 22);
}

fn assert_held(report: &Value, ids: &[&str]) {
    let checks = report["verify"]["checks"].as_array();
    for id in ids {
        let mut checks = checks.into_iter().flatten();
        let check = checks.find(|check| check["id"] == *id).expect(id);
        assert_eq!(check["result"], "held", "{check:#}");
    }
}

#[test]
fn a_sale_that_is_killed_three_times_sells_exactly_what_there_is() {
    let buyers = ["--buyers", "120", "--units", "20", "--seconds", "4"];
    let ended = demo(&[&buyers[..], &["--faults", "many"]].concat());
    assert_green(&ended);
    let report = &ended.1;
    assert_eq!(
        (&report["sold"], &report["unsold"]),
        (&20.into(), &0.into())
    );
    assert_eq!(report["faults"]["process_kills"], 3);
    assert_eq!(report["faults"]["sandbox_restarts"], 1);
    assert_eq!(report["faults"]["delivery_outages"], 1);
    assert_held(
        report,
        &[
            "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I15", "I16", "I22",
        ],
    );
}

#[test]
fn a_bank_that_misbehaves_ends_with_every_cent_where_it_belongs() {
    let buyers = ["--buyers", "200", "--units", "60", "--seconds", "4"];
    let ended = demo(&[&buyers[..], &["--faults", "some"]].concat());
    assert_green(&ended);
    let report = &ended.1;
    assert_eq!(report["sold"], 60);
    assert_eq!(report["faults"]["process_kills"], 1);
    assert_eq!(report["faults"]["sandbox_restarts"], 0);
    let cards = report["cards"].as_object().expect("it is an object");
    assert!(cards.len() > 3, "cards of many kinds: {cards:?}");
}

#[test]
fn fewer_willing_buyers_than_units_leave_units_that_can_still_be_bought() {
    let buyers = ["--buyers", "20", "--units", "30", "--seconds", "2"];
    let ended = demo(&[&buyers[..], &["--faults", "none"]].concat());
    assert_green(&ended);
    let report = &ended.1;
    let sold = report["sold"].as_u64().expect("a number");
    // Thirteen never give up; two call off, and may be too late.
    assert!((13..=15).contains(&sold), "{report:#}");
    assert_eq!(report["unsold"], 30 - sold);
    assert_eq!(
        (&report["probe"]["asked"], &report["probe"]["bought"]),
        (&(30 - sold).into(), &(30 - sold).into())
    );
    assert_eq!(report["faults"]["process_kills"], 0);
    assert_eq!(report["faults"]["delivery_outages"], 0);
    let cards = report["cards"].as_object().expect("it is an object");
    assert!(cards.keys().eq(["tok_ok"]), "{cards:?}");
}

#[test]
fn faults_that_there_are_not_are_wrong_usage() {
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["demo", "--faults", "plenty"])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

/// The process that serves the demo whose scratch directory is below `room`, once it serves.
fn server_of(demo: &mut Child, room: &Path) -> u64 {
    loop {
        let ended = demo.try_wait().expect("it is ours");
        assert_eq!(ended, None, "the demo ended before its server served");
        let grounds = std::fs::read_dir(room).expect("the room is there");
        let locks = grounds.filter_map(|ground| Some(ground.ok()?.path().join("data/lock")));
        let holder = locks
            .filter_map(|lock| std::fs::read_to_string(lock).ok())
            .next();
        let holder: Value = serde_json::from_str(&holder.unwrap_or_default()).unwrap_or_default();
        if let (Some(pid), true) = (holder["pid"].as_u64(), holder["url"].is_string()) {
            return pid;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_demo_that_is_killed_leaves_no_server_behind() {
    let room = tempfile::tempdir().expect("a scratch directory");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["demo", "--buyers", "50", "--seconds", "30", "--json"])
        .env("TMPDIR", room.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let server = server_of(&mut demo, room.path()).to_string();
    demo.kill().expect("the demo runs");
    demo.wait().expect("it is ours");
    assert_ends(&server);
}

/// Waits until a process has ended.
fn assert_ends(process: &str) {
    // `tail` ends when that process has ended, `timeout` when it lives on.
    let watch = ["10", "tail", "--pid", process, "-f", "/dev/null"];
    let watched = Command::new("timeout").args(watch).status();
    let watched = watched.expect("there is a timeout");
    assert!(watched.success(), "the server {process} lives on");
}

/// A demo as a terminal would start it: in a group of its own, which ctrl-c goes to.
fn grouped(room: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", room)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command.spawn().expect("the binary runs")
}

fn ctrl_c(demo: &Child) {
    let group = Pid::from_child(demo);
    kill_process_group(group, Signal::INT).expect("the demo runs");
}

#[test]
fn ctrl_c_ends_a_sale_and_leaves_neither_servers_nor_data() {
    let room = tempfile::tempdir().expect("a scratch directory");
    let mut demo = grouped(room.path(), &["--buyers", "50", "--seconds", "30"]);
    let server = server_of(&mut demo, room.path()).to_string();
    ctrl_c(&demo);
    let ended = demo.wait_with_output().expect("it is ours");
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stdout, b"", "there is nothing to report");
    let said = String::from_utf8_lossy(&ended.stderr);
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("evenkeel: interrupted"), "{said}");
    assert_ends(&server);
    let left = std::fs::read_dir(room.path()).expect("the room is there");
    assert_eq!(left.count(), 0, "its data is gone");
}

#[test]
fn what_is_kept_serves_on_for_the_commands_that_are_named_until_ctrl_c() {
    let room = tempfile::tempdir().expect("a scratch directory");
    let buyers = ["--buyers", "40", "--units", "10", "--seconds", "2"];
    let mut demo = grouped(room.path(), &[&buyers[..], &["--keep", "--json"]].concat());
    let mut out = BufReader::new(demo.stdout.take().expect("it is piped"));
    let mut report = String::new();
    out.read_line(&mut report).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("one JSON object");
    assert_eq!(report["ok"], true, "{report:#}");
    let next = report["next"].as_array().expect("commands");
    assert_eq!(next.len(), 3);
    for command in next {
        let command = command.as_str().expect("a text");
        let ran = Command::new("sh").args(["-c", command]).output();
        let ran = ran.expect("there is a shell");
        assert!(ran.status.success(), "{command}: {ran:?}");
        let shown = String::from_utf8_lossy(&ran.stdout);
        assert!(shown.lines().count() > 3, "{command}: {shown}");
        let wide = shown.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{command}");
    }
    let server = server_of(&mut demo, room.path()).to_string();
    ctrl_c(&demo);
    assert_eq!(demo.wait().expect("it is ours").code(), Some(0));
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("a pipe can be read");
    assert_eq!(rest, "", "one object and nothing else");
    assert_ends(&server);
}

#[test]
fn without_a_terminal_it_tells_in_plain_lines_and_its_report_fits_a_screen() {
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["demo", "--buyers", "60", "--units", "20", "--seconds", "3"])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (told, report) = (output.stderr, output.stdout);
    let (told, report) = (
        String::from_utf8_lossy(&told),
        String::from_utf8_lossy(&report),
    );
    for text in [&told, &report] {
        assert!(
            !text.contains('\u{1b}'),
            "no colours and no cursor: {text:?}"
        );
        let wide = text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None);
    }
    for what in [
        "kill -9",
        "serves again after",
        " available",
        "answers/s",
        "verifying",
    ] {
        assert!(told.contains(what), "{what}: {told}");
    }
    assert!(report.lines().count() <= 24, "{report}");
    assert!(
        report.contains("held 1") && report.contains("try next"),
        "{report}"
    );
}

#[test]
fn on_a_terminal_it_draws_the_sale_and_wipes_the_picture_before_the_report() {
    let binary = env!("CARGO_BIN_EXE_evenkeel");
    let demo = format!("stty cols 100 rows 40; {binary} demo --buyers 60 --units 20 --seconds 3");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &demo, "/dev/null"]);
    let Ok(output) = script.stdin(Stdio::null()).output() else {
        eprintln!("skipped: there is no script(1) to play a terminal");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8_lossy(&output.stdout);
    for what in [
        "flash sale  60 buyers",
        "answers/s",
        "p99 ms",
        "kill -9",
        "DELIVERED",
    ] {
        assert!(shown.contains(what), "{what}: {shown}");
    }
    let report = shown.rfind("sale     60 buyers").expect("a report");
    let picture = shown.rfind("flash sale").expect("a picture");
    assert!(picture < report, "the report stands below");
    assert!(
        shown[picture..report].contains("\u{1b}[2K"),
        "the picture is wiped"
    );
}

//! `simulate`: its exit codes, its JSON, and the line that replays a failure.

use serde_json::Value;
use std::process::Command;

/// What a run wrote on standard output and standard error, and its exit code.
struct Ran {
    out: String,
    err: String,
    code: Option<i32>,
}

fn simulate(arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .arg("simulate")
        .args(arguments)
        .output()
        .expect("the program was built for this test");
    let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
    Ran {
        out: text(output.stdout),
        err: text(output.stderr),
        code: output.status.code(),
    }
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).expect("one JSON object and nothing else")
}

#[test]
fn a_green_batch_ends_with_0_and_its_json_has_every_member() {
    let ran = simulate(&["--seeds", "10", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let report = json(&ran);
    assert_eq!(report["ok"], true);
    assert_eq!(
        (&report["seeds"], &report["first_seed"]),
        (&10.into(), &0.into())
    );
    assert!(report["events"].as_u64() > Some(0));
    assert_eq!(report["trace_hash"].as_str().map(str::len), Some(64));
    assert_eq!(report["failures"], Value::Array(Vec::new()));
    assert!(report["faults"]["store_crash"].as_u64() > Some(0));
    assert_eq!(report["transitions"]["legal"], 88);
    assert!(report["transitions"]["reached"].is_u64());
    assert!(report["missing"].is_array());
}

#[test]
fn one_seed_is_the_same_seed_again() {
    let hash = || json(&simulate(&["--seed", "17", "--json"]))["trace_hash"].clone();
    assert_eq!(hash(), hash());
}

#[test]
fn a_planted_bug_ends_with_1_and_the_line_that_it_prints_shows_it_again() {
    let batch = ["--seeds", "1000", "--planted", "stale-cache"];
    let ran = simulate(&[&batch[..], &["--json"]].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let report = json(&ran);
    let failure = &report["failures"][0];
    assert_eq!(report["ok"], false);
    // Which of the two it breaks first is a matter of chance.
    let broken = failure["invariant"].as_str();
    assert!(matches!(broken, Some("I8" | "I22")), "{failure}");
    assert!(failure["step"].as_u64() > Some(0));
    let replay = failure["replay"].as_str().expect("a command line");
    let ran = simulate(&batch);
    assert!(
        ran.out.contains(&format!("replay it with: {replay}\n")),
        "{}",
        ran.out
    );
    assert!(
        ran.out.lines().all(|line| line.chars().count() <= 100),
        "{}",
        ran.out
    );
    let arguments: Vec<&str> = replay.split(' ').skip(2).collect();
    let again = simulate(&arguments);
    assert_eq!(again.code, Some(1));
    assert!(again.out.contains("before"), "{}", again.out);
    let found = failure["found"].as_str().expect("a sentence");
    assert!(again.out.contains(&found[..40]), "{}", again.out);
}

#[test]
fn planted_list_names_each_bug_with_its_invariant() {
    let ran = simulate(&["--planted", "list", "--json"]);
    assert_eq!(ran.code, Some(0));
    let list = json(&ran)["planted"].clone();
    let bugs = list.as_array().expect("a list");
    assert!(bugs.len() >= 20);
    let shown = simulate(&["--planted", "list"]).out;
    for bug in bugs {
        let name = bug["name"].as_str().expect("a name");
        assert!(bug["invariant"].is_string() && shown.contains(name));
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_would_be_right() {
    let unknown = simulate(&["--planted", "plague"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("deaf-gate"), "{}", unknown.err);
    let unknown = simulate(&["--faults", "plague"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("store_crash"), "{}", unknown.err);
    assert_eq!(simulate(&["--seed", "1", "--seeds", "2"]).code, Some(2));
    assert_eq!(simulate(&["--seeds", "0"]).code, Some(2));
}

#[test]
fn only_the_faults_that_are_named_fire() {
    let report = json(&simulate(&[
        "--seeds",
        "5",
        "--faults",
        "reply_lost",
        "--json",
    ]));
    let faults = report["faults"].as_object().expect("an object");
    assert_eq!(faults.keys().collect::<Vec<_>>(), ["reply_lost"]);
    let report = json(&simulate(&["--seeds", "5", "--faults", "none", "--json"]));
    assert_eq!(report["faults"], serde_json::json!({}));
}

//! The demo as a user runs it: the real binary, its own server as a child, killed in mid-sale.

use serde_json::Value;
use std::process::{Command, Output};

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
const MEMBERS: [&str; 19] = [
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
    "requests",
    "requests_per_second",
    "p50_ms",
    "p99_ms",
    "faults",
    "seconds",
    "verify",
];

#[test]
fn a_sale_that_is_killed_three_times_sells_exactly_what_there_is() {
    let (output, report) = demo(&[
        "--buyers",
        "120",
        "--units",
        "20",
        "--seconds",
        "4",
        "--faults",
        "many",
    ]);
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        (&report["sold"], &report["unsold"]),
        (&20.into(), &0.into())
    );
    assert_eq!(report["faults"]["process_kills"], 3);
    assert_eq!(report["oversold"], 0);
    for member in MEMBERS {
        assert!(!report[member].is_null(), "{member} is missing: {report:#}");
    }
    assert_eq!(report["orders"], serde_json::json!({}));
    let checks = report["verify"]["checks"]
        .as_array()
        .expect("verify has checks");
    assert_eq!(checks.len(), 22);
    for id in [
        "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I15", "I16", "I22",
    ] {
        let check = checks.iter().find(|check| check["id"] == id).expect(id);
        assert_eq!(check["result"], "held", "{check:#}");
    }
}

#[test]
fn fewer_willing_buyers_than_units_leave_units_that_can_still_be_bought() {
    let (output, report) = demo(&[
        "--buyers",
        "20",
        "--units",
        "30",
        "--seconds",
        "2",
        "--faults",
        "none",
    ]);
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        (&report["willing"], &report["sold"]),
        (&13.into(), &13.into())
    );
    assert_eq!(report["unsold"], 17);
    assert_eq!(
        (&report["probe"]["asked"], &report["probe"]["bought"]),
        (&17.into(), &17.into())
    );
    assert_eq!(report["faults"]["process_kills"], 0);
}

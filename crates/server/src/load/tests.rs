//! The generator's own check against a stand-in server that is right, and against wrong ones.

mod shop;

use super::report::Report;
use super::{LoadArgs, Scenario, drop, last_unit};
use shop::Flaw;

fn args(url: String, scenario: Scenario) -> LoadArgs {
    LoadArgs {
        url,
        token: Some("ek_given".to_owned()),
        scenario,
        seconds: 1,
        connections: 8,
        units: Some(300),
        bare: None,
        acks: None,
        json: true,
    }
}

async fn report(scenario: Scenario, flaw: Flaw) -> Report {
    let (url, _doors) = shop::open(flaw).await;
    let args = args(url, scenario);
    match scenario {
        Scenario::LastUnit => last_unit::run(&args).await.expect("it ran"),
        Scenario::Drop | Scenario::Mixed => drop::run(&args).await.expect("it ran"),
    }
}

/// `ok`, and the three numbers that decide the exit code.
fn verdict(report: &Report) -> (bool, u64, u64, u64) {
    let value = serde_json::to_value(report).expect("a report is JSON");
    let count = |name: &str| value[name].as_u64().expect(name);
    (report.ok, count("oversold"), count("lost"), count("double"))
}

#[tokio::test]
async fn the_last_unit_has_one_winner_on_an_honest_server() {
    let report = report(Scenario::LastUnit, Flaw::None).await;
    assert_eq!(verdict(&report), (true, 0, 0, 0), "{report:?}");
    let value = serde_json::to_value(&report).expect("a report is JSON");
    assert_eq!((&value["winners"], &value["sold"]), (&1.into(), &1.into()));
    assert_eq!(value["answers"]["201"], 1);
    assert!(value["codes"]["stock.sold_out"].as_u64() > Some(1));
    assert_eq!(value["probe"]["bought"], 1);
}

#[tokio::test]
async fn a_drop_adds_up_on_an_honest_server() {
    let report = report(Scenario::Drop, Flaw::None).await;
    assert_eq!(verdict(&report), (true, 0, 0, 0), "{report:?}");
    let value = serde_json::to_value(&report).expect("a report is JSON");
    assert!(value["sold"].as_u64() > Some(0) && value["replayed"].as_u64() > Some(0));
}

#[tokio::test]
async fn one_unit_too_many_is_oversold() {
    for scenario in [Scenario::LastUnit, Scenario::Drop] {
        let report = report(scenario, Flaw::Oversells).await;
        let (ok, oversold, ..) = verdict(&report);
        assert!(!ok && oversold > 0, "{report:?}");
    }
}

#[tokio::test]
async fn acknowledged_holds_that_are_gone_are_lost() {
    let report = report(Scenario::Drop, Flaw::ForgetsHolds).await;
    let (ok, oversold, lost, double) = verdict(&report);
    assert!(
        !ok && lost > 0 && oversold == 0 && double == 0,
        "{report:?}"
    );
}

#[tokio::test]
async fn a_key_with_two_effects_is_double() {
    let report = report(Scenario::Drop, Flaw::ForgetsKeys).await;
    let (ok, _, _, double) = verdict(&report);
    assert!(!ok && double > 0, "{report:?}");
}

#[tokio::test]
async fn a_winner_whose_retry_is_refused_is_lost() {
    let report = report(Scenario::LastUnit, Flaw::ForgetsKeys).await;
    let (ok, oversold, lost, _) = verdict(&report);
    assert!(!ok && lost == 1 && oversold == 0, "{report:?}");
}

#[tokio::test]
async fn a_confirm_that_counts_twice_is_double() {
    let report = report(Scenario::Drop, Flaw::SellsTwice).await;
    let (ok, _, _, double) = verdict(&report);
    assert!(!ok && double > 0, "{report:?}");
}

#[tokio::test]
async fn a_unit_that_nobody_can_buy_is_found_by_the_probe() {
    for scenario in [Scenario::LastUnit, Scenario::Drop] {
        let report = report(scenario, Flaw::HidesLastUnit).await;
        assert!(!report.ok, "{report:?}");
        let value = serde_json::to_value(&report).expect("a report is JSON");
        let probe = &value["probe"];
        assert!(
            probe["bought"].as_u64() < probe["asked"].as_u64(),
            "{probe}"
        );
    }
}

#[tokio::test]
async fn without_a_token_or_a_server_nothing_is_run() {
    let mut without = args("http://127.0.0.1:1".to_owned(), Scenario::LastUnit);
    let refused = last_unit::run(&without)
        .await
        .expect_err("nobody listens on port 1");
    assert!(refused.to_string().contains("cannot connect"), "{refused}");
    without.token = None;
    let refused = last_unit::run(&without)
        .await
        .expect_err("there is no token");
    assert!(refused.to_string().contains("--token"), "{refused}");
}

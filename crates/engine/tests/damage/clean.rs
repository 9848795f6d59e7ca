//! Histories that nobody damaged, and what is said of them.

use super::shop::{START, Shop, change, confirm, hold, place, put, receive, release, units};
use super::site::{Memory, Site, findings, look, look_with, named, sites};
use evenkeel_engine::commit::Command;
use evenkeel_engine::verify::{Inputs, Invariant, Kind, Outcome, Running};
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::{LogTime, Millis};

/// The invariants that a store alone can show.
const COMPUTED: [Invariant; 10] = [
    Invariant::I1,
    Invariant::I2,
    Invariant::I3,
    Invariant::I4,
    Invariant::I6,
    Invariant::I7,
    Invariant::I8,
    Invariant::I15,
    Invariant::I16,
    Invariant::I21,
];

/// Those that only orders and subscriptions are judged by; there are none here.
const OF_OTHERS: [Invariant; 5] = [
    Invariant::I9,
    Invariant::I10,
    Invariant::I11,
    Invariant::I12,
    Invariant::I13,
];

#[tokio::test]
async fn a_whole_store_is_held_and_the_rest_says_where_it_is_checked() {
    for site in sites().await {
        let report = look(&*site).await;
        assert!(report.ok);
        assert_eq!(report.position, 19);
        for (invariant, check) in Invariant::ALL.into_iter().zip(&report.checks) {
            assert_eq!(check.id, invariant.id());
            assert_eq!(check.name, invariant.name());
            if OF_OTHERS.contains(&invariant) {
                assert_eq!((check.result, check.checked), (Outcome::Held, 0));
            } else if COMPUTED.contains(&invariant) {
                assert_eq!(check.result, Outcome::Held, "{check:?}");
                assert!(check.checked > 0, "{check:?}");
                assert_eq!(check.place, None);
            } else {
                assert_eq!(check.result, Outcome::NotCheckable, "{check:?}");
                assert!(check.place.is_some(), "{check:?}");
                assert_eq!(check.checked, 0);
            }
        }
        let anchor = report.anchor().expect("a green report is an anchor");
        let anchors = evenkeel_engine::verify::read_anchors(&anchor).expect("it reads its own");
        let inputs = Inputs {
            anchors,
            ..Inputs::default()
        };
        assert!(look_with(&*site, inputs).await.ok);
    }
}

#[tokio::test]
async fn an_empty_store_is_held() {
    let report = look(&Memory::new()).await;
    assert!(report.ok, "{report:#?}");
    assert_eq!(report.position, 0);
}

#[tokio::test]
async fn the_report_has_the_members_that_are_promised() {
    let mut site = Memory::new();
    Shop::new(&site.0).open().await;
    site.set_hold(6, None);
    let report = serde_json::to_value(look(&site).await).expect("plain JSON");
    assert_eq!(report["ok"], false);
    assert_eq!(report["position"], 19);
    let check = &report["checks"][14];
    assert_eq!(check["id"], "I15");
    assert_eq!(check["name"], "state rows");
    assert_eq!(check["result"], "violated");
    let finding = &check["findings"][0];
    assert_eq!(finding["id"], "I15-1");
    assert_eq!(finding["kind"], "hold_missing");
    assert_eq!(
        finding["subject"],
        serde_json::json!({"kind": "hold", "id": "h-1"})
    );
    assert_eq!(finding["class"], "divergent");
    assert_eq!(finding["position"], 8);
    for member in ["expected", "found", "detail"] {
        assert!(finding.get(member).is_some(), "{member}");
    }
    let elsewhere = &report["checks"][13];
    assert_eq!(elsewhere["result"], "not_checkable");
    assert!(elsewhere["where"].is_string());
    assert!(report["checks"][0].get("where").is_none());
}

#[tokio::test]
async fn at_most_twenty_findings_are_shown_and_the_rest_is_counted() {
    let mut site = Memory::new();
    let mut shop = Shop::new(&site.0);
    shop.run("", put("lamp", "Lamp")).await;
    shop.run("", receive("lamp", 100)).await;
    for number in 0..30 {
        shop.run("", place(&format!("h-{number}"), &[("lamp", 1)], 60_000))
            .await;
    }
    for created in 3..33 {
        site.set_hold(created, None);
    }
    let report = look(&site).await;
    let check = report.check(Invariant::I15);
    assert_eq!(check.findings.len(), 20);
    assert_eq!(check.note.as_deref(), Some("10 more findings"));
}

/// A random life of a small shop.
pub(crate) async fn live(shop: &mut Shop<'_>, rng: &mut fastrand::Rng, commands: u32) {
    let skus = ["lamp", "desk", "chair"];
    for id in skus {
        shop.run("", put(id, id)).await;
        shop.run("", receive(id, 20)).await;
    }
    for turn in 0..commands {
        let id = format!("h-{}", rng.u32(..commands / 2 + 1));
        let (a, b) = (skus[rng.usize(..3)], skus[rng.usize(..3)]);
        let count = rng.u64(1..4);
        let command = match rng.u8(..14) {
            0..=4 if a != b => place(&id, &[(a, count), (b, 1)], rng.u64(1_000..9_000)),
            0..=4 => place(&id, &[(a, count)], rng.u64(1_000..9_000)),
            5 => confirm(&id, None),
            6 => confirm(&id, Some(&[(a, 1)])),
            7 => release(&id),
            8 => Command::Extend {
                id: hold(&id),
                ttl: Millis(rng.u64(1_000..9_000)),
            },
            9 => receive(a, count),
            10 => change(a, Change::WriteOff(units(count))),
            11 => change(a, Change::Find(units(count))),
            12 => put(a, &format!("{a} {turn}")),
            _ => Command::Expire { id: hold(&id) },
        };
        let key = if rng.u8(..5) == 0 {
            String::new()
        } else {
            format!("k-{}", rng.u32(..commands * 2))
        };
        shop.run(&key, command).await;
        shop.wait(rng.i64(0..400));
        if rng.u8(..6) == 0 {
            shop.sweep().await.expect("the store answers");
        }
    }
}

#[tokio::test]
async fn a_random_history_is_held() {
    for seed in 0..40 {
        let site = Memory::new();
        let mut shop = Shop::new(&site.0);
        let mut rng = fastrand::Rng::with_seed(seed);
        live(&mut shop, &mut rng, 300).await;
        let report = look(&site).await;
        assert!(report.ok, "seed {seed}: {:#?}", findings(&report));
        for invariant in COMPUTED {
            assert_eq!(report.check(invariant).result, Outcome::Held, "seed {seed}");
        }
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_random_history_in_a_file_is_held() {
    let file = super::file::File::new().await;
    let store = file.reopen();
    let mut shop = Shop::new(&store);
    shop.now = START + 100_000_000;
    live(&mut shop, &mut fastrand::Rng::with_seed(7), 400).await;
    drop(store);
    let report = look(&file).await;
    assert!(report.ok, "{:#?}", findings(&report));
}

#[tokio::test]
async fn a_history_longer_than_a_page_is_held_and_its_damage_is_found() {
    let mut site = Memory::new();
    let mut shop = Shop::new(&site.0);
    shop.run("", put("lamp", "Lamp")).await;
    shop.run("", receive("lamp", 5_000)).await;
    for number in 0..2_500 {
        let key = format!("k-{number}");
        shop.run(
            &key,
            place(&format!("h-{number}"), &[("lamp", 1)], 3_000_000),
        )
        .await;
    }
    assert!(look(&site).await.ok);
    for created in [3, 1_002, 1_003, 1_004, 2_502] {
        let row = site.hold(created);
        site.set_hold(created, None);
        let report = look(&site).await;
        let id = format!("hold {}", ["h-", &row.hold.id.as_str()[2..]].concat());
        assert_eq!(
            findings(&report),
            [named(Invariant::I15, Kind::HoldMissing, &id)]
        );
        site.set_hold(created, Some(row));
    }
    for position in [1_000, 1_001, 2_000, 2_001, 2_002] {
        let log = site.log();
        let mut cut = log.clone();
        cut.remove(position - 1);
        site.set_log(cut);
        let report = look(&site).await;
        let subject = format!("log {position}");
        assert_eq!(
            findings(&report),
            [named(Invariant::I16, Kind::EntryRemoved, &subject)]
        );
        site.set_log(log);
    }
}

#[tokio::test]
async fn an_overdue_hold_is_a_finding_only_where_somebody_could_have_ended_it() {
    let site = Memory::new();
    let mut shop = Shop::new(&site.0);
    shop.run("", put("lamp", "Lamp")).await;
    shop.run("", receive("lamp", 9)).await;
    shop.run("", place("h-1", &[("lamp", 1)], 2_000)).await;
    assert!(look(&site).await.ok, "nothing is due yet");

    // Down for a day, and up again for a moment: nobody had the time to sweep.
    shop.wait(86_400_000);
    shop.run("", receive("lamp", 1)).await;
    assert!(look(&site).await.ok, "the log stood still all the time");
    let now = LogTime::from_micros(shop.now);
    let running = |since_ms: i64| {
        let since = LogTime::from_micros(shop.now - since_ms * 1_000);
        Inputs {
            running: Some(Running { now, since }),
            ..Inputs::default()
        }
    };
    assert!(look_with(&site, running(4_000)).await.ok, "just started");
    let report = look_with(&site, running(9_000)).await;
    let expected = [named(Invariant::I3, Kind::NotEnded, "hold h-1")];
    assert_eq!(findings(&report), expected);

    // The log goes on for more than the grace: now it counts at rest, too.
    for _ in 0..12 {
        shop.wait(500);
        shop.run("", receive("lamp", 1)).await;
    }
    assert_eq!(findings(&look(&site).await), expected);
    shop.sweep().await.expect("the store answers");
    assert!(look(&site).await.ok);
}

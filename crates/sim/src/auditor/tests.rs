//! The auditor against a real history, and against the same history after it was tampered with.

use super::{Answer, Auditor};
use crate::client::{Client, Patience};
use crate::clock;
use crate::faults::FaultSet;
use crate::node::Node;
use crate::workload::{Asked, Who, quantity, request, terms};
use crate::world::World;
use evenkeel_engine::commit::{Command, Key, Rejection};
use evenkeel_engine::port::{Fault, LogRow};
use evenkeel_engine::store::memory::Tables;
use evenkeel_engine::{Options, Refusal, Threads};
use evenkeel_rules::hold::{self, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId};
use evenkeel_rules::stock::{Balances, Change};
use evenkeel_rules::time::Millis;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// What really happened: the store at the end, and every request with its answer.
///
/// 1 a SKU, 2 five units, 3 and 4 a hold of two that is confirmed, 5 and 6 one of one that is
/// released, 7 and 8 one of one that expires.
struct History {
    tables: Tables,
    origin: [u8; 32],
    asked: Vec<(Asked, Answer)>,
}

fn sku() -> SkuId {
    SkuId::new("lamp").expect("a well-formed id")
}

fn hold_id(id: &str) -> HoldId {
    HoldId::new(id).expect("a well-formed id")
}

fn place(id: &str, units: u64) -> Asked {
    let customer = CustomerId::new("c-1").expect("a well-formed id");
    let wanted = Wanted {
        sku: sku(),
        location: LocationId::main(),
        quantity: quantity(units),
    };
    let place = hold::Place {
        id: hold_id(id),
        customer: customer.clone(),
        lines: vec![wanted],
        ttl: Millis(1_000),
    };
    request(&Who::Buyer(customer), Some(id), Command::Place(place))
}

fn requests() -> Vec<Asked> {
    let receive = Command::ChangeStock {
        sku: sku(),
        location: LocationId::main(),
        change: Change::Receive(quantity(5)),
        reference: None,
        reason: None,
    };
    let confirm = Command::Confirm {
        id: hold_id("h-1"),
        lines: None,
    };
    let release = Command::Release { id: hold_id("h-2") };
    vec![
        request(
            &Who::Staff,
            Some("put"),
            Command::PutSku {
                terms: terms(&sku()),
            },
        ),
        request(&Who::Staff, Some("receive"), receive),
        place("h-1", 2),
        request(&Who::Shop, Some("confirm"), confirm),
        place("h-2", 1),
        request(&Who::Shop, Some("release"), release),
        place("h-3", 1),
    ]
}

async fn happen() -> History {
    let world = Arc::new(World::new(1, FaultSet::none(), None));
    let options = Options {
        threads: Threads::Shared,
        ..Options::default()
    };
    let node = |name| Arc::new(Node::new(name, 1, &world, options.clone()));
    let nodes = [node("a"), node("b")];
    for node in &nodes {
        node.start(&world).await;
    }
    let mut client = Client {
        world: Arc::clone(&world),
        nodes,
        rng: fastrand::Rng::with_seed(1),
        probes: false,
    };
    let mut asked = Vec::new();
    for request in requests() {
        let answer = client.ask(&request, Patience::Takes).await;
        asked.push((request, answer.expect("nothing is in the way")));
    }
    clock::sleep(Duration::from_secs(3)).await;
    let tables = world.store.tables();
    assert_eq!(tables.log.len(), 8, "the sweep ended the last hold");
    let origin = evenkeel_engine::chain::origin(&tables.head.log, &tables.head.salt);
    History {
        tables,
        origin,
        asked,
    }
}

fn history() -> History {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    runtime.block_on(happen())
}

/// What an auditor says of a history, in order.
fn verdict(history: &History) -> Vec<(&'static str, String)> {
    let mut auditor = Auditor::new(history.origin);
    let at = Duration::from_secs;
    let begin = |(asked, _): &(Asked, Answer)| asked.request.clone();
    let requests: Vec<_> = history.asked.iter().map(begin).collect();
    let ids: Vec<_> = requests
        .iter()
        .map(|request| auditor.begin(request, at(0)))
        .collect();
    for row in &history.tables.log {
        auditor.row(&row.text, row.hash, at(row.position));
    }
    for (id, (_, answer)) in ids.into_iter().zip(&history.asked) {
        auditor.answered(id, answer, at(60));
    }
    auditor.end(&history.tables);
    let violations = auditor.violations().iter();
    violations
        .map(|violation| (violation.invariant, violation.what.clone()))
        .collect()
}

/// The invariants that are violated once the tables were changed.
fn damaged(change: impl FnOnce(&mut Tables)) -> Vec<&'static str> {
    let mut history = history();
    change(&mut history.tables);
    // What the last rows touched is compared again when everything is.
    let verdict = verdict(&history).into_iter();
    let mut found: Vec<&str> = verdict.map(|(invariant, _)| invariant).collect();
    found.dedup();
    found
}

/// The invariant that is violated first once the log was rewritten, with hashes that link.
fn rewritten(change: impl FnOnce(&mut Vec<Value>)) -> &'static str {
    let mut history = history();
    let read = |row: &LogRow| serde_json::from_slice(&row.text).expect("a row is JSON");
    let mut rows: Vec<Value> = history.tables.log.iter().map(read).collect();
    change(&mut rows);
    let mut hash = history.origin;
    history.tables.log = rows
        .iter()
        .zip(1..)
        .map(|(row, position)| {
            let text = row.to_string().into_bytes();
            let linked = Sha256::new_with_prefix(hash).chain_update(&text);
            hash = linked.finalize().into();
            LogRow {
                position,
                hash,
                text,
            }
        })
        .collect();
    let verdict = verdict(&history);
    verdict
        .first()
        .map_or("nothing", |(invariant, _)| invariant)
}

/// The invariant that is violated first once an answer was changed.
fn told_otherwise(change: impl FnOnce(&mut Vec<(Asked, Answer)>)) -> &'static str {
    let mut history = history();
    change(&mut history.asked);
    let verdict = verdict(&history);
    verdict
        .first()
        .map_or("nothing", |(invariant, _)| invariant)
}

fn sold_out(position: u64) -> Answer {
    Err(Refusal::Rejected {
        rejection: Rejection::Hold(hold::Rejection::SoldOut { sku: sku() }),
        position,
        replayed: false,
    })
}

#[test]
fn an_honest_history_violates_nothing() {
    assert_eq!(verdict(&history()), []);
}

#[test]
fn a_broken_chain_and_a_missing_or_unreadable_row_are_i16() {
    assert!(damaged(|tables| tables.log[3].hash[0] ^= 1).contains(&"I16"));
    assert_eq!(rewritten(|rows| drop(rows.remove(4))), "I16");
    assert_eq!(rewritten(|rows| rows[4]["position"] = json!(9)), "I16");
    let unreadable = damaged(|tables| tables.log[3].text = b"{".to_vec());
    assert_eq!(unreadable.first(), Some(&"I16"));
}

#[test]
fn more_units_than_there_are_is_i1() {
    let oversold = rewritten(|rows| {
        rows[2]["events"][0]["data"]["lines"][0]["quantity"] = json!(6);
        rows[2]["moves"][0]["quantity"] = json!(6);
    });
    assert_eq!(oversold, "I1");
}

#[test]
fn units_that_move_without_an_event_or_an_operation_are_i2() {
    assert_eq!(
        rewritten(|rows| rows[2]["moves"][0]["quantity"] = json!(1)),
        "I2"
    );
    assert_eq!(
        rewritten(|rows| rows[2]["moves"][0]["operation"] = json!("borrow")),
        "I2"
    );
    assert_eq!(rewritten(|rows| rows[2]["moves"] = json!([])), "I2");
}

#[test]
fn a_second_ending_is_i3() {
    let again = rewritten(|rows| {
        let mut again = rows[3].clone();
        again["position"] = json!(9);
        again["at"] = rows[7]["at"].clone();
        again["fingerprint"] = json!("");
        rows.push(again);
    });
    assert_eq!(again, "I3");
}

#[test]
fn an_early_expiry_a_late_confirm_and_a_falling_time_are_i4() {
    let early = rewritten(|rows| {
        rows[7]["at"] = rows[6]["at"].clone();
        rows[7]["events"][0]["data"]["ended_at"] = rows[6]["at"].clone();
    });
    assert_eq!(early, "I4");
    let late = rewritten(|rows| {
        let at = json!(rows[3]["at"].as_i64().unwrap_or(0) + 2_000_000);
        rows[3]["at"] = at.clone();
        rows[3]["events"][0]["data"]["ended_at"] = at;
    });
    assert_eq!(late, "I4");
    assert_eq!(rewritten(|rows| rows[5]["at"] = json!(1)), "I4");
}

#[test]
fn a_gap_in_the_versions_and_an_illegal_pair_are_i7() {
    assert_eq!(
        rewritten(|rows| rows[3]["events"][0]["version"] = json!(3)),
        "I7"
    );
    assert_eq!(
        rewritten(|rows| rows[3]["events"][0]["previous"] = json!(2)),
        "I7"
    );
    assert_eq!(
        rewritten(|rows| rows[1]["events"][0]["type"] = json!("token.revoked")),
        "I7"
    );
}

#[test]
fn a_key_that_takes_effect_twice_is_i6() {
    let twice = rewritten(|rows| {
        let (cause, print) = (rows[2]["cause"].clone(), rows[2]["fingerprint"].clone());
        (rows[4]["cause"], rows[4]["fingerprint"]) = (cause, print);
    });
    assert_eq!(twice, "I6");
    assert!(damaged(|tables| tables.names.clear()).contains(&"I6"));
}

#[test]
fn an_effect_that_nobody_asked_for_or_that_was_told_as_a_no_is_i5() {
    assert_eq!(told_otherwise(|asked| drop(asked.remove(4))), "I5");
    let no = |asked: &mut Vec<(Asked, Answer)>| {
        asked[4].1 = Err(Refusal::Failed(Fault::DiskFull));
    };
    assert_eq!(told_otherwise(no), "I5");
    let unknown = |asked: &mut Vec<(Asked, Answer)>| {
        asked[4].1 = Err(Refusal::Failed(Fault::TimedOut));
    };
    assert_eq!(told_otherwise(unknown), "nothing");
}

#[test]
fn a_yes_without_its_effect_or_with_another_is_i5_or_i6() {
    let beyond = |asked: &mut Vec<(Asked, Answer)>| {
        if let Ok(done) = &mut asked[2].1 {
            done.position = 99;
        }
    };
    assert_eq!(told_otherwise(beyond), "I5");
    let swapped = |asked: &mut Vec<(Asked, Answer)>| {
        asked[2].1 = asked[4].1.clone();
    };
    assert_eq!(told_otherwise(swapped), "I6");
    let other = |asked: &mut Vec<(Asked, Answer)>, replayed| {
        let other = asked[4].1.clone().expect("it was done");
        let done = asked[2].1.as_mut().expect("it was done");
        (done.effect, done.replayed) = (other.effect, replayed);
    };
    assert_eq!(told_otherwise(|asked| other(asked, false)), "I5");
    assert_eq!(told_otherwise(|asked| other(asked, true)), "I6");
}

#[test]
fn a_false_or_a_stale_sold_out_is_i22() {
    let ask = |asked: &mut Vec<(Asked, Answer)>, (units, position)| {
        let mut late = place("h-9", units);
        late.request.key = Some(Key::new(None, "late", &[]));
        asked.push((late, sold_out(position)));
    };
    assert_eq!(told_otherwise(|asked| ask(asked, (9, 8))), "nothing");
    assert_eq!(told_otherwise(|asked| ask(asked, (1, 8))), "I22");
    let mut auditor = Auditor::new([0; 32]);
    let mut late = place("h-9", 9);
    late.request.key = None;
    for row in &history().tables.log {
        auditor.row(&row.text, row.hash, Duration::from_secs(1));
    }
    let before = auditor.violations().len();
    let id = auditor.begin(&late.request, Duration::from_secs(5));
    auditor.answered(id, &sold_out(8), Duration::from_secs(5));
    assert_eq!(auditor.violations().len(), before, "as of the head");
    let id = auditor.begin(&late.request, Duration::from_secs(5));
    auditor.answered(id, &sold_out(7), Duration::from_secs(5));
    let last = auditor.violations().last().expect("it was long ago");
    assert_eq!(last.invariant, "I22");
}

#[test]
fn a_winner_that_is_told_sold_out_is_i22() {
    let mut history = history();
    let winner = history.asked[2].clone();
    let mut auditor = Auditor::new(history.origin);
    let first = auditor.begin(&winner.0.request, Duration::ZERO);
    for row in history.tables.log.drain(..3) {
        auditor.row(&row.text, row.hash, Duration::from_secs(1));
    }
    auditor.answered(first, &winner.1, Duration::from_secs(2));
    let before = auditor.violations().len();
    let again = auditor.begin(&winner.0.request, Duration::from_secs(3));
    auditor.answered(again, &sold_out(3), Duration::from_secs(3));
    let after = &auditor.violations()[before..];
    assert!(after.iter().any(|violation| violation.invariant == "I22"));
}

#[test]
fn a_balance_that_is_not_its_fold_is_i8() {
    let found = damaged(|tables| {
        for balances in tables.balances.values_mut() {
            *balances = Balances::default();
        }
    });
    assert_eq!(found, ["I8"]);
    assert_eq!(damaged(|tables| tables.balances.clear()), ["I8"]);
}

#[test]
fn a_state_row_that_is_not_its_fold_or_is_missing_is_i15() {
    let edited = damaged(|tables| {
        let row = tables.holds.values_mut().next().expect("there is a hold");
        row.hold.deadline = row.hold.placed_at;
    });
    assert_eq!(edited, ["I15"]);
    assert!(damaged(|tables| drop(tables.holds.pop_first())).contains(&"I15"));
    assert!(damaged(|tables| drop(tables.skus.pop_first())).contains(&"I15"));
}

#[test]
fn a_live_hold_without_its_timer_is_i18() {
    let mut history = history();
    history.tables.log.truncate(7);
    let row = history.tables.holds.values().next_back();
    let row = row.expect("there are three holds").clone();
    history.tables.timers.clear();
    let found = verdict(&history);
    let timer = format!("{} has no timer", row.hold.id);
    assert!(found.contains(&("I18", timer)), "{found:?}");
}

#[test]
fn what_led_to_the_first_violation_is_told_in_sentences() {
    let mut history = history();
    history.asked[4].1 = Err(Refusal::Failed(Fault::DiskFull));
    let mut auditor = Auditor::new(history.origin);
    let asked = history.asked.iter();
    let ids: Vec<_> = asked
        .map(|(asked, _)| auditor.begin(&asked.request, Duration::ZERO))
        .collect();
    for row in &history.tables.log {
        auditor.row(&row.text, row.hash, Duration::from_secs(1));
    }
    auditor.answered(ids[4], &history.asked[4].1, Duration::from_secs(2));
    let before = auditor.before();
    assert_eq!(
        before.last().map(String::as_str),
        Some("answer place_hold: the disk is full")
    );
    let row = &before[before.len() - 2];
    assert!(row.starts_with("row 8 at "), "{row}");
    assert!(
        row.ends_with("stock.expired of hold:h-3; expire 1 lamp at main"),
        "{row}"
    );
}

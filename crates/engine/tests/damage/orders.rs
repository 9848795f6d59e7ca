//! Orders, callbacks and private texts: histories that nobody damaged, and damage to their rows.

use super::log::{at, forge, reword};
use super::site::{Memory, Named, Site, findings, look, look_with, named, planted_trade, trades};
use super::trade::{Trade, ask};
use evenkeel_engine::callback::State;
use evenkeel_engine::chain::{hex, link};
use evenkeel_engine::commit::order_name;
use evenkeel_engine::verify::{Inputs, Invariant, Kind, Outcome, Running};
use evenkeel_rules::order::{Status, Units};
use evenkeel_rules::time::LogTime;
use std::collections::BTreeSet;

/// The invariants that orders are judged by, and that a store alone can show.
pub(crate) const JUDGED: [Invariant; 14] = [
    Invariant::I1,
    Invariant::I2,
    Invariant::I3,
    Invariant::I4,
    Invariant::I6,
    Invariant::I7,
    Invariant::I8,
    Invariant::I10,
    Invariant::I11,
    Invariant::I12,
    Invariant::I13,
    Invariant::I15,
    Invariant::I16,
    Invariant::I21,
];

fn state(subject: &str) -> Vec<Named> {
    vec![named(Invariant::I15, Kind::StateEdited, subject)]
}

fn edited(position: u64) -> Vec<Named> {
    let subject = format!("log {position}");
    vec![named(Invariant::I16, Kind::EntryEdited, &subject)]
}

/// The first position whose text has all of these.
fn find(site: &dyn Site, parts: &[&str]) -> u64 {
    let log = site.log();
    let has = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        parts.iter().all(|part| text.contains(part))
    };
    let row = log.iter().find(|row| has(&row.text));
    row.unwrap_or_else(|| panic!("{parts:?} is in no row"))
        .position
}

/// Where an order was taken.
fn made(site: &dyn Site, id: &str) -> u64 {
    find(
        site,
        &[&format!("\"stream\":\"order:{id}\",\"version\":1,")],
    )
}

/// Where a callback was stored.
fn stored(site: &dyn Site, event: &str) -> u64 {
    find(
        site,
        &["callback.stored", &format!("\"event\":\"{event}\"")],
    )
}

/// Rewrites a row of the log and hashes all behind it anew, as who wants to hide it must.
pub(crate) fn forged(site: &mut dyn Site, parts: &[&str], (from, to): (&str, &str)) -> u64 {
    let position = find(site, parts);
    let mut log = site.log();
    reword(&mut log[at(position)], from, to);
    forge(site, log, position);
    position
}

#[tokio::test]
async fn orders_in_every_state_are_held() {
    for site in trades().await {
        let report = look(&*site).await;
        assert!(report.ok, "{:#?}", findings(&report));
        for invariant in JUDGED {
            let check = report.check(invariant);
            assert_eq!(check.result, Outcome::Held, "{check:?}");
            assert!(check.checked > 0, "{check:?}");
        }
        let store = site.open().expect("it opens");
        let rows = store.orders(u64::MAX, 1_000).await.expect("readable").rows;
        let stand: BTreeSet<_> = rows.iter().map(|row| row.body.status.name()).collect();
        let missing: Vec<_> = Status::ALL
            .into_iter()
            // Its units are sold in the very commit in which it is paid.
            .filter(|status| *status != Status::Paid)
            .filter(|status| !stand.contains(status.name()))
            .collect();
        assert_eq!(missing, []);
    }
}

#[tokio::test]
async fn an_edited_order_is_named() {
    let edits: [&dyn Fn(&mut evenkeel_engine::port::OrderRow); 8] = [
        &|row| row.body.status = Status::Refunded,
        &|row| row.body.total.amount -= 1,
        &|row| row.body.units = Units::Free,
        &|row| row.body.payment.charges[0].amount += 1,
        &|row| row.body.lines[0].price += 1,
        &|row| row.version += 1,
        &|row| row.last -= 1,
        &|row| row.flagged = true,
    ];
    for edit in edits {
        planted_trade(|site| {
            site.edit_order(made(site, "o-1"), edit);
            state("order o-1")
        })
        .await;
    }
}

#[tokio::test]
async fn an_order_that_waits_for_a_person_unseen_is_named() {
    planted_trade(|site| {
        site.edit_order(made(site, "o-22"), &|row| row.flagged = false);
        state("order o-22")
    })
    .await;
}

#[tokio::test]
async fn a_removed_order_is_named() {
    // A quiet one, one on its way, the one that nobody may place.
    for id in ["o-1", "o-31", "o-12"] {
        planted_trade(|site| {
            site.remove_life(made(site, id));
            let subject = format!("order {id}");
            vec![named(Invariant::I15, Kind::OrderMissing, &subject)]
        })
        .await;
    }
}

#[tokio::test]
async fn a_lost_row_of_the_log_hides_no_removed_order_that_it_made() {
    for id in ["o-1", "o-31"] {
        planted_trade(|site| {
            let position = made(site, id);
            let mut log = site.log();
            log.remove(at(position));
            site.set_log(log);
            site.remove_life(position);
            vec![
                named(Invariant::I15, Kind::OrderMissing, &format!("order {id}")),
                named(
                    Invariant::I16,
                    Kind::EntryRemoved,
                    &format!("log {position}"),
                ),
            ]
        })
        .await;
    }
}

#[tokio::test]
async fn a_removed_order_id_is_named() {
    planted_trade(|site| {
        site.remove_name(order_name(&super::trade::order("o-1")));
        vec![named(Invariant::I6, Kind::KeyMissing, "order o-1")]
    })
    .await;
}

#[tokio::test]
async fn a_removed_provider_event_id_is_named() {
    planted_trade(|site| {
        let position = stored(site, "e-25");
        let entry = evenkeel_engine::chain::Entry::read(&site.log()[at(position)].text);
        let (name, _) = entry.expect("readable").key().expect("it has a key");
        site.remove_name(name);
        let subject = format!("key {}", hex(&name));
        vec![named(Invariant::I6, Kind::KeyMissing, &subject)]
    })
    .await;
}

#[tokio::test]
async fn an_order_or_callback_that_nobody_will_look_at_is_named() {
    for id in ["o-30", "o-31", "o-33", "o-8"] {
        planted_trade(|site| {
            site.edit_order(made(site, id), &|row| row.due = None);
            let subject = format!("order {id}");
            vec![named(Invariant::I13, Kind::Forgotten, &subject)]
        })
        .await;
    }
    planted_trade(|site| {
        let position = stored(site, "e-99");
        site.edit_callback(position, &|row| row.due = None);
        let subject = format!("callback {position}");
        vec![named(Invariant::I13, Kind::Forgotten, &subject)]
    })
    .await;
}

#[tokio::test]
async fn an_edited_callback_is_named() {
    let edits: [&dyn Fn(&mut evenkeel_engine::port::CallbackRow); 6] = [
        &|row| row.body.state = State::Quarantined,
        &|row| row.body.event = "e-1".to_owned(),
        &|row| row.body.sha256 = "00".to_owned(),
        &|row| row.version += 1,
        &|row| row.last -= 1,
        &|row| row.flagged = true,
    ];
    for edit in edits {
        planted_trade(|site| {
            let position = stored(site, "e-25");
            site.edit_callback(position, edit);
            state(&format!("callback {position}"))
        })
        .await;
    }
}

#[tokio::test]
async fn a_removed_callback_is_named() {
    for event in ["e-25", "e-99"] {
        planted_trade(|site| {
            let position = stored(site, event);
            site.remove_life(position);
            state(&format!("callback {position}"))
        })
        .await;
    }
}

#[tokio::test]
async fn an_edited_a_removed_and_a_silently_erased_private_text_are_named() {
    let of = |kind, position: u64| {
        let subject = format!("private {position}");
        vec![named(Invariant::I21, kind, &subject)]
    };
    for (text, kind) in [
        (Some("another"), Kind::TextEdited),
        (Some(""), Kind::TextEdited),
        (None, Kind::TextMissing),
    ] {
        planted_trade(|site| {
            let position = stored(site, "e-25");
            site.set_private(position, text);
            of(kind, position)
        })
        .await;
    }
    planted_trade(|site| {
        let position = stored(site, "e-25");
        site.erase_private(position, LogTime::from_micros(1));
        of(Kind::TextMissing, position)
    })
    .await;
}

/// Where the money of an order with one lamp came.
const PAID: [&str; 2] = ["payment.completed", "\"stream\":\"order:o-31\""];

#[tokio::test]
async fn edited_money_in_the_log_is_named() {
    planted_trade(|site| {
        let position = find(site, &PAID);
        let mut log = site.log();
        reword(&mut log[at(position)], "\"amount\":1999", "\"amount\":1998");
        site.set_log(log);
        edited(position)
    })
    .await;
    planted_trade(|site| {
        let paid = ["payment.completed", "\"stream\":\"order:o-1\""];
        forged(site, &paid, ("\"amount\":3998", "\"amount\":3997"));
        vec![
            named(Invariant::I10, Kind::MoneyDiffers, "order o-1"),
            named(Invariant::I11, Kind::SoldUnpaid, "order o-1"),
            named(Invariant::I15, Kind::StateEdited, "order o-1"),
        ]
    })
    .await;
}

#[tokio::test]
async fn an_order_confirmed_without_its_money_is_named() {
    planted_trade(|site| {
        forged(
            site,
            &PAID,
            ("\"status\":\"completed\"", "\"status\":\"pending\""),
        );
        vec![
            named(Invariant::I11, Kind::SoldUnpaid, "order o-31"),
            named(Invariant::I15, Kind::StateEdited, "order o-31"),
        ]
    })
    .await;
}

#[tokio::test]
async fn a_doubled_refund_is_named() {
    planted_trade(|site| {
        let asked = ["payment.refund_requested", "\"stream\":\"order:o-6\""];
        let doubled = ("\"amount\":3998,\"why\"", "\"amount\":7996,\"why\"");
        forged(site, &asked, doubled);
        vec![
            named(Invariant::I7, Kind::IllegalTransition, "order o-6"),
            named(Invariant::I10, Kind::MoneyDiffers, "order o-6"),
            named(Invariant::I13, Kind::RefundedTwice, "order o-6"),
        ]
    })
    .await;
}

#[tokio::test]
async fn units_that_the_order_did_not_follow_are_named() {
    planted_trade(|site| {
        forged(site, &PAID, ("\"units\":\"sold\"", "\"units\":\"held\""));
        vec![
            named(Invariant::I11, Kind::UnitsDiffer, "hold order:o-31"),
            named(Invariant::I11, Kind::UnitsDiffer, "order o-31"),
            named(Invariant::I15, Kind::StateEdited, "order o-31"),
        ]
    })
    .await;
}

#[tokio::test]
async fn fewer_units_shipped_than_sold_are_named() {
    planted_trade(|site| {
        let shipped = ["order.shipped", "\"stream\":\"order:o-1\""];
        let moved = "\"location\":\"main\",\"quantity\"";
        let (from, to) = (format!("{moved}:2"), format!("{moved}:1"));
        let position = forged(site, &shipped, (&from, &to));
        let subject = format!("log {position}");
        vec![
            named(Invariant::I2, Kind::MovesDiffer, &subject),
            named(Invariant::I8, Kind::BalanceEdited, "sku lamp"),
        ]
    })
    .await;
}

#[tokio::test]
async fn something_private_in_the_log_is_named() {
    // A payment token; an e-mail address; a name.
    for leaked in ["tok_secret", "ada@lovelace.example", "Ada Lovelace"] {
        planted_trade(|site| {
            let taken = ["order.created", "\"stream\":\"order:o-30\""];
            let method = |text: &str| format!("\"method\":\"{text}\"");
            let position = forged(site, &taken, (&method("card"), &method(leaked)));
            let subject = if leaked.contains('@') {
                "order o-30".to_owned()
            } else {
                format!("private {position}")
            };
            vec![
                named(Invariant::I15, Kind::StateEdited, "order o-30"),
                named(Invariant::I21, Kind::TextLeaked, &subject),
            ]
        })
        .await;
    }
}

#[tokio::test]
async fn a_member_that_no_event_has_is_named() {
    planted_trade(|site| {
        let taken = ["order.created", "\"stream\":\"order:o-30\""];
        let line = "\"price\":1999";
        forged(
            site,
            &taken,
            (line, &format!("{line},\"note\":\"ring twice\"")),
        );
        vec![named(Invariant::I21, Kind::TextLeaked, "order o-30")]
    })
    .await;
    planted_trade(|site| {
        forged(
            site,
            &PAID,
            (
                "\"payment.completed\",\"data\":{",
                "\"payment.completed\",\"data\":{\"note\":\"ring twice\",",
            ),
        );
        vec![
            named(Invariant::I7, Kind::IllegalTransition, "order o-31"),
            named(Invariant::I21, Kind::TextLeaked, "order o-31"),
        ]
    })
    .await;
}

/// Every second row, so that the test is short.
fn some_rows(site: &Memory) -> impl Iterator<Item = u64> + use<> {
    (1..=site.head().0).step_by(2)
}

#[tokio::test]
async fn each_removed_row_of_the_log_is_named_and_nothing_else() {
    let mut site = Memory::new();
    Trade::new(&site.0).open().await;
    let log = site.log();
    let head = site.head().0;
    for position in some_rows(&site).filter(|position| *position < head) {
        let mut cut = log.clone();
        cut.remove(at(position));
        site.set_log(cut);
        let subject = format!("log {position}");
        let expected = [named(Invariant::I16, Kind::EntryRemoved, &subject)];
        assert_eq!(findings(&look(&site).await), expected, "{position}");
    }
}

#[tokio::test]
async fn each_edited_row_of_the_log_is_named_and_nothing_else() {
    let mut site = Memory::new();
    Trade::new(&site.0).open().await;
    let log = site.log();
    for position in some_rows(&site) {
        let mut log = log.clone();
        reword(&mut log[at(position)], "\"actor\":\"", "\"actor\":\"x");
        site.set_log(log);
        assert_eq!(findings(&look(&site).await), edited(position), "{position}");
    }
}

#[tokio::test]
async fn a_row_rewritten_with_its_hash_is_told_from_the_one_behind_it() {
    for (parts, from, to) in [
        (&PAID[..], "\"amount\":1999", "\"amount\":1998"),
        (
            &["order.created", "\"order:o-30\""],
            "\"customer\":\"c-1",
            "\"customer\":\"c-2",
        ),
        (&["callback.stored", "\"event\":\"e-99\""], "o-99", "o-98"),
    ] {
        planted_trade(|site| {
            let position = find(site, parts);
            let mut log = site.log();
            let before = log[at(position) - 1].hash;
            let row = &mut log[at(position)];
            reword(row, from, to);
            row.hash = link(&before, &row.text);
            site.set_log(log);
            edited(position)
        })
        .await;
    }
}

#[tokio::test]
async fn an_order_whose_step_is_long_due_is_a_finding_only_where_somebody_could_have_taken_it() {
    let site = Memory::new();
    let mut trade = Trade::new(&site.0);
    trade.shop.run("", super::shop::put("lamp", "Lamp")).await;
    trade.shop.run("", super::shop::receive("lamp", 9)).await;
    trade.take(ask("o-1", 1)).await;
    trade.shop.wait(86_400_000);
    trade.shop.run("", super::shop::receive("lamp", 1)).await;
    assert!(look(&site).await.ok, "the log stood still all the time");
    let now = LogTime::from_micros(trade.shop.now);
    let running = |since_ms: i64| {
        let since = LogTime::from_micros(trade.shop.now - since_ms * 1_000);
        Inputs {
            running: Some(Running { now, since }),
            ..Inputs::default()
        }
    };
    assert!(look_with(&site, running(59_000)).await.ok, "just started");
    let report = look_with(&site, running(62_000)).await;
    let expected = [named(Invariant::I13, Kind::NotDone, "order o-1")];
    assert_eq!(findings(&report), expected);
    for _ in 0..62 {
        trade.shop.wait(1_000);
        trade.shop.run("", super::shop::receive("lamp", 1)).await;
    }
    assert_eq!(findings(&look(&site).await), expected);
}

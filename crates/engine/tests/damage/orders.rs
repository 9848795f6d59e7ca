//! Orders, callbacks and private texts: histories that nobody damaged, and damage to their rows.

use super::site::{Memory, Named, Site, findings, look, named, planted_trade, trades};
use super::trade::{PRICE, Trade, ask, back, cancel, charged, money_news, order, resolve};
use evenkeel_engine::callback::State;
use evenkeel_engine::commit::{Command, Key, Received, order_name};
use evenkeel_engine::port::{DueRow, OrderRow};
use evenkeel_engine::verify::{Invariant, Kind, Outcome};
use evenkeel_rules::ids::RefundId;
use evenkeel_rules::order::{News, Receipt, Status, Task, Told, Units, Word};
use evenkeel_rules::payment::Settled;
use evenkeel_rules::shipment::Status as Parcel;
use evenkeel_rules::time::LogTime;
use std::collections::BTreeSet;

/// The invariants that orders are judged by, and that a store alone can show.
const JUDGED: [Invariant; 13] = [
    Invariant::I1,
    Invariant::I2,
    Invariant::I3,
    Invariant::I4,
    Invariant::I6,
    Invariant::I7,
    Invariant::I8,
    Invariant::I10,
    Invariant::I11,
    Invariant::I13,
    Invariant::I15,
    Invariant::I16,
    Invariant::I21,
];

fn state(subject: &str) -> Vec<Named> {
    vec![named(Invariant::I15, Kind::StateEdited, subject)]
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
            // Nothing is between paid and confirmed, and nothing stays expired that is paid late.
            .filter(|status| *status != Status::Paid)
            .filter(|status| !stand.contains(status.name()))
            .collect();
        assert_eq!(missing, []);
    }
}

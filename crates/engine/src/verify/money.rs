//! What must be true of an order as a row of the log leaves it: I10, I11 and the part of I13 that
//! its events can show.
//!
//! All of it is computed from the amounts and states in the order's body; what they must be is
//! written here once more and not asked of the rules that made them, but for the amounts
//! themselves, which are sums.

use super::fold::wrong;
use super::report::{Book, Draft, Invariant, Kind as Wrong, Subject};
use crate::chain::{Entry, EntryEvent, hex};
use crate::commit::{Name, hold_name};
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::ids::HoldId;
use evenkeel_rules::order::{Order, Refund, RefundStatus, Status, Units};
use evenkeel_rules::payment::{Charge, Payment, Returned, Settled};
use evenkeel_rules::saga::State;
use serde_json::{Value, json};

/// Judges an order as a row leaves it.
pub(super) fn judge(was: Option<&Order>, now: &Order, position: u64, book: &mut Book) {
    for invariant in [Invariant::I10, Invariant::I11, Invariant::I13] {
        book.checked(invariant, 1);
    }
    let mut find = |invariant, kind, (expected, found): (Value, Value), detail: &str| {
        let draft = Draft {
            expected,
            found,
            detail: detail.to_owned(),
            ..wrong(kind, Subject::new("order", &now.id), position)
        };
        book.find(invariant, draft);
    };
    let amounts = json!({"refunded": now.refunded(), "refund_requested": now.refund_requested(),
        "captured": now.payment.captured(), "authorised": now.payment.authorised(),
        "amount_due": now.amount_due(), "status": now.status});
    if !is_ordered(now) {
        let law = json!("0 <= refunded <= refund_requested <= captured <= authorised");
        let what = "its amounts are out of order";
        find(Invariant::I10, Wrong::MoneyDiffers, (law, amounts), what);
    } else if now.is_quiet() && now.payment.captured() - now.refunded() != now.amount_due() {
        let law = json!("captured - refunded = amount_due");
        let what = "it is quiet, and what the shop keeps is not what is owed";
        find(Invariant::I10, Wrong::MoneyDiffers, (law, amounts), what);
    }
    if was.is_some_and(|was| !is_kept(&was.payment, &now.payment)) {
        let told = (json!(was.map(|was| &was.payment)), json!(now.payment));
        let what = "a fact of its payment was taken back";
        find(Invariant::I7, Wrong::IllegalTransition, told, what);
    }
    if let Some(charge) = taken_back_twice(now) {
        let found = json!({"of": charge, "goes_back": refunds_of(now, charge)});
        let law = json!({"at_most": took(now, charge)});
        let what = "more of a transaction goes back than was captured";
        find(Invariant::I13, Wrong::RefundedTwice, (law, found), what);
    }
    let standing = json!({"status": now.status, "units": now.units,
        "captured": now.payment.captured(), "total": now.total.amount});
    if !units_fit(now) {
        let what = "its units are not where its status says";
        find(
            Invariant::I11,
            Wrong::UnitsDiffer,
            (json!(null), standing),
            what,
        );
    } else if is_sold(now.status) && now.payment.captured() < now.total.amount {
        let law = json!({"captured_at_least": now.total.amount});
        let what = "it is confirmed, and its money was not captured";
        find(Invariant::I11, Wrong::SoldUnpaid, (law, standing), what);
    }
}

/// What was known of money stays known: a transaction that completed, its amount, what came back.
fn is_kept(was: &Payment, now: &Payment) -> bool {
    let kept = |before: &Charge| {
        now.charge(&before.transaction).is_some_and(|after| {
            after.amount == before.amount
                && (before.status != Settled::Completed || after.status == Settled::Completed)
        })
    };
    let back = |before: &Returned| now.returned.contains(before);
    was.method == now.method
        && was.charges.iter().all(kept)
        && was.returned.iter().all(back)
        && (!was.failed || now.failed)
}

fn is_ordered(order: &Order) -> bool {
    let amounts = [
        0,
        order.refunded(),
        order.refund_requested(),
        order.payment.captured(),
        order.payment.authorised(),
    ];
    amounts.is_sorted()
}

fn live(order: &Order) -> impl Iterator<Item = &Refund> {
    let all = order.refunds.iter();
    all.filter(|refund| refund.status() != RefundStatus::Failed)
}

fn refunds_of(order: &Order, charge: &str) -> i64 {
    let mine = live(order).filter(|refund| refund.charge == charge);
    mine.fold(0, |sum, refund| sum.saturating_add(refund.amount))
}

fn took(order: &Order, charge: &str) -> i64 {
    let known = order.payment.charge(charge);
    let known = known.filter(|charge| charge.status == Settled::Completed);
    known.map_or(0, |charge| charge.amount)
}

/// A transaction of which more is given back than it took: a refund is the undoing of a charge
/// that was captured, and takes effect once.
fn taken_back_twice(order: &Order) -> Option<&str> {
    let mut charges = live(order).map(|refund| refund.charge.as_str());
    charges.find(|charge| refunds_of(order, charge) > took(order, charge))
}

const fn is_sold(status: Status) -> bool {
    match status {
        Status::Paid | Status::Confirmed | Status::Shipped | Status::Delivered => true,
        Status::Pending
        | Status::Refunded
        | Status::Cancelled
        | Status::Expired
        | Status::Rejected => false,
    }
}

/// Whether the units are where an order of this status has them. Those of a cancelled order went
/// back: the only way there is by moves of its own, which the step was judged by.
fn units_fit(order: &Order) -> bool {
    let recalled = order.cancel.is_some_and(|cancel| {
        matches!(cancel.run.state, State::Running | State::Stuck) && cancel.run.step > 0
    });
    match (order.status, order.units) {
        (Status::Pending, units) => units == Units::Held,
        (Status::Paid | Status::Confirmed, Units::Free) => recalled,
        (Status::Paid | Status::Confirmed, units) => units == Units::Sold,
        (Status::Shipped | Status::Delivered, units) => units == Units::Left,
        (Status::Refunded, units) => matches!(units, Units::Left | Units::Free),
        (Status::Cancelled | Status::Expired | Status::Rejected, units) => units == Units::Free,
    }
}

/// Reports an event of an order's hold that no event of the order explains.
pub(super) fn unexplained(
    (hold, kind): (&Name, Kind),
    entry: &Entry,
    position: u64,
    book: &mut Book,
) {
    let is_it = |event: &&EntryEvent| {
        let id = HoldId::new(event.id()).ok();
        event.kind.aggregate() == Aggregate::Hold && id.is_some_and(|id| hold_name(&id) == *hold)
    };
    let event = entry.events.iter().find(is_it);
    let id = event.map_or_else(|| hex(hold), |event| event.id().to_owned());
    let draft = Draft {
        found: json!(kind.name()),
        detail: "it is for an order, and no event of the order in this row says the same"
            .to_owned(),
        ..wrong(Wrong::UnitsDiffer, Subject::new("hold", id), position)
    };
    book.find(Invariant::I11, draft);
}

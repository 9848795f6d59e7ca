//! Lies about carts: lost lines that look held, and holds that outlive their check-out.

use super::revive;
use evenkeel_engine::port::{Touch, View, Writes};
use evenkeel_rules::hold::State;
use evenkeel_rules::time::Millis;

/// How long a lost line seems to be held on.
const ON: Millis = Millis(60_000);

/// Shows the ended holds of a cart as live to a batch with its check-out. Of several carts or
/// orders at once, others than check-outs would be lied to.
pub(super) fn show_lost(touch: &Touch, view: &mut View) {
    if touch.carts.len() != 1 || touch.orders.len() != 1 {
        return;
    }
    let deadline = view.head.time.plus(ON);
    let ended = |state| matches!(state, State::Released | State::Expired);
    for row in view.holds.values_mut().flatten() {
        if row.hold.id.is_of_cart() && ended(row.hold.state) {
            revive(row);
            row.hold.deadline = deadline;
        }
    }
}

/// What a batch writes but for the holds that its check-outs ended.
pub(super) fn without_ended(writes: &Writes) -> Writes {
    let mut writes = writes.clone();
    if !writes.carts.is_empty() && !writes.orders.is_empty() {
        let kept = |state| state != State::Released;
        let holds = &mut writes.holds;
        holds.retain(|write| !write.row.hold.id.is_of_cart() || kept(write.row.hold.state));
    }
    writes
}

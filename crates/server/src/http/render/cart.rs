//! From a cart's state row, and its lines' holds where they were read, to its shape.

use super::order::money;
use crate::http::shapes;
use crate::http::time::text;
use evenkeel_engine::port::CartRow;
use evenkeel_rules::cart::{Cart, Line, State};
use evenkeel_rules::hold::Hold;
use evenkeel_rules::time::LogTime;

/// A cart as a write left it: what became of its holds since is not asked.
pub(in crate::http) fn cart(row: &CartRow) -> shapes::Cart {
    let lines = row.body.lines.iter();
    let lines = lines.map(|it| line(it, (it.deadline, it.lost)));
    shape(row, lines.collect())
}

/// A cart as it stands now; `holds` has one entry per line.
pub(in crate::http) fn cart_now(
    row: &CartRow,
    holds: &[Option<Hold>],
    now: LogTime,
) -> shapes::Cart {
    let lines = row.body.lines.iter().zip(holds);
    let of = |(it, hold): (&Line, &Option<Hold>)| {
        let open = row.body.state == State::Open;
        let lost = open && row.body.has_lost(it, hold.as_ref(), now);
        let held = hold.as_ref().filter(|_| open && !lost);
        line(it, (held.map_or(it.deadline, |hold| hold.deadline), lost))
    };
    shape(row, lines.map(of).collect())
}

fn line(line: &Line, (deadline, lost): (LogTime, bool)) -> shapes::CartLine {
    shapes::CartLine {
        sku: line.sku.to_string(),
        quantity: line.quantity.get(),
        price: money(line.price),
        deadline: text(deadline),
        lost,
    }
}

fn shape(row: &CartRow, lines: Vec<shapes::CartLine>) -> shapes::Cart {
    let cart: &Cart = &row.body;
    let expired = !lines.is_empty() && lines.iter().all(|line| line.lost);
    let next = lines.iter().filter(|line| !line.lost);
    let next = next.map(|line| line.deadline.clone()).min();
    let since = match cart.state {
        State::Open => cart.created_at,
        State::CheckedOut => cart.updated_at,
    };
    shapes::Cart {
        id: cart.id.to_string(),
        customer: cart.customer.to_string(),
        state: match cart.state {
            State::CheckedOut => shapes::CartState::CheckedOut,
            State::Open if expired => shapes::CartState::Expired,
            State::Open => shapes::CartState::Open,
        },
        total: cart.total().map(money),
        order: cart.order.as_ref().map(ToString::to_string),
        life: shapes::Life {
            version: row.version,
            since: text(since),
            next_due: next.filter(|_| cart.state == State::Open),
            reason: None,
            created_at: text(cart.created_at),
            updated_at: text(cart.updated_at),
            position: row.last,
        },
        lines,
    }
}

//! From state rows to the shapes of answers.

mod cart;
mod order;
mod review;
mod saga;
mod subscription;

pub(super) use cart::{cart, cart_now};
pub(super) use order::{money, order, payment, refund, shipment};
pub(super) use review::{of_callback, of_order, of_saga, review};
pub(super) use saga::{Which, journey, saga};
pub(super) use subscription::{parked, subscription};

use super::shapes;
use super::time::text;
use evenkeel_engine::port::{HoldRow, SkuRow, TokenRow};
use evenkeel_rules::hold::{Line, State};
use evenkeel_rules::ids::LocationId;
use evenkeel_rules::stock::{Account, Balances};

/// A hold.
pub(super) fn hold(row: &HoldRow) -> shapes::Hold {
    let hold = &row.hold;
    let live = hold.state == State::Held;
    let confirming = hold.changed_at.filter(|_| hold.state == State::Confirming);
    let since = hold.ended_at.or(confirming).unwrap_or(hold.placed_at);
    shapes::Hold {
        id: hold.id.as_str().to_owned(),
        customer: hold.customer.as_str().to_owned(),
        state: match hold.state {
            State::Held => shapes::HoldState::Held,
            State::Confirming => shapes::HoldState::Confirming,
            State::Confirmed => shapes::HoldState::Confirmed,
            State::Released => shapes::HoldState::Released,
            State::Expired => shapes::HoldState::Expired,
        },
        lines: hold.lines.iter().map(line).collect(),
        deadline: text(hold.deadline),
        order: hold.order.as_ref().map(|order| order.as_str().to_owned()),
        life: shapes::Life {
            version: row.version,
            since: text(since),
            next_due: live.then(|| text(hold.deadline)),
            reason: None,
            created_at: text(hold.placed_at),
            updated_at: text(hold.changed_at.unwrap_or(hold.placed_at)),
            position: row.last,
        },
    }
}

fn line(line: &Line) -> shapes::HoldLine {
    shapes::HoldLine {
        sku: line.sku.as_str().to_owned(),
        quantity: line.quantity.get(),
        location: line.location.as_str().to_owned(),
        confirmed: line.confirmed,
        released: line.released,
    }
}

/// Who looks at a SKU, and from how many units on it is not low.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Whether balances are shown.
    pub(super) numbers: bool,
    /// At most this many available units are `low`.
    pub(super) low_at: u64,
}

/// A catalogue entry.
pub(super) fn sku(row: &SkuRow, stock: &[(LocationId, Balances)], look: Look) -> shapes::Sku {
    let terms = &row.sku.terms;
    let sale = terms.sale.map(|sale| shapes::Sale {
        opens_at: sale.opens_at.map(text),
        closes_at: sale.closes_at.map(text),
    });
    let available = stock
        .iter()
        .fold(0_u64, |sum, (_, at)| sum.saturating_add(at.available()));
    shapes::Sku {
        sku: terms.sku.as_str().to_owned(),
        name: terms.name.clone(),
        price: money(terms.price),
        max_per_order: terms.max_per_order.map(|most| most.get()),
        max_per_customer: terms.max_per_customer.map(|most| most.get()),
        sale,
        availability: match available {
            0 => shapes::Availability::SoldOut,
            some if some <= look.low_at => shapes::Availability::Low,
            _ => shapes::Availability::InStock,
        },
        stock: look.numbers.then(|| balances(stock)),
        life: shapes::Life {
            version: row.version,
            since: text(row.sku.created_at),
            next_due: None,
            reason: None,
            created_at: text(row.sku.created_at),
            updated_at: text(row.sku.updated_at),
            position: row.last,
        },
    }
}

/// All balances of a SKU.
pub(super) fn balances(stock: &[(LocationId, Balances)]) -> Vec<shapes::Balances> {
    let one = |(location, at): &(LocationId, Balances)| shapes::Balances {
        location: location.as_str().to_owned(),
        received: at.received(),
        available: at.get(Account::Available),
        held: at.get(Account::Held),
        sold: at.get(Account::Sold),
        shipped: at.get(Account::Shipped),
        returned: at.get(Account::Returned),
        written_off: at.get(Account::WrittenOff),
    };
    stock.iter().map(one).collect()
}

/// A token; `secret` only in the answer that makes it.
pub(super) fn token(row: &TokenRow, secret: Option<String>) -> shapes::Token {
    let token = &row.token;
    shapes::Token {
        id: token.id.as_str().to_owned(),
        role: token.role.name(),
        customer: token
            .customer
            .as_ref()
            .map(|customer| customer.as_str().to_owned()),
        token: secret,
        created_at: text(token.created_at),
        revoked_at: token.revoked_at.map(text),
    }
}

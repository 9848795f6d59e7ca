//! From an order's state row to the shapes that show it: the order, its payment, its shipment.

use crate::http::shapes;
use crate::http::time::text;
use evenkeel_engine::port::OrderRow;
use evenkeel_rules::money::Money;
use evenkeel_rules::order::{Adjustment, Line, Order, Refund};
use evenkeel_rules::payment::{Charge, Settled};
use evenkeel_rules::time::LogTime;

/// An amount of money.
pub(in crate::http) fn money(money: Money) -> shapes::Money {
    shapes::Money {
        amount: money.amount,
        currency: money.currency.as_str().to_owned(),
    }
}

/// What an order shows of its life; `updated` is the log time of its last event.
pub(in crate::http) fn life(row: &OrderRow, updated: LogTime) -> shapes::Life {
    let order = &row.body;
    shapes::Life {
        version: row.version,
        since: text(order.since),
        next_due: row.due.map(text),
        reason: order.reason.map(|reason| reason.name().to_owned()),
        created_at: text(order.created_at),
        updated_at: text(updated),
        position: row.last,
    }
}

/// An order.
pub(in crate::http) fn order(row: &OrderRow, updated: LogTime) -> shapes::Order {
    let order = &row.body;
    let id = order.id.as_str().to_owned();
    shapes::Order {
        customer: order.customer.as_str().to_owned(),
        status: order.status.name(),
        payment: shapes::OrderPayment {
            id: id.clone(),
            status: order.payment_status().name(),
            captured: money(order.money(order.payment.captured())),
            refunded: money(order.money(order.refunded())),
        },
        shipment: order
            .shipment
            .as_ref()
            .map(|shipment| shapes::OrderShipment {
                id: id.clone(),
                status: shipment.status.name(),
            }),
        lines: order.lines.iter().map(|it| line(order, it)).collect(),
        adjustments: order.adjustments.iter().map(adjustment).collect(),
        total: money(order.total),
        holds: order
            .holds
            .iter()
            .map(|hold| hold.as_str().to_owned())
            .collect(),
        saga: format!("order:{id}"),
        requires_review: order.requires_review,
        cancelling: order.is_cancelling(),
        life: life(row, updated),
        id,
    }
}

fn line(order: &Order, line: &Line) -> shapes::OrderLine {
    shapes::OrderLine {
        sku: line.sku.as_str().to_owned(),
        quantity: line.quantity.get(),
        price: money(order.money(line.price)),
        location: line.location.as_str().to_owned(),
        returned: line.returned,
    }
}

fn adjustment(adjustment: &Adjustment) -> shapes::Adjustment {
    shapes::Adjustment {
        kind: adjustment.kind.name(),
        amount: adjustment.amount,
    }
}

/// A refund of an order.
pub(in crate::http) fn refund(order: &Order, refund: &Refund) -> shapes::Refund {
    shapes::Refund {
        id: refund.id.as_str().to_owned(),
        order: order.id.as_str().to_owned(),
        amount: money(order.money(refund.amount)),
        status: refund.status().name(),
    }
}

/// A transaction that the provider named.
pub(in crate::http) fn transaction(order: &Order, charge: &Charge) -> shapes::Transaction {
    shapes::Transaction {
        transaction: charge.transaction.clone(),
        status: match charge.status {
            Settled::Completed => "completed",
            Settled::Pending => "pending",
            Settled::Failed => "failed",
        },
        amount: money(order.money(charge.amount)),
    }
}

/// An order's payment.
pub(in crate::http) fn payment(row: &OrderRow, updated: LogTime) -> shapes::Payment {
    let order = &row.body;
    let paid = &order.payment;
    let amount = |amount| money(order.money(amount));
    let transactions = paid.charges.iter().map(|it| transaction(order, it));
    let refunds = order.refunds.iter().map(|it| refund(order, it));
    shapes::Payment {
        id: order.id.as_str().to_owned(),
        order: order.id.as_str().to_owned(),
        customer: order.customer.as_str().to_owned(),
        status: order.payment_status().name(),
        method: paid.method.clone(),
        authorised: amount(paid.authorised()),
        captured: amount(paid.captured()),
        refund_requested: amount(order.refund_requested()),
        refunded: amount(order.refunded()),
        transactions: transactions.collect(),
        refunds: refunds.collect(),
        life: life(row, updated),
    }
}

/// An order's shipment; nothing before one was asked for.
pub(in crate::http) fn shipment(row: &OrderRow, updated: LogTime) -> Option<shapes::Shipment> {
    let order = &row.body;
    let shipment = order.shipment.as_ref()?;
    Some(shapes::Shipment {
        id: order.id.as_str().to_owned(),
        order: order.id.as_str().to_owned(),
        customer: order.customer.as_str().to_owned(),
        status: shipment.status.name(),
        delivery: shipment.delivery.clone(),
        life: shapes::Life {
            since: text(shipment.since),
            ..life(row, updated)
        },
    })
}

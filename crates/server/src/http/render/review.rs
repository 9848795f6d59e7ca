//! From state rows that wait for a person to reviews and findings.

use super::order::{money, refund, transaction};
use super::saga::Which;
use crate::http::shapes::{self, OpenClass, ReviewAction, Subject};
use crate::http::time::text;
use evenkeel_engine::callback::{SetAside, State as Stored};
use evenkeel_engine::port::{CallbackRow, OrderRow, SagaRow};
use evenkeel_rules::order::{Order, ReviewState, Units};
use evenkeel_rules::saga::State;

/// The sagas of an order that are stuck.
fn stuck(row: &OrderRow) -> impl Iterator<Item = Which> {
    let stuck = |which: &Which| which.run(row).is_some_and(|run| run.state == State::Stuck);
    Which::ALL.into_iter().filter(stuck)
}

const fn reason(which: Option<Which>) -> &'static str {
    match which {
        None => "payment.unknown",
        Some(Which::Order) => "delivery.stuck",
        Some(Which::Cancel) => "cancel.stuck",
        Some(Which::Refund) => "refund.stuck",
    }
}

fn is_open(order: &Order) -> bool {
    let open = |state: ReviewState| state == ReviewState::Open;
    order.review.is_some_and(|review| open(review.state))
}

/// The review of an order. `closed` says how a person's word has just ended it.
pub(in crate::http) fn review(
    row: &OrderRow,
    closed: Option<ReviewState>,
) -> Option<shapes::Review> {
    let order = &row.body;
    let state = match (closed, order.is_flagged(), order.review) {
        (Some(closed), _, _) => closed,
        (None, true, _) => ReviewState::Open,
        (None, false, Some(review)) => review.state,
        (None, false, None) => return None,
    };
    let amount = |amount| money(order.money(amount));
    let live = state == ReviewState::Open;
    let first = stuck(row).next().filter(|_| !is_open(order));
    let evidence = shapes::ReviewEvidence {
        status: order.status.name(),
        total: money(order.total),
        captured: amount(order.payment.captured()),
        refund_requested: amount(order.refund_requested()),
        refunded: amount(order.refunded()),
        units: match order.units {
            Units::Held => "held",
            Units::Sold => "sold",
            Units::Left => "left",
            Units::Free => "free",
        },
        transactions: order
            .payment
            .charges
            .iter()
            .map(|it| transaction(order, it))
            .collect(),
        refunds: order.refunds.iter().map(|it| refund(order, it)).collect(),
        stuck: stuck(row)
            .map(|which| format!("{}:{}", which.name(), order.id))
            .collect(),
        since: text(order.since),
        position: row.last,
    };
    Some(shapes::Review {
        id: order.id.as_str().to_owned(),
        subject: subject("order", order.id.as_str()),
        state: state.name(),
        reason: reason(first),
        evidence,
        actions: if live {
            vec![ReviewAction::Approve, ReviewAction::Reject]
        } else {
            Vec::new()
        },
        due_at: row.due.filter(|_| live).map(text),
    })
}

fn subject(kind: &'static str, id: &str) -> Subject {
    Subject {
        kind,
        id: id.to_owned(),
    }
}

/// What an order that waits for a person is found to be.
pub(in crate::http) fn of_order(row: &OrderRow) -> Vec<shapes::OpenFinding> {
    let order = &row.body;
    let id = order.id.as_str();
    let open = is_open(order).then(|| shapes::OpenFinding {
        id: format!("review:{id}"),
        kind: "review_open",
        subject: subject("order", id),
        class: OpenClass::Lagging,
        expected: "the payment provider says what became of the charge".to_owned(),
        found: "it has not said so, and the time for it is over".to_owned(),
        position: row.last,
        detail: format!("order {id} keeps its units until a person decides: review approve|reject"),
    });
    let of_saga = |which: Which| {
        let saga = format!("{}:{id}", which.name());
        shapes::OpenFinding {
            id: format!("stuck:{saga}"),
            kind: "saga_stuck",
            subject: subject("saga", &saga),
            class: OpenClass::Divergent,
            expected: "the saga ends by itself".to_owned(),
            found: reason(Some(which)).to_owned(),
            position: row.last,
            detail: format!("saga {saga} needs a person: saga retry|compensate"),
        }
    };
    open.into_iter().chain(stuck(row).map(of_saga)).collect()
}

/// What a saga over anybody's services that waits for a person is found to be.
pub(in crate::http) fn of_saga(row: &SagaRow) -> shapes::OpenFinding {
    let (id, run) = (row.body.id.as_str(), row.body.run);
    let step = &row.body.steps[usize::from(run.step)].name;
    let undoing = if run.back { "the undoing of " } else { "" };
    shapes::OpenFinding {
        id: format!("stuck:{id}"),
        kind: "saga_stuck",
        subject: subject("saga", id),
        class: OpenClass::Divergent,
        expected: "the saga ends by itself".to_owned(),
        found: format!("{undoing}step {step} was refused, or is not known"),
        position: row.last,
        detail: format!("saga {id} needs a person: saga retry|compensate"),
    }
}

/// What a callback that waits for a person is found to be.
pub(in crate::http) fn of_callback(row: &CallbackRow) -> shapes::OpenFinding {
    let callback = &row.body;
    let (kind, class, found) = match (callback.state, callback.why) {
        (Stored::Quarantined, Some(SetAside::OtherBody)) => (
            "callback_quarantined",
            OpenClass::Divergent,
            "its event id came before with another body",
        ),
        (Stored::Quarantined, Some(SetAside::Contradicts)) => (
            "callback_quarantined",
            OpenClass::Divergent,
            "it differs from what the provider says when it is asked",
        ),
        (Stored::Quarantined, Some(SetAside::UnknownOrder) | None) => (
            "callback_quarantined",
            OpenClass::Divergent,
            "nobody knows its order",
        ),
        (Stored::Stored | Stored::Applied, _) => (
            "callback_parked",
            OpenClass::Lagging,
            "it waits for its order, or for what comes before it",
        ),
    };
    let (sender, provider) = (callback.sender.name(), &callback.provider);
    shapes::OpenFinding {
        id: format!("callback:{}", row.created),
        kind,
        subject: subject("callback", &row.created.to_string()),
        class,
        expected: "a callback says what its provider says when it is asked".to_owned(),
        found: found.to_owned(),
        position: row.last,
        detail: format!(
            "event {} of {sender} provider {provider} about order {}",
            callback.event, callback.order
        ),
    }
}

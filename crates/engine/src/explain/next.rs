//! What should come next, until when, and what happens otherwise.

use super::Next;
use crate::port::OrderRow;
use evenkeel_rules::hold::{self, Hold};
use evenkeel_rules::order::{Order, Review, ReviewState, Status, Task};
use evenkeel_rules::saga::{Run, State};

/// Whom a task calls.
pub(super) const fn provider(task: Task) -> &'static str {
    match task {
        Task::Charge | Task::AskCharge | Task::Refund(_) | Task::AskRefund(_) => {
            "the payment provider"
        }
        Task::Deliver | Task::AskDelivery | Task::Recall => "the delivery provider",
    }
}

/// What a person can do about an order that waits for one.
fn person(order: &Order) -> Next {
    let id = &order.id;
    let open = |review: &Review| review.state == ReviewState::Open;
    let stuck = |run: &Run| run.state == State::Stuck;
    let (lets, ends, otherwise) = if order.review.as_ref().is_some_and(open) {
        (
            "let it wait on for its money",
            "end it and give its units back",
            "it waits, with its units; the provider is asked on and on",
        )
    } else if stuck(&order.saga) {
        (
            "ask for the delivery again",
            "cancel it and give its money back",
            "it waits, with its units: the delivery is not asked for again",
        )
    } else if order.cancel.as_ref().is_some_and(|it| stuck(&it.run)) {
        (
            "try the cancel again",
            "let the parcel go its way",
            "it waits: the cancel is not tried again",
        )
    } else {
        (
            "try the refund again",
            "say that the money went back in another way",
            "it waits: the refund is not tried again",
        )
    };
    Next {
        who: "a person".to_owned(),
        expected: format!(
            "`evenkeel review approve {id} --reason WHY` to {lets}, or `evenkeel review reject \
             {id} --reason WHY` to {ends}; see `evenkeel review show {id}`"
        ),
        by: None,
        otherwise: otherwise.to_owned(),
    }
}

pub(super) fn of_order(row: &OrderRow) -> Vec<Next> {
    let order = &row.body;
    let mut all = Vec::new();
    if order.is_flagged() {
        all.push(person(order));
    }
    let Some(due) = order.due(row.tries, 0) else {
        return all;
    };
    let (expected, otherwise) = match due.task {
        Task::Charge => (
            "the payment provider answers the charge",
            "it is asked by key; never taken for a yes or a no",
        ),
        Task::AskCharge if order.status == Status::Pending => (
            "the payment provider says what became of the charge, by callback or when asked",
            "at the limit: still pending ends the order EXPIRED, unknown opens a review",
        ),
        Task::AskCharge => (
            "the payment provider has no charge for this ended order",
            "what turns up is refunded in full",
        ),
        Task::Deliver => (
            "the delivery provider takes the order on",
            "it is asked again until it does; a definite no makes the saga stuck",
        ),
        Task::AskDelivery => (
            "the delivery provider sends news of the parcel, or says so when asked",
            "it is asked again",
        ),
        Task::Recall => (
            "the delivery provider calls the delivery off",
            "the parcel has left: the cancel is refused",
        ),
        Task::Refund(_) | Task::AskRefund(_) => (
            "the payment provider gives the money back",
            "it is asked again; a definite no makes the refund stuck or failed",
        ),
    };
    all.push(Next {
        who: provider(due.task).to_owned(),
        expected: expected.to_owned(),
        by: Some(row.due.unwrap_or(due.at)),
        otherwise: otherwise.to_owned(),
    });
    if let Some(at) = order.warn_at(order.since) {
        all.push(Next {
            who: "the clock".to_owned(),
            expected: "its customer is told that it runs out (`order.expiring`)".to_owned(),
            by: Some(at),
            otherwise: "it was paid, or ended, before".to_owned(),
        });
    }
    if order.status == Status::Pending {
        all.push(Next {
            who: "the payment provider".to_owned(),
            expected: "the money is there".to_owned(),
            by: Some(order.limit),
            otherwise: "the order ends and its units go back on sale".to_owned(),
        });
    }
    all
}

pub(super) fn of_hold(hold: &Hold) -> Vec<Next> {
    match hold.state {
        hold::State::Held => vec![Next {
            who: "the shop or its customer".to_owned(),
            expected: "it is confirmed, released or ordered".to_owned(),
            by: Some(hold.deadline),
            otherwise: "it expires and its units go back on sale".to_owned(),
        }],
        hold::State::Confirming => {
            let order = hold.order.as_ref().map(ToString::to_string);
            vec![Next {
                who: "the payment provider".to_owned(),
                expected: format!("order {} is paid", order.unwrap_or_default()),
                by: None,
                otherwise: "the order ends it: see `evenkeel explain order`".to_owned(),
            }]
        }
        hold::State::Confirmed | hold::State::Released | hold::State::Expired => Vec::new(),
    }
}

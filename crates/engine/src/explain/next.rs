//! What should come next, until when, and what happens otherwise.

use super::Next;
use crate::port::OrderRow;
use evenkeel_rules::hold::{self, Hold};
use evenkeel_rules::order::{ReviewState, Status, Task};
use evenkeel_rules::saga::State;

/// Whom a task calls.
pub(super) const fn provider(task: Task) -> &'static str {
    match task {
        Task::Charge | Task::AskCharge | Task::Refund(_) | Task::AskRefund(_) => {
            "the payment provider"
        }
        Task::Deliver | Task::AskDelivery | Task::Recall => "the delivery provider",
    }
}

pub(super) fn of_order(row: &OrderRow) -> Vec<Next> {
    let order = &row.body;
    let mut all = Vec::new();
    let open = |review: &evenkeel_rules::order::Review| review.state == ReviewState::Open;
    if order.review.as_ref().is_some_and(open) || order.saga.state == State::Stuck {
        all.push(Next {
            expected: format!(
                "somebody runs `evenkeel review approve {0}` or `evenkeel review reject {0}`",
                order.id
            ),
            by: None,
            otherwise: "it waits, with its units; the provider is asked on and on".to_owned(),
        });
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
        expected: expected.to_owned(),
        by: Some(row.due.unwrap_or(due.at)),
        otherwise: otherwise.to_owned(),
    });
    if let Some(at) = order.warn_at(order.since) {
        all.push(Next {
            expected: "its customer is told that it runs out (`order.expiring`)".to_owned(),
            by: Some(at),
            otherwise: "it was paid, or ended, before".to_owned(),
        });
    }
    if order.status == Status::Pending {
        all.push(Next {
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
            expected: "it is confirmed, released or ordered".to_owned(),
            by: Some(hold.deadline),
            otherwise: "it expires and its units go back on sale".to_owned(),
        }],
        hold::State::Confirming => {
            let order = hold.order.as_ref().map(ToString::to_string);
            vec![Next {
                expected: format!("order {} is paid", order.unwrap_or_default()),
                by: None,
                otherwise: "the order ends it: see `evenkeel explain order`".to_owned(),
            }]
        }
        hold::State::Confirmed | hold::State::Released | hold::State::Expired => Vec::new(),
    }
}

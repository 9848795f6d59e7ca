//! Orders: take, look, list, cancel, give money back, take units back.
//!
//! An order whose id was cancelled before anybody ordered under it is not there, for anybody; so is
//! another customer's for a buyer.

mod change;
mod events;
mod list;
mod take;

pub(super) use take::{pay_by, taken};

pub(super) use list::{Fit, found, own, shown};

use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::refusal::Named;
use crate::http::route::{CONFIRMING, Doc, READING, Route, SELLING, STOCKING, Who};
use crate::http::{Api, refusal, render, shapes};
use evenkeel_engine::commit::Effect;
use evenkeel_engine::port::{At, OrderRow};
use evenkeel_engine::{Done, Refusal};
use evenkeel_rules::ids::{CustomerId, OrderId};
use evenkeel_rules::order::Status;
use evenkeel_rules::time::LogTime;
use http::Method;
use schemars::SchemaGenerator;
use serde::Serialize;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        pattern: "/v1/orders",
        who: Who::Roles(SELLING),
        prepare: take::take,
        doc: Doc {
            summary: "Takes an order: its units are held and its money is on its way.",
            request: Some(SchemaGenerator::subschema_for::<shapes::TakeOrder>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Order>))],
            query: &[],
            problems: &[
                Code::NotFound,
                Code::SkuUnknown,
                Code::AlreadyExists,
                Code::PriceChanged,
                Code::LimitExceeded,
                Code::SaleNotOpen,
                Code::LimitCustomer,
                Code::SoldOut,
                Code::HoldExpired,
                Code::HoldReleased,
                Code::HoldConfirmed,
                Code::HoldConfirming,
            ],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/orders",
        who: Who::Roles(READING),
        prepare: list::list,
        doc: Doc {
            summary: "Lists orders, newest first; from and to (RFC 3339) bound created_at, to is \
                      not part of it.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Order>>),
            )],
            query: &["customer", "status", "sku", "from", "to", "limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/orders/{id}",
        who: Who::Roles(READING),
        prepare: show,
        doc: Doc {
            summary: "Shows an order.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Order>))],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/orders/{id}/events",
        who: Who::Roles(READING),
        prepare: events::events,
        doc: Doc {
            summary: "Tells an order's events as they happen (text/event-stream), from its first \
                      one on or after Last-Event-ID; ends after a final state.",
            request: None,
            answers: &[(200, None)],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/orders/{id}/cancel",
        who: Who::Roles(SELLING),
        prepare: change::cancel,
        doc: Doc {
            summary: "Calls an order off: 200 when it is cancelled, 202 while its delivery is \
                      called off or its money is on its way back.",
            request: Some(SchemaGenerator::subschema_for::<shapes::CancelOrder>),
            answers: &[
                (200, Some(SchemaGenerator::subschema_for::<shapes::Order>)),
                (202, Some(SchemaGenerator::subschema_for::<shapes::Order>)),
            ],
            query: &[],
            problems: &[Code::NotFound, Code::Version, Code::IllegalTransition],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/orders/{id}/refunds",
        who: Who::Roles(CONFIRMING),
        prepare: change::refund,
        doc: Doc {
            summary: "Gives money back, at most what was captured and is not on its way back.",
            request: Some(SchemaGenerator::subschema_for::<shapes::RefundOrder>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Refund>))],
            query: &[],
            problems: &[
                Code::NotFound,
                Code::Version,
                Code::AlreadyExists,
                Code::IllegalTransition,
                Code::ExceedsRefundable,
            ],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/orders/{id}/returns",
        who: Who::Roles(STOCKING),
        prepare: change::take_back,
        doc: Doc {
            summary: "Takes shipped units back, on sale again or written off.",
            request: Some(SchemaGenerator::subschema_for::<shapes::ReturnOrder>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Order>))],
            query: &[],
            problems: &[Code::NotFound, Code::Version, Code::IllegalTransition],
        },
    },
];

/// The order that a write left, and what its answer says of the write.
pub(super) struct Left {
    pub(super) row: OrderRow,
    position: u64,
    replayed: bool,
}

impl Left {
    /// Reads what the engine said.
    ///
    /// # Errors
    /// The problem of a refusal.
    pub(super) fn of(
        api: &Api,
        done: Result<Done, Refusal>,
        named: Named<'_>,
    ) -> Result<Self, Problem> {
        let done = done.map_err(|refusal| api.refused(refusal, named))?;
        let Effect::Order(row) = done.effect else {
            return Err(Problem::new(Code::Internal));
        };
        Ok(Self {
            row: *row,
            position: done.position,
            replayed: done.replayed,
        })
    }

    /// The headers of an answer to a write.
    pub(super) fn told(&self, api: &Api, answer: Answer) -> Answer {
        let answer = answer.version(self.row.version);
        api.wrote(answer, (self.position, self.replayed))
    }

    /// 200 with the order.
    async fn order(self, api: &Api) -> Result<Answer, Problem> {
        let updated = api.updated(&self.row).await?;
        Ok(self.told(api, Answer::json(&render::order(&self.row, updated))))
    }
}

/// Whether a caller may know of an order: the id's, and its own if it is a customer.
pub(super) fn is_seen(row: &OrderRow, owner: Option<&CustomerId>) -> bool {
    row.body.status != Status::Rejected && owner.is_none_or(|owner| *owner == row.body.customer)
}

/// The order in the path, as a caller may see it.
///
/// # Errors
/// 404 if there is none, or what a read that failed is told as.
pub(super) async fn one(
    api: &Api,
    id: &OrderId,
    owner: Option<&CustomerId>,
) -> Result<(OrderRow, u64), Problem> {
    let at = api.engine.store().order(id).await;
    seen(at.map_err(|fault| refusal::of_read(&fault))?, owner)
}

/// The same of what was read.
///
/// # Errors
/// 404 if there is none.
pub(super) fn seen(
    at: At<Option<OrderRow>>,
    owner: Option<&CustomerId>,
) -> Result<(OrderRow, u64), Problem> {
    let row = at.rows.filter(|row| is_seen(row, owner));
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok((row, at.position))
}

fn show<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    part(api, &call, |row, updated| Some(render::order(row, updated)))
}

/// Shows a part of the order in the path, if it has it.
pub(super) fn part<'a, T: Serialize + 'a>(
    api: &'a Api,
    call: &Call<'a>,
    show: fn(&OrderRow, LogTime) -> Option<T>,
) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let id = call.known_id(OrderId::new);
    let owner = call.caller.customer.clone();
    Ok(Box::pin(async move {
        let id = id?;
        let at = api.read(&wait, |store| store.order(&id)).await?;
        let (row, position) = seen(at, owner.as_ref())?;
        let updated = api.updated(&row).await?;
        let part = show(&row, updated).ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(api.at(Answer::json(&part).version(row.version), position))
    }))
}

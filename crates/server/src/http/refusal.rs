//! From what the engine refused to a problem document: the one file that maps to HTTP.
//!
//! Rejections are the rules' own words and keep their codes. Faults say only whether something was
//! done: their texts are for operators, are logged, and never reach a client.

use super::head::{POSITION, REPLAYED};
use super::problem::{Code, Problem, Violation};
use super::{Api, render, time};
use evenkeel_engine::Refusal;
use evenkeel_engine::commit::Rejection;
use evenkeel_engine::port::Fault;
use evenkeel_rules::ids::SkuId;
use evenkeel_rules::saga::journey;
use evenkeel_rules::time::LogTime;
use evenkeel_rules::{cart, hold, idempotency, limits, order, sku, stock, subscription, token};
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue};
use serde_json::json;

/// What of a request's body a refusal can point at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Named<'a> {
    /// The SKUs of its lines, in order: a refusal about a SKU points at its first line.
    pub(super) skus: &'a [SkuId],
    /// The member that names an amount of money.
    pub(super) money: &'static str,
    /// The member that makes its total what it is.
    pub(super) total: &'static str,
}

impl Named<'_> {
    fn line(&self, sku: &SkuId) -> usize {
        self.skus.iter().position(|asked| asked == sku).unwrap_or(0)
    }
}

impl Api {
    /// The problem that a refused write is told as.
    pub(super) fn refused(&self, refusal: Refusal, named: Named<'_>) -> Problem {
        match refusal {
            Refusal::Rejected {
                rejection,
                position,
                replayed,
            } => {
                let token = self.engine.position(position).to_string();
                let problem = match &rejection {
                    Rejection::Hold(hold::Rejection::SoldOut { .. }) => {
                        Problem::new(Code::SoldOut).member("as_of", token.as_str())
                    }
                    _ => of_rejection(&rejection, named),
                };
                let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(token));
                let value = value.expect("a position is visible ASCII");
                let problem = problem.header(POSITION, value);
                if replayed {
                    problem.header(REPLAYED, HeaderValue::from_static("true"))
                } else {
                    problem
                }
            }
            Refusal::Failed(fault) => of_write(&fault),
        }
    }
}

fn of_rejection(rejection: &Rejection, named: Named<'_>) -> Problem {
    match rejection {
        Rejection::Key(idempotency::Rejection::InFlight) => Problem::new(Code::InFlight),
        Rejection::Key(idempotency::Rejection::KeyReused) => Problem::new(Code::KeyReused),
        Rejection::Hold(rejection) => of_hold(rejection, named),
        Rejection::Limits(rejection) => of_limits(rejection),
        Rejection::Cart(rejection) => of_cart(rejection),
        Rejection::Order(rejection) => of_order(rejection, named),
        Rejection::Saga(journey::Rejection::NotFound) => Problem::new(Code::NotFound),
        Rejection::Saga(journey::Rejection::Version) => Problem::new(Code::Version),
        Rejection::Saga(journey::Rejection::AlreadyExists) => Problem::new(Code::AlreadyExists),
        Rejection::Saga(journey::Rejection::IllegalTransition { from, to }) => {
            illegal(from.name(), to.name())
        }
        Rejection::Subscription(rejection) => of_subscription(rejection),
        Rejection::Stock(stock::Rejection::SkuUnknown) => Problem::new(Code::SkuUnknown),
        Rejection::Stock(stock::Rejection::Insufficient) => Problem::new(Code::Insufficient),
        Rejection::Stock(stock::Rejection::Overflow) => Problem::new(Code::Overflow),
        Rejection::Sku(sku::Rejection::Version) => Problem::new(Code::Version),
        Rejection::Token(token::Rejection::NotFound) => Problem::new(Code::NotFound),
        Rejection::Token(token::Rejection::Customer) => Problem::violation("/customer", "role"),
    }
}

/// What the customer is to wait for, in whole seconds, with the policy that it ran into.
fn of_limits(rejection: &limits::Rejection) -> Problem {
    match rejection {
        limits::Rejection::Holds { most } => Problem::new(Code::LimitCustomer).detail(format!(
            "One customer may have {most} live holds, a cart or an order counting as one."
        )),
        limits::Rejection::Abandoned { wait, most } => {
            let seconds = wait.0.div_ceil(1_000);
            let text = |text: String| {
                let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(text));
                value.expect("digits and names are visible ASCII")
            };
            let window = limits::WINDOW.0 / 1_000;
            let policy = text(format!("\"abandon\";q={most};w={window}"));
            let left = text(format!("\"abandon\";r=0;t={seconds}"));
            Problem::new(Code::RateLimited)
                .detail("Too many holds of this customer expired; Retry-After says when to go on.")
                .header(RETRY_AFTER, text(seconds.to_string()))
                .header(HeaderName::from_static("ratelimit-policy"), policy)
                .header(HeaderName::from_static("ratelimit"), left)
        }
    }
}

const fn of_place(rejection: &subscription::Rejection) -> Option<(&'static str, &'static str)> {
    match rejection {
        subscription::Rejection::Position => Some(("/from", "max")),
        subscription::Rejection::Unsigned => Some(("/secret", "unsigned")),
        subscription::Rejection::NotFound
        | subscription::Rejection::Version
        | subscription::Rejection::AlreadyExists
        | subscription::Rejection::NotParked => None,
    }
}

fn of_subscription(rejection: &subscription::Rejection) -> Problem {
    match (of_place(rejection), rejection) {
        (Some((pointer, code)), _) => Problem::violation(pointer, code),
        (None, subscription::Rejection::Version) => Problem::new(Code::Version),
        (None, subscription::Rejection::AlreadyExists) => Problem::new(Code::AlreadyExists),
        (None, _) => Problem::new(Code::NotFound),
    }
}

fn of_hold(rejection: &hold::Rejection, named: Named<'_>) -> Problem {
    match rejection {
        hold::Rejection::NotFound => Problem::new(Code::NotFound),
        hold::Rejection::SkuUnknown { .. } => Problem::new(Code::SkuUnknown),
        hold::Rejection::Version => Problem::new(Code::Version),
        hold::Rejection::AlreadyExists => Problem::new(Code::AlreadyExists),
        hold::Rejection::LimitExceeded { sku } => {
            beyond(named.line(sku), Code::LimitExceeded.meaning().code)
        }
        hold::Rejection::SaleNotOpen { .. } => Problem::new(Code::SaleNotOpen),
        hold::Rejection::LimitCustomer { sku, most, has } => {
            let most = most.get();
            let detail = format!(
                "One customer may have {most} units of {sku}, held and sold together; \
                 this one has {has}."
            );
            Problem::new(Code::LimitCustomer).detail(detail)
        }
        hold::Rejection::SoldOut { .. } => Problem::new(Code::SoldOut),
        hold::Rejection::Confirmed { ended_at } => {
            ended(Code::HoldConfirmed, hold::State::Confirmed, *ended_at)
        }
        hold::Rejection::Released { ended_at } => {
            ended(Code::HoldReleased, hold::State::Released, *ended_at)
        }
        hold::Rejection::Expired { ended_at } => {
            ended(Code::HoldExpired, hold::State::Expired, *ended_at)
        }
        hold::Rejection::Confirming => Problem::new(Code::HoldConfirming),
        hold::Rejection::MoreThanHeld { line } => beyond(*line, "max"),
        // Only the sweep asks for an expiry, and nobody asks the sweep by HTTP.
        hold::Rejection::NotDue => Problem::new(Code::Internal),
    }
}

fn of_cart(rejection: &cart::Rejection) -> Problem {
    match rejection {
        cart::Rejection::NotFound => Problem::new(Code::NotFound),
        cart::Rejection::Version => Problem::new(Code::Version),
        cart::Rejection::AlreadyExists => Problem::new(Code::AlreadyExists),
        cart::Rejection::CheckedOut => Problem::new(Code::CheckedOut),
        cart::Rejection::Full => Problem::violation("/lines", "max"),
        cart::Rejection::Currency { .. } => Problem::violation("/path/sku", "currency"),
        cart::Rejection::Total => Problem::violation("/quantity", "range"),
        cart::Rejection::Empty => Problem::violation("/lines", "required"),
        cart::Rejection::LineLost { sku } => Problem::new(Code::LineLost).detail(format!(
            "The units of {sku} are no longer set aside; put the line again."
        )),
    }
}

fn of_order(rejection: &order::Rejection, named: Named<'_>) -> Problem {
    match rejection {
        order::Rejection::NotFound | order::Rejection::NoReview => Problem::new(Code::NotFound),
        order::Rejection::Version => Problem::new(Code::Version),
        order::Rejection::AlreadyExists | order::Rejection::RefundExists => {
            Problem::new(Code::AlreadyExists)
        }
        order::Rejection::Currency { sku } => {
            Problem::violation(&format!("/lines/{}/sku", named.line(sku)), "currency")
        }
        order::Rejection::AmountCurrency => {
            Problem::violation(&format!("{}/currency", named.money), "currency")
        }
        order::Rejection::Total => Problem::violation(named.total, "range"),
        order::Rejection::LinesDiffer => Problem::violation("/lines", "hold"),
        order::Rejection::PriceChanged { total } => {
            Problem::new(Code::PriceChanged).member("total", json!(render::money(*total)))
        }
        order::Rejection::IllegalTransition { from, to } => illegal(from.name(), to.name()),
        order::Rejection::ExceedsRefundable => Problem::new(Code::ExceedsRefundable),
        order::Rejection::MoreThanShipped { line } => beyond(*line, "max"),
    }
}

/// What stands at `from` cannot become `to`.
pub(super) fn illegal(from: &'static str, to: &'static str) -> Problem {
    Problem::new(Code::IllegalTransition)
        .member("from", from)
        .member("to", to)
}

fn beyond(line: usize, code: &'static str) -> Problem {
    let pointer = format!("/lines/{line}/quantity");
    Problem::violated(vec![Violation { pointer, code }])
}

fn ended(code: Code, state: hold::State, at: LogTime) -> Problem {
    Problem::new(code)
        .member("ended_as", state.name())
        .member("ended_at", time::text(at))
}

/// What a write that failed is told as.
fn of_write(fault: &Fault) -> Problem {
    match fault {
        Fault::TimedOut | Fault::Sync(_) => {
            tracing::error!(%fault, "the outcome of a write is not known");
            Problem::new(Code::OutcomeUnknown)
        }
        Fault::Conflict
        | Fault::Fenced
        | Fault::Unavailable(_)
        | Fault::DiskFull
        | Fault::DeadlinePassed
        | Fault::Corrupt(_) => of_read(fault),
    }
}

/// What a read that failed is told as; nothing was done in any case.
pub(super) fn of_read(fault: &Fault) -> Problem {
    match fault {
        Fault::DeadlinePassed => Problem::new(Code::DeadlinePassed),
        Fault::DiskFull => {
            tracing::error!("the disk is full");
            Problem::new(Code::DiskFull)
        }
        // Under load there are thousands in a second: they are counted, and the committer says why.
        Fault::Unavailable(_) => {
            tracing::debug!(%fault, "a request was refused");
            Problem::new(Code::Unavailable)
        }
        Fault::Conflict | Fault::Fenced | Fault::TimedOut => {
            tracing::warn!(%fault, "a request was refused");
            Problem::new(Code::Unavailable)
        }
        Fault::Sync(_) => {
            tracing::error!(%fault, "the disk failed");
            Problem::new(Code::Unavailable)
        }
        Fault::Corrupt(_) => {
            tracing::error!(%fault, "the store is damaged");
            Problem::new(Code::Internal)
        }
    }
}

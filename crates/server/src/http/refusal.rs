//! From what the engine refused to a problem document: the one file that maps to HTTP.
//!
//! Rejections are the rules' own words and keep their codes. Faults say only whether something was
//! done: their texts are for operators, are logged, and never reach a client.

use super::head::{POSITION, REPLAYED};
use super::problem::{Code, Problem, Violation};
use super::{Api, time};
use evenkeel_engine::Refusal;
use evenkeel_engine::commit::Rejection;
use evenkeel_engine::port::Fault;
use evenkeel_rules::ids::SkuId;
use evenkeel_rules::time::LogTime;
use evenkeel_rules::{hold, idempotency, sku, stock, token};
use http::HeaderValue;

impl Api {
    /// The problem that a refused write is told as. `skus` are those of the request's lines, in
    /// order: a refusal about a SKU points at its first line.
    pub(super) fn refused(&self, refusal: Refusal, skus: &[SkuId]) -> Problem {
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
                    _ => of_rejection(&rejection, skus),
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

fn of_rejection(rejection: &Rejection, skus: &[SkuId]) -> Problem {
    match rejection {
        Rejection::Key(idempotency::Rejection::InFlight) => Problem::new(Code::InFlight),
        Rejection::Key(idempotency::Rejection::KeyReused) => Problem::new(Code::KeyReused),
        Rejection::Hold(rejection) => of_hold(rejection, skus),
        Rejection::Stock(stock::Rejection::SkuUnknown) => Problem::new(Code::SkuUnknown),
        Rejection::Stock(stock::Rejection::Insufficient) => Problem::new(Code::Insufficient),
        Rejection::Stock(stock::Rejection::Overflow) => Problem::new(Code::Overflow),
        Rejection::Sku(sku::Rejection::Version) => Problem::new(Code::Version),
        Rejection::Token(token::Rejection::NotFound) => Problem::new(Code::NotFound),
        Rejection::Token(token::Rejection::Customer) => Problem::violation("/customer", "role"),
    }
}

fn of_hold(rejection: &hold::Rejection, skus: &[SkuId]) -> Problem {
    match rejection {
        hold::Rejection::NotFound => Problem::new(Code::NotFound),
        hold::Rejection::SkuUnknown { .. } => Problem::new(Code::SkuUnknown),
        hold::Rejection::Version => Problem::new(Code::Version),
        hold::Rejection::AlreadyExists => Problem::new(Code::AlreadyExists),
        hold::Rejection::LimitExceeded { sku } => {
            let line = skus.iter().position(|asked| asked == sku).unwrap_or(0);
            beyond(line, Code::LimitExceeded.meaning().code)
        }
        hold::Rejection::SaleNotOpen { .. } => Problem::new(Code::SaleNotOpen),
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
        hold::Rejection::MoreThanHeld { line } => beyond(*line, "max"),
        // Only the sweep asks for an expiry, and nobody asks the sweep by HTTP.
        hold::Rejection::NotDue => Problem::new(Code::Internal),
    }
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
        Fault::Conflict | Fault::Fenced | Fault::Unavailable(_) | Fault::TimedOut => {
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

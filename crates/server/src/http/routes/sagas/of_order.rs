//! Sagas of orders: a person's word on those that are stuck.
//!
//! A word is given on the order whose saga it is, since its sagas are one aggregate with it; it is
//! taken only while the saga that is named is stuck.

use crate::http::call::Answer;
use crate::http::problem::{Code, Problem};
use crate::http::refusal::{Named, illegal};
use crate::http::render::Which;
use crate::http::routes::Writer;
use crate::http::routes::orders::{Left, one};
use crate::http::{Api, refusal, render};
use evenkeel_engine::Refusal;
use evenkeel_engine::commit::{Command, Rejection};
use evenkeel_engine::port::OrderRow;
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::order;
use evenkeel_rules::saga::State;

pub(super) async fn shown(api: &Api, row: &OrderRow, which: Which) -> Result<Answer, Problem> {
    let updated = api.updated(row).await?;
    let saga = render::saga(row, which, updated);
    let saga = saga.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Answer::json(&saga).version(row.version))
}

/// A person's word on a saga of an order.
///
/// # Errors
/// The problem of a refusal; 409 if it is not stuck.
pub(super) async fn resolve(
    api: &Api,
    (writer, why): (Writer, String),
    (which, id): (Which, OrderId),
    go_on: bool,
) -> Result<Answer, Problem> {
    if writer.is_new(api).await? {
        stuck(api, (which, &id), go_on).await?;
    }
    let command = Command::ResolveOrder {
        id: id.clone(),
        go_on,
        confirming: api.settings.confirming,
        reason: Some(why),
    };
    match writer.ask(api, command).await {
        // Somebody else gave a word in between.
        Err(Refusal::Rejected {
            rejection: Rejection::Order(order::Rejection::NoReview),
            ..
        }) => Err(stuck(api, (which, &id), go_on)
            .await
            .err()
            .unwrap_or_else(|| Problem::new(Code::Unavailable))),
        done => {
            let left = Left::of(api, done, Named::default())?;
            Ok(left.told(api, shown(api, &left.row, which).await?))
        }
    }
}

/// Makes sure that a saga is stuck.
async fn stuck(api: &Api, (which, id): (Which, &OrderId), go_on: bool) -> Result<(), Problem> {
    let (row, _) = one(api, id, None).await?;
    let run = which.run(&row);
    let run = run.ok_or_else(|| Problem::new(Code::NotFound))?;
    let to = if go_on {
        State::Running
    } else {
        State::Compensating
    };
    match run.state {
        State::Stuck => Ok(()),
        State::Running | State::Compensating | State::Completed | State::Compensated => {
            Err(illegal(run.state.name(), to.name()))
        }
    }
}

impl Writer {
    /// Whether nothing was asked under this key before.
    ///
    /// # Errors
    /// What a read that failed is told as.
    async fn is_new(&self, api: &Api) -> Result<bool, Problem> {
        let Some(key) = &self.key else {
            return Ok(true);
        };
        let known = api.engine.store().names(&[key.name]).await;
        let known = known.map_err(|fault| refusal::of_read(&fault))?;
        Ok(known.rows.iter().all(Option::is_none))
    }
}

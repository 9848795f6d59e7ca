//! Sagas over anybody's services: look at one, and a person's word on it.

use super::{named, of_order};
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Spot;
use crate::http::refusal::Named;
use crate::http::routes::holds::{SCAN_MAX, SCAN_STEP};
use crate::http::routes::{Writer, reason, writer};
use crate::http::{Api, refusal, render};
use evenkeel_engine::commit::{Command, Effect};
use evenkeel_engine::port::SagaRow;
use evenkeel_engine::{Done, Refusal};
use evenkeel_rules::ids::SagaId;
use evenkeel_rules::saga::State;

/// The saga that a write left, and what its answer says of the write.
pub(super) struct Left {
    row: SagaRow,
    position: u64,
    replayed: bool,
}

impl Left {
    /// Reads what the engine said.
    ///
    /// # Errors
    /// The problem of a refusal.
    pub(super) fn of(api: &Api, done: Result<Done, Refusal>) -> Result<Self, Problem> {
        let done = done.map_err(|refusal| api.refused(refusal, Named::default()))?;
        let Effect::Saga(row) = done.effect else {
            return Err(Problem::new(Code::Internal));
        };
        Ok(Self {
            row: *row,
            position: done.position,
            replayed: done.replayed,
        })
    }

    /// The saga, with the headers of an answer to a write.
    ///
    /// # Errors
    /// What a read that failed is told as.
    pub(super) async fn told(self, api: &Api) -> Result<Answer, Problem> {
        Ok(api.wrote(shown(api, &self.row).await?, (self.position, self.replayed)))
    }
}

pub(super) async fn shown(api: &Api, row: &SagaRow) -> Result<Answer, Problem> {
    let updated = api.changed_at(row.last, (row.created, row.body.created_at));
    let saga = render::journey(row, updated.await?);
    Ok(Answer::json(&saga).version(row.version))
}

pub(super) fn retry<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    word(api, &call, true)
}

pub(super) fn compensate<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    word(api, &call, false)
}

/// A person's word on whichever saga the path names.
fn word<'a>(api: &'a Api, call: &Call<'a>, go_on: bool) -> Result<Act<'a>, Problem> {
    let read = reason(call)?;
    let writer = writer(call, &read.canonical)?;
    let named = named(call);
    let why = read.value;
    Ok(Box::pin(async move {
        match named? {
            super::Saga::Order(which, id) => {
                of_order::resolve(api, (writer, why), (which, id), go_on).await
            }
            super::Saga::Services(id) => on(api, &writer, (id, why), go_on).await,
        }
    }))
}

async fn on(
    api: &Api,
    writer: &Writer,
    (id, why): (SagaId, String),
    go_on: bool,
) -> Result<Answer, Problem> {
    let reason = Some(why);
    let command = if go_on {
        Command::RetrySaga { id, reason }
    } else {
        Command::CompensateSaga { id, reason }
    };
    Left::of(api, writer.ask(api, command).await)?
        .told(api)
        .await
}

/// What a walk over these sagas found: rows, and the place behind the last that was looked at.
pub(super) type Walked = (Vec<SagaRow>, Option<u64>);

/// Walks sagas from a place on until `limit` of them fit.
///
/// # Errors
/// What a read that failed is told as.
pub(super) async fn walk(
    api: &Api,
    (from, limit): (Option<Spot>, usize),
    state: Option<State>,
) -> Result<Walked, Problem> {
    let mut before = from.map_or(u64::MAX, |spot| spot.position);
    let (mut rows, mut scanned) = (Vec::new(), 0);
    while rows.len() < limit && scanned < SCAN_MAX {
        let step = SCAN_STEP.min(limit.max(SCAN_STEP / 10));
        let read = api.engine.store().sagas(before, step).await;
        let at = read.map_err(|fault| refusal::of_read(&fault))?;
        let ends = at.rows.len() < step;
        for row in at.rows {
            if rows.len() == limit {
                return Ok((rows, Some(before)));
            }
            (before, scanned) = (row.created, scanned + 1);
            if state.is_none_or(|state| state == row.body.run.state) {
                rows.push(row);
            }
        }
        if ends {
            return Ok((rows, None));
        }
    }
    Ok((rows, Some(before)))
}

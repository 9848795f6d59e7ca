//! What reads share: waiting for a position, and answering with the one that was read.
//!
//! Every read goes to the store itself, which has each commit that was answered before: that is
//! `immediate`, and stronger than whatever level a request may name. So a level needs no work
//! here; a position needs some only when it lies ahead of the store.

use super::call::Answer;
use super::head::{AtLeast, POSITION, at_least};
use super::problem::{Code, Problem};
use super::{Api, refusal};
use evenkeel_engine::port::OrderRow;
use evenkeel_engine::story::entry_at;
use evenkeel_engine::token::Position;
use evenkeel_rules::time::{LogTime, Millis};
use http::{HeaderMap, HeaderValue};
use std::time::Duration;

/// How often the head is looked at by a read that waits for it.
const LOOK: Duration = Duration::from_millis(10);

/// The positions that a read has to have reached.
pub(super) struct Wait {
    positions: Vec<Position>,
    wait: Millis,
}

/// Reads the headers of consistency.
///
/// # Errors
/// 422 for a wait, a level or a token that is none.
pub(super) fn wait(headers: &HeaderMap) -> Result<Wait, Problem> {
    let AtLeast {
        tokens,
        wait,
        level: _,
    } = at_least(headers)?;
    let positions: Result<Vec<_>, _> = tokens.into_iter().map(str::parse).collect();
    let wrong = |_| Problem::violation("/header/evenkeel-position", "token");
    Ok(Wait {
        positions: positions.map_err(wrong)?,
        wait,
    })
}

impl Api {
    /// Waits until the store has every position that was asked for.
    ///
    /// # Errors
    /// `token_unknown` for a position of another log or incarnation, `not_yet` when time is up.
    pub(super) async fn reach(&self, wait: &Wait) -> Result<(), Problem> {
        let here = self.engine.position(0);
        let known = |position: &Position| {
            position.log == here.log && position.incarnation == here.incarnation
        };
        if !wait.positions.iter().all(known) {
            return Err(Problem::new(Code::TokenUnknown));
        }
        let Some(wanted) = wait
            .positions
            .iter()
            .map(|position| position.position)
            .max()
        else {
            return Ok(());
        };
        let clock = self.engine.clock();
        let until = clock.mono() + Duration::from_millis(wait.wait.0);
        loop {
            let head = self
                .engine
                .head()
                .await
                .map_err(|fault| refusal::of_read(&fault))?;
            if head.position >= wanted {
                return Ok(());
            }
            let left = until.saturating_sub(clock.mono());
            if left.is_zero() {
                return Err(Problem::new(Code::NotYet));
            }
            clock.sleep(left.min(LOOK)).await;
        }
    }

    /// When a row was changed last: the log time of its last event.
    ///
    /// # Errors
    /// What a read that failed is told as; so for a log that lacks the event.
    pub(super) async fn updated(&self, row: &OrderRow) -> Result<LogTime, Problem> {
        let made = (row.created, row.body.created_at);
        self.changed_at(row.last, made).await
    }

    /// When the event at a position was, of something that was made at another.
    ///
    /// # Errors
    /// What a read that failed is told as.
    pub(super) async fn changed_at(
        &self,
        last: u64,
        (created, created_at): (u64, LogTime),
    ) -> Result<LogTime, Problem> {
        if last == created {
            return Ok(created_at);
        }
        let entry = entry_at(&**self.engine.store(), last).await;
        Ok(entry.map_err(|fault| refusal::of_read(&fault))?.at)
    }

    /// The header that names a position of this log.
    pub(super) fn at(&self, answer: Answer, position: u64) -> Answer {
        let token = bytes::Bytes::from(self.engine.position(position).to_string());
        let value = HeaderValue::from_maybe_shared(token).expect("a position is visible ASCII");
        answer.header(POSITION, value)
    }
}

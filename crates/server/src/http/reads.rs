//! What reads share: waiting for a position, and answering with the one that was read or written.
//!
//! A read by id goes to the store itself, which has each commit that was answered before: that is
//! `immediate`, and stronger than whatever level the request may name. Lists are read from the
//! projections, at the position that those have reached. One log orders everything, so a read at
//! or behind all positions that it names is a session's, a monotonic and a causal one alike: the
//! three levels differ in what the client puts into its tokens. Where such a read names none, what
//! its session has seen is not known, and the store answers. A read that names positions may be
//! answered by a copy of the store that has them ([`super::replica`]).

use super::call::Answer;
use super::head::{AtLeast, Level, POSITION, REPLAYED, at_least};
use super::problem::{Code, Problem};
use super::replica::Replica;
use super::{Api, refusal};
use evenkeel_engine::port::{At, Fault, OrderRow, Projection, Store, Views};
use evenkeel_engine::story::entry_at;
use evenkeel_engine::token::Position;
use evenkeel_rules::time::{LogTime, Millis};
use http::{HeaderMap, HeaderValue};
use std::pin::Pin;
use std::time::Duration;

/// How often the head is looked at by a read that waits for it.
const LOOK: Duration = Duration::from_millis(10);

/// How long a list waits for what was committed just before it, if that is little. It is answered
/// in any case.
const COURTESY: Duration = Duration::from_millis(200);
/// How many positions are little.
const LITTLE: u64 = 2_000;

/// A read that is under way.
type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<At<T>, Fault>> + Send + 'a>>;

/// The positions that a read has to have reached.
pub(super) struct Wait {
    positions: Vec<Position>,
    wait: Millis,
    level: Option<Level>,
}

/// Reads the headers of consistency.
///
/// # Errors
/// 422 for a wait, a level or a token that is none.
pub(super) fn wait(headers: &HeaderMap) -> Result<Wait, Problem> {
    let AtLeast {
        tokens,
        wait,
        level,
    } = at_least(headers)?;
    let positions: Result<Vec<_>, _> = tokens.into_iter().map(str::parse).collect();
    let wrong = |_| Problem::violation("/header/evenkeel-position", "token");
    Ok(Wait {
        positions: positions.map_err(wrong)?,
        wait,
        level,
    })
}

impl Api {
    /// The highest position that a read names.
    ///
    /// # Errors
    /// `token_unknown` for a position of another log or of a future that was lost.
    fn wanted(&self, wait: &Wait) -> Result<Option<u64>, Problem> {
        let lineage = self.engine.lineage();
        if !wait.positions.iter().all(|it| lineage.knows(it)) {
            return Err(Problem::new(Code::TokenUnknown));
        }
        let positions = wait.positions.iter().map(|position| position.position);
        Ok(positions.max())
    }

    /// The read models, once a projection has every position that was asked for; nothing for a
    /// read that is to be answered by the store.
    ///
    /// # Errors
    /// `token_unknown` for a position of another log or of a future that was lost, `not_yet` when
    /// time is up.
    async fn views(&self, wait: &Wait, of: Projection) -> Result<Option<&dyn Views>, Problem> {
        let Some(projector) = self.engine.projector() else {
            return Ok(None);
        };
        let wanted = self.wanted(wait)?;
        match (wait.level, wanted) {
            (Some(Level::Immediate), _)
            | (Some(Level::Session | Level::Monotonic | Level::Causal), None) => return Ok(None),
            (_, Some(wanted)) => {
                let patience = Duration::from_millis(wait.wait.0);
                if !projector.reach(of, wanted, patience).await {
                    return Err(Problem::new(Code::NotYet));
                }
            }
            (Some(Level::Eventual) | None, None) => {
                let head = self.engine.head().await;
                let head = head.map_err(|fault| refusal::of_read(&fault))?.position;
                if head.saturating_sub(projector.checkpoint(of)) <= LITTLE {
                    let _answered_in_any_case = projector.reach(of, head, COURTESY).await;
                }
            }
        }
        Ok(Some(&**projector.views()))
    }

    /// The copy that may answer a read, and the position that it must have reached for that. A
    /// read that names no position is answered by the primary, unless any age will do.
    ///
    /// # Errors
    /// `token_unknown` for a position of another log or of a future that was lost.
    fn copy(&self, wait: &Wait) -> Result<Option<(&Replica, u64)>, Problem> {
        let Some(replica) = &self.settings.replica else {
            return Ok(None);
        };
        let least = match (wait.level, self.wanted(wait)?) {
            (Some(Level::Immediate), _) => None,
            (Some(Level::Eventual), wanted) => wanted.or(Some(0)),
            (_, wanted) => wanted,
        };
        Ok(least.map(|least| (&**replica, least)))
    }

    /// Reads from the store: a copy's, where that has what the read must have seen, or the primary
    /// once it has it.
    ///
    /// # Errors
    /// `token_unknown`, `not_yet`, or what a read that failed is told as.
    pub(super) async fn read<'a, T>(
        &'a self,
        wait: &Wait,
        read: impl Fn(&'a dyn Store) -> Reading<'a, T>,
    ) -> Result<At<T>, Problem> {
        if let Some((replica, least)) = self.copy(wait)? {
            let asked = read(&*replica.store);
            let at = replica.at(&**self.engine.clock(), least, asked).await;
            if let Some(at) = at {
                return Ok(at);
            }
        }
        self.reach(wait).await?;
        let read = read(&**self.engine.store()).await;
        read.map_err(|fault| refusal::of_read(&fault))
    }

    /// The same from a projection; nothing for a read that is to be answered by the store.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub(super) async fn listed<'a, T>(
        &'a self,
        wait: &Wait,
        of: Projection,
        read: impl Fn(&'a dyn Views) -> Reading<'a, T>,
    ) -> Result<Option<At<T>>, Problem> {
        if let Some((replica, least)) = self.copy(wait)? {
            let asked = read(&*replica.views);
            let at = replica.at(&**self.engine.clock(), least, asked).await;
            if at.is_some() {
                return Ok(at);
            }
        }
        let Some(views) = self.views(wait, of).await? else {
            return Ok(None);
        };
        let read = read(views).await;
        read.map(Some).map_err(|fault| refusal::of_read(&fault))
    }

    /// Waits until the store has every position that was asked for.
    ///
    /// # Errors
    /// `token_unknown` for a position of another log or of a future that was lost, `not_yet` when
    /// time is up.
    pub(super) async fn reach(&self, wait: &Wait) -> Result<(), Problem> {
        let Some(wanted) = self.wanted(wait)? else {
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
        if let Some(replica) = &self.settings.replica {
            let read = entry_at(&*replica.store, last);
            let entry = replica.tried(&**self.engine.clock(), read).await;
            if let Some(entry) = entry {
                return Ok(entry.at);
            }
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

    /// The headers of an answer to a write: its position, and whether the answer is a repeated one.
    pub(super) fn wrote(&self, answer: Answer, (position, replayed): (u64, bool)) -> Answer {
        let answer = self.at(answer, position);
        if replayed {
            answer.header(REPLAYED, HeaderValue::from_static("true"))
        } else {
            answer
        }
    }
}

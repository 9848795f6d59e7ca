//! Reading the log in process: the embedded broker's other end.
//!
//! A topic is the log seen through a filter, a subscription a checkpoint in the store. Whoever
//! changes something by a command in answer to an event commits that command together with the
//! checkpoint: both take effect or neither does, so each event has its effect once, whoever dies
//! when. Two readers of one subscription do not both pass the same events: the one that comes
//! second is refused and reads again from where the first has come to.

use crate::chain::{Entry, EntryEvent};
use crate::commit::{Command, Effect, Rejection, Step, Subscribing};
use crate::engine::Shared;
use crate::execute::{Refusal, engine_asks};
use crate::lineage::Lineage;
use crate::port::{Clock, Fault, SubscriptionRow};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::order::Handler;
use evenkeel_rules::subscription::{self, Ask, Filter, Progress, State};
use evenkeel_rules::time::LogTime;
use std::sync::Arc;

/// Most log rows of one page.
pub const PAGE_MAX: usize = 1_024;

/// What is to be read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The subscription's id; it is made if there is none.
    pub id: SubscriptionId,
    /// Which events.
    pub types: Vec<Filter>,
    /// The first position of a subscription that is made; what comes next if missing.
    pub from: Option<u64>,
}

/// An event and where it stands.
#[derive(Debug)]
pub struct Delivered {
    /// Its position.
    pub position: u64,
    /// Which of that position's events it is.
    pub index: usize,
    /// Log time.
    pub at: LogTime,
    /// The event.
    pub event: EntryEvent,
}

/// What comes next for a reader.
#[derive(Debug, Default)]
pub struct Page {
    /// The events that it wants, in the order of the log.
    pub events: Vec<Delivered>,
    /// The position up to which these are all; the checkpoint itself when nothing is new.
    pub upto: u64,
}

/// A reader of the log.
pub struct Consumer {
    shared: Arc<Shared>,
    row: SubscriptionRow,
}

impl Consumer {
    pub(crate) async fn open(shared: Arc<Shared>, ask: Reading) -> Result<Self, Refusal> {
        let Reading { id, types, from } = ask;
        if let Some(row) = shared.store.subscription(&id).await?.rows {
            return Self::known(shared, row, &types);
        }
        let ask = Box::new(Ask {
            id: id.clone(),
            url: None,
            types: types.clone(),
            from,
        });
        let secret = String::new();
        let create = Command::Subscription(Subscribing::Create { ask, secret });
        match engine_asks(&shared, create).await {
            Ok(Effect::Subscription(row)) => Ok(Self { shared, row: *row }),
            Ok(_) => Err(Fault::Corrupt("the answer to a subscription".to_owned()).into()),
            // Somebody else was faster.
            Err(refusal) => match shared.store.subscription(&id).await?.rows {
                Some(row) => Self::known(shared, row, &types),
                None => Err(refusal),
            },
        }
    }

    fn known(shared: Arc<Shared>, row: SubscriptionRow, types: &[Filter]) -> Result<Self, Refusal> {
        let body = &row.body;
        if body.url.is_some() || body.types != types || body.state == State::Deleted {
            let position = row.last;
            return Err(Refusal::Rejected {
                rejection: Rejection::from(subscription::Rejection::AlreadyExists),
                position,
                replayed: false,
            });
        }
        Ok(Self { shared, row })
    }

    /// The position up to which it has read for good.
    #[must_use]
    pub fn checkpoint(&self) -> u64 {
        self.row.progress.checkpoint
    }

    /// What comes after the checkpoint, out of at most `rows` rows of the log.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn page(&self, rows: usize) -> Result<Page, Fault> {
        self.page_after(self.checkpoint(), rows).await
    }

    /// What comes after a position, for one that reads ahead of its checkpoint.
    pub(crate) async fn page_after(&self, from: u64, rows: usize) -> Result<Page, Fault> {
        let rows = rows.clamp(1, PAGE_MAX);
        let rows = self.shared.store.log(from + 1, rows).await?.rows;
        let mut page = Page {
            events: Vec::new(),
            upto: from,
        };
        if self.row.body.state != State::Active {
            return Ok(page);
        }
        for row in rows {
            let entry = Entry::read(&row.text).map_err(Fault::Corrupt)?;
            let (position, at) = (row.position, entry.at);
            let events = entry.events.into_iter().enumerate();
            let wanted = events.filter(|(_, event)| self.row.body.wants(event.kind));
            page.events.extend(wanted.map(|(index, event)| Delivered {
                position,
                index,
                at,
                event,
            }));
            page.upto = position;
        }
        Ok(page)
    }

    /// The position that made the subscription: whose it is follows from that.
    pub(crate) const fn created(&self) -> u64 {
        self.row.created
    }

    /// Comes on to a position, in one commit with a command if there is one. What the command left.
    ///
    /// # Errors
    /// A [`Refusal`]: nothing was changed, the checkpoint is where it was. When somebody else has
    /// moved it ([`Fault::Fenced`] or a rejected version), [`Consumer::refresh`] and read again.
    pub async fn commit(
        &mut self,
        upto: u64,
        effect: Option<Command>,
    ) -> Result<Option<Effect>, Refusal> {
        self.commit_under(upto, effect, None).await
    }

    /// The same under a lease: refused as fenced if another node has the subscription by then.
    pub(crate) async fn commit_under(
        &mut self,
        upto: u64,
        effect: Option<Command>,
        lease: Option<u64>,
    ) -> Result<Option<Effect>, Refusal> {
        let next = Progress {
            checkpoint: upto,
            ..self.row.progress.clone()
        };
        let has_effect = effect.is_some();
        let step = Box::new(Step {
            seen: self.row.version,
            from: self.checkpoint(),
            next: next.clone(),
            effect,
        });
        let id = self.row.body.id.clone();
        let advance = Command::Subscription(Subscribing::Advance { id, step, lease });
        let left = engine_asks(&self.shared, advance).await?;
        self.row.progress = next;
        Ok(has_effect.then_some(left))
    }

    /// How the log's positions are called.
    pub(crate) fn lineage(&self) -> &Lineage {
        self.shared.lineage()
    }

    /// The node's clock.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    /// The head's position.
    pub(crate) async fn head(&self) -> Result<u64, Fault> {
        Ok(self.shared.store.head().await?.position)
    }

    /// Reads again where the subscription stands.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn refresh(&mut self) -> Result<(), Fault> {
        let id = &self.row.body.id;
        if let Some(row) = self.shared.store.subscription(id).await?.rows {
            self.row = row;
        }
        Ok(())
    }
}

/// The subscription that has a handler's checkpoint.
pub(crate) fn of_handler(handler: Handler) -> Reading {
    let filter = |kind: &Kind| Filter::new(kind.name()).expect("a handler reads published types");
    Reading {
        id: SubscriptionId::new(handler.name()).expect("a handler's name is a well-formed id"),
        types: handler.reads().iter().map(filter).collect(),
        // What stood before has its due times.
        from: None,
    }
}

/// The position that all handlers of orders have passed for good. One that has not begun has passed
/// nothing; one that an operator ended holds nobody up.
///
/// # Errors
/// A [`Fault`] of the store.
pub(crate) async fn passed_by_handlers(shared: &Shared) -> Result<u64, Fault> {
    let mut passed = u64::MAX;
    for handler in Handler::ALL {
        let id = of_handler(handler).id;
        let row = shared.store.subscription(&id).await?.rows;
        let ended = |row: &SubscriptionRow| row.body.state == State::Deleted;
        passed = match row {
            Some(row) if ended(&row) => passed,
            Some(row) => passed.min(row.progress.checkpoint),
            None => 0,
        };
    }
    Ok(passed)
}

//! The handlers: the order flow where it runs on events (`order.mode = "choreographed"`).
//!
//! Each handler reads the log from a checkpoint of its own, through the embedded subscription of
//! its name. For every order that an event tells of it asks the one rule whether the order, as it
//! stands now, needs a call of this handler's ([`evenkeel_rules::order::Handler`]), makes it, and
//! commits what was answered together with its checkpoint: both or neither. A handler that dies
//! before that reads the event again, finds the order as it was, and calls again under the same
//! key.
//!
//! It makes the calls of one page beside each other and commits what came of them in the order of
//! the log. It works only under the lease of its subscription's shard, and only while that outlives
//! the call; what it commits is refused if a newer lease exists by then. It never asks again and
//! never writes that something failed: an answer that did not come is an unknown outcome, which
//! the order's due time brings up.

use crate::calls::{call_of, count, random, timeout, told};
use crate::commit::Command;
use crate::consumer::{Consumer, Delivered, of_handler};
use crate::engine::Shared;
use crate::execute::Refusal;
use crate::gateway::Gateway;
use crate::port::Fault;
use crate::worker::{Round, Work};
use async_trait::async_trait;
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::order::Handler;
use evenkeel_rules::time::LogTime;
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Log rows that are read at once; so many calls are at most under way.
const PAGE: u16 = 256;

/// One handler's loop.
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) gateway: Arc<dyn Gateway>,
    pub(crate) handler: Handler,
    /// Where it reads, once that is known.
    pub(crate) reader: Option<Consumer>,
}

/// An order that a page tells of.
struct Met {
    order: OrderId,
    /// Its last event of the page.
    position: u64,
    at: LogTime,
}

/// The right to make calls: whose checkpoint it comes with, and the token.
#[derive(Clone, Copy)]
struct Right {
    created: u64,
    token: u64,
}

/// What came of an order's calls.
struct Turn {
    position: u64,
    reports: Vec<Command>,
}

#[async_trait]
impl Work for Handle {
    fn name(&self) -> &'static str {
        self.handler.name()
    }

    async fn run_once(&mut self) -> Result<Round, Fault> {
        let mut reader = match self.reader.take() {
            Some(mut reader) => {
                // Another node may have gone on, or somebody paused it: no call is made then.
                reader.refresh().await?;
                reader
            }
            None => open(&self.shared, self.handler).await?,
        };
        let created = reader.created();
        let Some(token) = self.token(created) else {
            self.reader = Some(reader);
            return Ok(Round::default());
        };
        // A round that fails leaves no reader behind: the next one reads where it stands.
        let right = Right { created, token };
        match self.round(&mut reader, right).await {
            Ok(round) => {
                self.reader = Some(reader);
                Ok(round)
            }
            Err(Refusal::Failed(Fault::Fenced)) => Ok(Round::default()),
            Err(Refusal::Failed(fault)) => Err(fault),
            Err(refusal @ Refusal::Rejected { .. }) => {
                // Its subscription was changed meanwhile.
                tracing::warn!(?refusal, handler = self.handler.name(), "it reads again");
                Ok(Round::default())
            }
        }
    }
}

impl Handle {
    /// The token under which it may call now.
    fn token(&self, created: u64) -> Option<u64> {
        let options = &self.shared.options;
        let longest = match self.handler {
            Handler::Charge | Handler::Refund => options.call_timeout,
            Handler::Deliver | Handler::Recall => options.delivery_timeout,
        };
        let mono = self.shared.clock.mono();
        self.shared.held.right(created, mono, longest)
    }

    /// Reads a page, makes its calls, and commits what came of them, in the order of the log.
    async fn round(&self, reader: &mut Consumer, right: Right) -> Result<Round, Refusal> {
        let page = reader.page(usize::from(PAGE)).await?;
        let begun = reader.checkpoint();
        let met = met(page.events).map_err(Fault::Corrupt)?;
        let mut done = 0;
        let turns = met.into_iter().map(|met| {
            let (shared, gateway) = (Arc::clone(&self.shared), Arc::clone(&self.gateway));
            turn((shared, gateway), self.handler, met, right)
        });
        let mut turns = stream::iter(turns).buffered(usize::from(PAGE));
        while let Some(turn) = turns.next().await {
            let Turn { position, reports } = turn?;
            let last = reports.len().saturating_sub(1);
            for (number, report) in reports.into_iter().enumerate() {
                // Its last word takes the checkpoint along.
                let upto = if number == last {
                    position
                } else {
                    reader.checkpoint()
                };
                self.commit(reader, (upto, Some(report)), right).await?;
                done += 1;
            }
        }
        if reader.checkpoint() < page.upto {
            self.commit(reader, (page.upto, None), right).await?;
        }
        Ok(Round {
            done,
            more: page.upto - begun >= u64::from(PAGE),
            behind: 0,
        })
    }

    async fn commit(
        &self,
        reader: &mut Consumer,
        (upto, report): (u64, Option<Command>),
        right: Right,
    ) -> Result<(), Refusal> {
        let Right { created, token } = right;
        let committed = reader.commit_under(upto, report, Some(token)).await;
        if let Err(refusal) = &committed {
            self.shared.held.refused((created, token), refusal);
        }
        committed.map(|_| ())
    }
}

/// Opens a handler's subscription; it begins with what comes next if there was none.
pub(crate) async fn open(shared: &Arc<Shared>, handler: Handler) -> Result<Consumer, Fault> {
    let opened = Consumer::open(Arc::clone(shared), of_handler(handler)).await;
    opened.map_err(|refusal| match refusal {
        Refusal::Failed(fault) => fault,
        Refusal::Rejected { .. } => {
            let name = handler.name();
            Fault::Unavailable(format!("the subscription {name} is not this handler's"))
        }
    })
}

/// The orders that events tell of, each once, where it is told of last.
fn met(events: Vec<Delivered>) -> Result<Vec<Met>, String> {
    let mut last = BTreeMap::new();
    for told in events {
        let order = OrderId::new(told.event.id()).map_err(|error| error.to_string())?;
        last.insert(order, (told.position, told.at));
    }
    let mut met: Vec<Met> = last
        .into_iter()
        .map(|(order, (position, at))| Met {
            order,
            position,
            at,
        })
        .collect();
    met.sort_by_key(|met| met.position);
    Ok(met)
}

/// Makes the calls that an order needs of a handler.
async fn turn(
    (shared, gateway): (Arc<Shared>, Arc<dyn Gateway>),
    handler: Handler,
    met: Met,
    right: Right,
) -> Result<Turn, Fault> {
    let Met {
        order,
        position,
        at,
    } = met;
    let Some(row) = shared.store.order(&order).await?.rows else {
        return Err(Fault::Corrupt(format!("order {order} is gone")));
    };
    let now = at.max(shared.clock.now());
    let mut reports = Vec::new();
    for task in row.body.handled(row.tries, handler, now) {
        let Some(call) = call_of(&shared, &row, task, None).await? else {
            continue;
        };
        let timeout = timeout(&shared.options, task);
        let mono = shared.clock.mono();
        if shared.held.right(right.created, mono, timeout) != Some(right.token) {
            return Err(Fault::Fenced);
        }
        let reply = gateway.call(&call, timeout).await;
        count(&call, &reply);
        reports.push(Command::Report {
            id: order.clone(),
            task,
            told: told(&row.body, reply),
            seen: row.version,
            random: random(&shared),
            // The checkpoint's lease stands for it.
            lease: None,
        });
    }
    Ok(Turn { position, reports })
}

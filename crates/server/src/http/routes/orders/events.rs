//! An order's events as they happen: server-sent events, each a CloudEvent.
//!
//! An event's `id:` is a token: whoever comes back with it as `Last-Event-ID` has missed nothing
//! before it and is told everything after it. Events of one commit share its position, so all but
//! the last of them carry the token of the place before: what was cut off in between is told again.

use super::one;
use crate::http::Api;
use crate::http::body::Live;
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::streams::{BEAT, Stream, seen};
use bytes::Bytes;
use evenkeel_engine::Engine;
use evenkeel_engine::chain::Entry;
use evenkeel_engine::cloud::{self, Place};
use evenkeel_engine::port::{Fault, OrderRow};
use evenkeel_engine::story::entry_at;
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::order::{Order, Status};
use std::fmt::Write as _;
use std::time::Duration;

/// How often it is looked for news.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn events<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let seen = seen(&call)?;
    let id = call.known_id(OrderId::new);
    let owner = call.caller.customer.clone();
    Ok(Box::pin(async move {
        let id = id?;
        api.reach(&wait).await?;
        let (_, position) = one(api, &id, owner.as_ref()).await?;
        let told = api.told(seen)?;
        let feed = Feed {
            _place: api.streams.open()?,
            engine: api.engine.clone(),
            id,
            told,
        };
        Ok(api.at(Answer::events(feed.live()), position))
    }))
}

/// One client's way along an order's events.
struct Feed {
    _place: Stream,
    engine: Engine,
    id: OrderId,
    /// The position up to which everything was told.
    told: u64,
}

impl Feed {
    fn live(self) -> Live {
        Live::new(async move {
            let (piece, feed) = self.next().await?;
            Some((piece, feed.live()))
        })
    }

    /// The next events, or a comment if there are none for long; nothing behind a final state, or
    /// when the store cannot be read: the client comes back.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        let mut quiet = Duration::ZERO;
        loop {
            let row = self.engine.store().order(&self.id).await.ok()?.rows?;
            if row.last > self.told {
                let text = self.since(&row).await.ok()?;
                self.told = row.last;
                return Some((Bytes::from(text), self));
            }
            if is_final(&row.body) {
                return None;
            }
            if quiet >= BEAT {
                return Some((Bytes::from_static(b":\n\n"), self));
            }
            self.engine.clock().sleep(LOOK).await;
            quiet += LOOK;
        }
    }

    /// The events after those that were told, in order.
    async fn since(&self, row: &OrderRow) -> Result<String, Fault> {
        let stream = format!("order:{}", self.id);
        let mut entries: Vec<Entry> = Vec::new();
        let mut position = row.last;
        while position > self.told {
            let entry = entry_at(&**self.engine.store(), position).await?;
            let first = entry.events.iter().find(|event| event.stream == stream);
            let first = first.ok_or_else(|| {
                Fault::Corrupt(format!("log row {position} is not about {stream}"))
            })?;
            position = first.previous;
            entries.push(entry);
        }
        let mut text = String::new();
        for entry in entries.iter().rev() {
            self.tell(entry, &stream, &mut text);
        }
        Ok(text)
    }

    fn tell(&self, entry: &Entry, stream: &str, text: &mut String) {
        let here = self.engine.position(entry.position);
        let before = self.engine.position(entry.position - 1);
        let mine = |(_, event): &(usize, _)| {
            let event: &&evenkeel_engine::chain::EntryEvent = event;
            event.stream == stream
        };
        let mut events = entry.events.iter().enumerate().filter(mine).peekable();
        while let Some((index, event)) = events.next() {
            let id = if events.peek().is_some() {
                &before
            } else {
                &here
            };
            let kind = event.kind.name();
            let place = Place {
                lineage: self.engine.lineage(),
                position: entry.position,
                index,
                at: entry.at,
            };
            let data = cloud::text(place, event);
            write!(text, "id: {id}\nevent: {kind}\ndata: {data}\n\n")
                .expect("text grows in memory");
        }
    }
}

/// Whether nothing more is to be told: the order has ended, and no money is on its way.
fn is_final(order: &Order) -> bool {
    let settled = order
        .refunds
        .iter()
        .all(|refund| refund.run.state.is_ended());
    let even = match order.status {
        Status::Delivered | Status::Refunded | Status::Rejected => true,
        Status::Cancelled | Status::Expired => order.payment.authorised() == order.refunded(),
        Status::Pending | Status::Paid | Status::Confirmed | Status::Shipped => false,
    };
    settled && even && !order.is_cancelling()
}

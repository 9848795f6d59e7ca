//! A SKU's availability as it changes: server-sent events, at most five a second.
//!
//! Each event shows how things stand at the position that its `id:` names, so whoever was away has
//! missed nothing that still matters: with `Last-Event-ID` the first event comes as soon as
//! anything was committed since.

use super::look;
use crate::http::body::Live;
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::Query;
use crate::http::reads::wait;
use crate::http::render::Look;
use crate::http::shapes::Available;
use crate::http::streams::{BEAT, Stream, seen};
use crate::http::{Api, refusal, render};
use bytes::Bytes;
use evenkeel_engine::Engine;
use evenkeel_engine::port::Listed;
use evenkeel_rules::ids::SkuId;
use std::time::Duration;

/// How often it is looked for news: five times a second.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn events<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let seen = seen(&call)?;
    let id = call.known_id(SkuId::new);
    let look = look(api, call.caller.role);
    Ok(Box::pin(async move {
        let id = id?;
        api.reach(&wait).await?;
        let at = api.engine.store().sku(&id).await;
        let at = at.map_err(|fault| refusal::of_read(&fault))?;
        at.rows.ok_or_else(|| Problem::new(Code::SkuUnknown))?;
        let told = api.told(seen)?;
        let feed = Feed {
            _place: api.streams.open()?,
            engine: api.engine.clone(),
            id,
            look,
            told,
            last: None,
        };
        Ok(api.at(Answer::events(feed.live()), at.position))
    }))
}

/// One client's way along a SKU's availability.
struct Feed {
    _place: Stream,
    engine: Engine,
    id: SkuId,
    look: Look,
    /// The position that was told of last.
    told: u64,
    /// What was told last.
    last: Option<Available>,
}

impl Feed {
    fn live(self) -> Live {
        Live::new(async move {
            let (piece, feed) = self.next().await?;
            Some((piece, feed.live()))
        })
    }

    /// The next change, or a comment if there is none for long; nothing when the store cannot be
    /// read: the client comes back.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        let mut quiet = Duration::ZERO;
        loop {
            if self.last.is_some() || quiet > Duration::ZERO {
                self.engine.clock().sleep(LOOK).await;
            }
            let at = self.engine.store().sku(&self.id).await.ok()?;
            let now = self.shown(&at.rows?);
            if at.position > self.told && self.last.as_ref() != Some(&now) {
                self.told = at.position;
                let id = self.engine.position(at.position);
                let data = serde_json::to_string(&now).expect("it is plain JSON");
                let text = format!("id: {id}\nevent: availability\ndata: {data}\n\n");
                self.last = Some(now);
                return Some((Bytes::from(text), self));
            }
            quiet += LOOK;
            if quiet >= BEAT {
                return Some((Bytes::from_static(b":\n\n"), self));
            }
        }
    }

    fn shown(&self, (row, stock): &Listed) -> Available {
        let sku = render::sku(row, stock, self.look);
        Available {
            sku: sku.sku,
            availability: sku.availability,
            stock: sku.stock,
        }
    }
}

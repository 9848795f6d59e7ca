//! What one buyer does, from its arrival until it leaves.
//!
//! Kept: one intent, one key. Refused for the moment or left without an answer, a buyer sends the
//! very same request again, also to the server that came up after a kill.

use super::cast::{Part, Temper};
use super::sale::Sale;
use super::stage::{SKU, Stage};
use crate::client::{Caller, outside};
use crate::load::ask::{Ask, Decided, Patience, Undecided, until_decided};
use crate::load::book::{Ending, Entry};
use crate::load::encode_hold;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

mod order;

const PATIENCE: Patience = Patience {
    limit: Duration::from_secs(60),
    pause: Duration::from_millis(20),
};
/// How long somebody waits, in milliseconds, before it asks again for what is sold out.
const AGAIN_MS: std::ops::Range<u64> = 200..600;

struct Buyer {
    stage: Stage,
    sale: Arc<Sale>,
    part: Part,
    number: usize,
}

/// A request that may get a unit.
struct Request<'a> {
    caller: &'a Caller,
    route: &'a str,
    key: String,
    body: String,
}

/// A hold or an order that was won.
struct Won {
    id: Box<str>,
    /// Its hold's place in the book.
    at: usize,
    /// Before it was asked for: a hold's deadline is at least its ttl later.
    sent: Instant,
}

/// Lives a buyer's part of the sale.
pub(super) async fn live(stage: Stage, sale: Arc<Sale>, number: usize) {
    let part = stage.parts[number];
    sale.linger(part.arrives).await;
    let buyer = Buyer {
        stage,
        sale,
        part,
        number,
    };
    if buyer.play().await.is_err() {
        buyer.sale.undecided();
    }
}

impl Buyer {
    async fn play(&self) -> Result<(), Undecided> {
        match self.part.temper {
            Temper::Willing | Temper::DoubleClick => self.buy(None).await,
            Temper::HoldFirst => match self.hold().await? {
                Some(won) => {
                    self.sale.linger(self.part.thinks).await;
                    self.buy(Some(won)).await
                }
                None => Ok(()),
            },
            Temper::Cancel => self.regret().await,
            Temper::Short => self.pay_too_little().await,
            Temper::Release | Temper::GiveUp => match self.hold().await? {
                Some(won) => {
                    self.sale.linger(self.part.thinks).await;
                    self.release(&won).await
                }
                None => Ok(()),
            },
            Temper::Abandon => {
                if let Some(won) = self.hold().await? {
                    self.abandon(&won).await;
                }
                Ok(())
            }
        }
    }

    /// Tries until it has a hold, has had enough, or the sale is over.
    async fn hold(&self) -> Result<Option<Won>, Undecided> {
        let caller = &self.stage.buyers[self.number];
        let request = Request {
            caller,
            route: "/v1/holds",
            key: format!("buyer-{}", self.number),
            body: encode_hold(caller, SKU, 1, self.part.ttl_ms),
        };
        let Some((id, sent)) = self.want(&request).await? else {
            return Ok(None);
        };
        let at = self.granted(&id);
        Ok(Some(Won { id, at, sent }))
    }

    /// Notes what was given out a moment ago: the place in the book.
    fn granted(&self, id: &str) -> usize {
        self.sale.granted(Entry {
            id: id.into(),
            units: 1,
            granted: outside::now(),
            until: None,
            ending: Ending::Held,
        })
    }

    /// Sends a request until it is granted, or its sender had enough, or the sale is over.
    async fn want(&self, request: &Request<'_>) -> Result<Option<(Box<str>, Instant)>, Undecided> {
        for _ in 0..self.part.temper.tries() {
            if self.sale.is_over() {
                break;
            }
            let sent = outside::now();
            let decided = self.click(request).await?;
            if let Some(id) = decided.id {
                return Ok(Some((id, sent)));
            }
            if !decided.is_sold_out() {
                self.surprised(request.route, &decided);
                break;
            }
            self.sale.refused.fetch_add(1, Ordering::Relaxed);
            let again = Duration::from_millis(outside::chance().u64(AGAIN_MS));
            self.sale.linger(again).await;
        }
        Ok(None)
    }

    /// Asks for a unit, once or twice at once.
    async fn click(&self, request: &Request<'_>) -> Result<Decided, Undecided> {
        if self.part.temper != Temper::DoubleClick {
            return self.place(request).await;
        }
        let (first, second) = tokio::join!(self.place(request), self.place(request));
        let (first, second) = (first?, second?);
        if let (Some(one), Some(other)) = (&first.id, &second.id)
            && one != other
        {
            self.sale.twofold();
        }
        // One of the two may have been refused a moment before the other found a unit.
        Ok(if first.id.is_some() { first } else { second })
    }

    async fn place(&self, request: &Request<'_>) -> Result<Decided, Undecided> {
        self.ask(request, None).await
    }

    /// Sends a request about a hold or an order until it is decided.
    async fn ask(&self, request: &Request<'_>, id: Option<&str>) -> Result<Decided, Undecided> {
        let ask = Ask {
            caller: request.caller,
            route: request.route,
            key: &request.key,
            body: &request.body,
            id,
            lines: Some((SKU, 1)),
        };
        let mut wire = self.stage.pool.wire().await;
        until_decided(&mut wire, &self.stage.recorder, &ask, PATIENCE).await
    }

    async fn abandon(&self, won: &Won) {
        let ttl = Duration::from_millis(self.part.ttl_ms.unwrap_or_default());
        self.sale.surely_until(won.at, won.sent + ttl);
        outside::pause(ttl).await;
        self.sale.ended(won.at, Ending::Abandoned);
    }

    async fn release(&self, won: &Won) -> Result<(), Undecided> {
        let request = Request {
            caller: &self.stage.buyers[self.number],
            route: &format!("/v1/holds/{}/release", won.id),
            key: format!("release-{}", self.number),
            body: "{}".to_owned(),
        };
        self.sale.surely_until(won.at, outside::now());
        let decided = self.ask(&request, Some(&won.id)).await;
        let decided = decided.inspect_err(|_| self.sale.ended(won.at, Ending::AskedToRelease))?;
        if decided.is_success() {
            self.sale.ended(won.at, Ending::Released);
            self.sale.released.fetch_add(1, Ordering::Relaxed);
        } else {
            self.surprised(request.route, &decided);
        }
        Ok(())
    }

    fn surprised(&self, what: &str, decided: &Decided) {
        let (status, code) = (decided.status, &decided.code);
        self.sale
            .surprise(format!("{what} was answered {status} {code}"));
    }
}

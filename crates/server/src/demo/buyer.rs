//! What one buyer does, from its arrival until it leaves.
//!
//! Kept: one intent, one key. Refused for the moment or left without an answer, a buyer sends the
//! very same request again, also to the server that came up after a kill.

use super::cast::{Part, Temper};
use super::sale::Sale;
use super::stage::{SKU, Stage};
use crate::client::outside;
use crate::load::ask::{Ask, Decided, Patience, Undecided, until_decided};
use crate::load::book::{Ending, Entry};
use crate::load::encode_hold;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const PATIENCE: Patience = Patience {
    limit: Duration::from_secs(60),
    pause: Duration::from_millis(20),
};
/// How often those try who are not sure that they want it.
const HALF_HEARTED: u32 = 5;

struct Buyer {
    stage: Stage,
    sale: Arc<Sale>,
    part: Part,
    number: usize,
}

/// A hold that was won.
struct Won {
    id: Box<str>,
    /// Its place in the book.
    at: usize,
    /// Before it was asked for: its deadline is at least its ttl later.
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
        let Some(won) = self.want().await? else {
            return Ok(());
        };
        match self.part.temper {
            Temper::Willing | Temper::DoubleClick => {
                self.sale.linger(self.part.thinks).await;
                self.confirm(&won).await
            }
            Temper::Release | Temper::GiveUp => {
                self.sale.linger(self.part.thinks).await;
                self.release(&won).await
            }
            Temper::Abandon => {
                let ttl = Duration::from_millis(self.part.ttl_ms.unwrap_or_default());
                self.sale.surely_until(won.at, won.sent + ttl);
                outside::pause(ttl).await;
                self.sale.ended(won.at, Ending::Abandoned);
                Ok(())
            }
        }
    }

    /// Tries until it has a hold, has had enough, or the sale is over.
    async fn want(&self) -> Result<Option<Won>, Undecided> {
        let tries = match self.part.temper {
            Temper::Willing | Temper::DoubleClick => u32::MAX,
            Temper::Abandon | Temper::Release => HALF_HEARTED,
            Temper::GiveUp => 1,
        };
        for _ in 0..tries {
            if self.sale.is_over() {
                break;
            }
            let sent = outside::now();
            let decided = self.click().await?;
            if let Some(id) = decided.id {
                let granted = outside::now();
                let ending = Ending::Held;
                let entry = Entry {
                    id: id.clone(),
                    units: 1,
                    granted,
                    until: None,
                    ending,
                };
                return Ok(Some(Won {
                    id,
                    at: self.sale.granted(entry),
                    sent,
                }));
            }
            if !decided.is_sold_out() {
                self.surprised("a hold", &decided);
                break;
            }
            self.sale.refused.fetch_add(1, Ordering::Relaxed);
            self.sale
                .linger(Duration::from_millis(outside::chance().u64(150..400)))
                .await;
        }
        Ok(None)
    }

    /// Asks for a unit, once or twice at once; the hold if there is one.
    async fn click(&self) -> Result<Decided, Undecided> {
        if self.part.temper != Temper::DoubleClick {
            return self.place().await;
        }
        let (first, second) = tokio::join!(self.place(), self.place());
        let (first, second) = (first?, second?);
        if let (Some(one), Some(other)) = (&first.id, &second.id)
            && one != other
        {
            self.sale.twofold();
        }
        // One of the two may have been refused a moment before the other found a unit.
        Ok(if first.id.is_some() { first } else { second })
    }

    async fn place(&self) -> Result<Decided, Undecided> {
        let caller = &self.stage.buyers[self.number];
        let ask = Ask {
            caller,
            route: "/v1/holds",
            key: &format!("buyer-{}", self.number),
            body: &encode_hold(caller, SKU, 1, self.part.ttl_ms),
            id: None,
            lines: Some((SKU, 1)),
        };
        let mut wire = self.stage.pool.wire().await;
        until_decided(&mut wire, &self.stage.recorder, &ask, PATIENCE).await
    }

    /// The buyer has paid; the shop makes the hold a sale.
    async fn confirm(&self, won: &Won) -> Result<(), Undecided> {
        let ask = Ask {
            caller: &self.stage.shop,
            route: &format!("/v1/holds/{}/confirm", won.id),
            key: &format!("confirm-{}", self.number),
            body: "{}",
            id: Some(&won.id),
            lines: Some((SKU, 1)),
        };
        self.end(won, &ask, Ending::Confirmed).await
    }

    async fn release(&self, won: &Won) -> Result<(), Undecided> {
        let ask = Ask {
            caller: &self.stage.buyers[self.number],
            route: &format!("/v1/holds/{}/release", won.id),
            key: &format!("release-{}", self.number),
            body: "{}",
            id: Some(&won.id),
            lines: Some((SKU, 1)),
        };
        self.sale.surely_until(won.at, outside::now());
        self.end(won, &ask, Ending::Released).await
    }

    async fn end(&self, won: &Won, ask: &Ask<'_>, ending: Ending) -> Result<(), Undecided> {
        let mut wire = self.stage.pool.wire().await;
        let decided = until_decided(&mut wire, &self.stage.recorder, ask, PATIENCE).await?;
        if decided.is_success() {
            self.sale.ended(won.at, ending);
        } else {
            self.surprised(ask.route, &decided);
        }
        Ok(())
    }

    fn surprised(&self, what: &str, decided: &Decided) {
        let (status, code) = (decided.status, &decided.code);
        self.sale
            .surprise(format!("{what} was answered {status} {code}"));
    }
}

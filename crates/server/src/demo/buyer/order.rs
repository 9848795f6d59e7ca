//! Buyers who order: until they have it, call it off, or pay too little.

use super::super::cast::{GOOD, Wish};
use super::super::orders::{Shown, Stand};
use super::super::stage::SKU;
use super::{Buyer, Request, Won};
use crate::client::outside;
use crate::load::ask::Undecided;
use crate::load::book::Ending;
use serde_json::json;
use std::time::{Duration, Instant};

/// What a scratch is worth, in minor units.
const SCRATCH: i64 = 500;

/// An order that was taken.
struct Placed {
    id: Box<str>,
    /// Its hold's place in the book.
    at: usize,
    /// Its place on the tab.
    tab: usize,
    /// Before it was asked for: until then a hold that it was given surely stood.
    sent: Instant,
}

impl Buyer {
    /// Orders until it has what it wants or the sale is over: with another card, and a new order
    /// under a new key, when the first came to nothing.
    pub(super) async fn buy(&self, mut hold: Option<Won>) -> Result<(), Undecided> {
        for turn in 0.. {
            let Some(placed) = self.order(turn, hold.take()).await? else {
                break;
            };
            if self.see_through(&placed).await?.stand() == Stand::Kept {
                self.sale.served();
                return self.complain(&placed).await;
            }
        }
        Ok(())
    }

    /// Orders and calls it off; a cancel that comes too late leaves it with what it ordered.
    pub(super) async fn regret(&self) -> Result<(), Undecided> {
        let Some(placed) = self.order(0, None).await? else {
            return Ok(());
        };
        outside::pause(self.part.thinks).await;
        let request = Request {
            caller: &self.stage.buyers[self.number],
            route: &format!("/v1/orders/{}/cancel", placed.id),
            key: format!("cancel-{}", self.number),
            body: json!({"reason": "changed my mind"}).to_string(),
        };
        self.sale.surely_until(placed.at, outside::now());
        let decided = self.ask(&request, Some(&placed.id)).await?;
        if !decided.is_success() && &*decided.code != "order.illegal_transition" {
            self.surprised(request.route, &decided);
        }
        let shown = self.stage.orders.decided(&placed.id).await?;
        // Behind its payment the units were sold: what comes back is no hold any more.
        let ending = if decided.status == 202 {
            Ending::CalledOff
        } else {
            Ending::Released
        };
        if self.ended(&placed, &shown, ending) == Stand::Kept {
            if decided.status == 200 {
                self.sale.surprise(format!(
                    "order {} was cancelled and is {}",
                    shown.id, shown.status
                ));
            }
            self.sale.kept();
        }
        Ok(())
    }

    /// Orders with a card that pays too little: in the end it has all its money back.
    pub(super) async fn pay_too_little(&self) -> Result<(), Undecided> {
        let Some(placed) = self.order(0, None).await? else {
            return Ok(());
        };
        let shown = self.see_through(&placed).await?;
        if shown.stand() == Stand::Kept {
            let status = &shown.status;
            self.sale.surprise(format!(
                "order {} was not paid for and is {status}",
                shown.id
            ));
        }
        Ok(())
    }

    /// Tries until an order is taken, it had enough, or the sale is over.
    async fn order(&self, turn: u32, hold: Option<Won>) -> Result<Option<Placed>, Undecided> {
        let card = if turn == 0 { self.part.card } else { GOOD };
        let mut body = json!({
            "lines": [{"sku": SKU, "quantity": 1}],
            "payment": {"method": "card", "token": card},
        });
        if let Some(hold) = &hold {
            body["hold"] = json!(hold.id);
        }
        let request = Request {
            caller: &self.stage.buyers[self.number],
            route: "/v1/orders",
            key: format!("order-{}-{turn}", self.number),
            body: body.to_string(),
        };
        let Some((id, sent)) = self.want(&request).await? else {
            return Ok(None);
        };
        let at = match hold {
            Some(hold) => hold.at,
            None => self.granted(&id),
        };
        let tab = self.sale.ordered(&id, card);
        Ok(Some(Placed { id, at, tab, sent }))
    }

    /// Waits until it is decided whether it has what it ordered.
    async fn see_through(&self, placed: &Placed) -> Result<Shown, Undecided> {
        let shown = self.stage.orders.decided(&placed.id).await?;
        if self.ended(placed, &shown, Ending::Released) != Stand::Kept {
            self.sale.surely_until(placed.at, placed.sent);
        }
        Ok(shown)
    }

    /// Notes how an order was decided; `lost` is what became of its hold if its buyer has nothing.
    fn ended(&self, placed: &Placed, shown: &Shown, lost: Ending) -> Stand {
        let stand = shown.stand();
        let ending = match stand {
            Stand::Kept => Ending::Confirmed,
            Stand::Lost | Stand::Open => lost,
        };
        if let Some(hold) = shown.holds.last() {
            self.sale.named(placed.at, hold);
        }
        self.sale.ended(placed.at, ending);
        let stand = if stand == Stand::Open {
            Stand::Lost
        } else {
            stand
        };
        self.sale.decided(placed.tab, stand);
        stand
    }

    /// Has what it wanted, and perhaps wants some of its money back.
    async fn complain(&self, placed: &Placed) -> Result<(), Undecided> {
        let (reason, amount) = match self.part.wish {
            Wish::Nothing => return Ok(()),
            Wish::Part => {
                outside::pause(Duration::from_millis(outside::chance().u64(..500))).await;
                ("scratched", Some(SCRATCH))
            }
            Wish::All => {
                let left = |shown: &Shown| shown.has_left();
                self.stage.orders.until(&placed.id, left).await?;
                ("broken", None)
            }
        };
        let mut body = json!({"reason": reason});
        if let Some(amount) = amount {
            body["amount"] = json!({"amount": amount, "currency": "EUR"});
        }
        let request = Request {
            caller: &self.stage.shop,
            route: &format!("/v1/orders/{}/refunds", placed.id),
            key: format!("refund-{}", self.number),
            body: body.to_string(),
        };
        let decided = self.ask(&request, Some(&placed.id)).await?;
        if decided.is_success() {
            self.sale.given_back(placed.tab, amount);
        } else {
            self.surprised(request.route, &decided);
        }
        Ok(())
    }
}

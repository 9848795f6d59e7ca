//! Buyers who order.
//!
//! They order with and without a hold of their own, for nothing, several things at once, with an
//! id that is somebody's, with the price that they believe; they order twice, call off whenever it
//! comes to their mind, and ask for the money back.

use super::Buyer;
use crate::client::Patience;
use crate::workload::{Who, lines, request};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_rules::hold::{self, Wanted};
use evenkeel_rules::ids::{HoldId, OrderId, RefundId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::{Adjustment, AdjustmentKind, Ask, ReturnLine};
use evenkeel_rules::time::Millis;

/// Price of everything, in cents.
pub(in crate::workload) const PRICE: i64 = 1_999;

pub(in crate::workload) fn euros(amount: i64) -> Money {
    let currency = Currency::new("EUR").expect("the euro is listed");
    Money { amount, currency }
}

impl Buyer {
    /// What the buyer orders, under an id of its own.
    fn wish(&mut self, key: &str, given: Option<(HoldId, Vec<Wanted>)>) -> Ask {
        let rng = &mut self.client.rng;
        let (hold, wanted) = match given {
            Some((hold, lines)) => (Some(hold), lines),
            None => (None, lines(rng, &self.shop)),
        };
        let lines = hold::sum(&wanted).expect("a few units do not overflow");
        let units: i64 = lines.iter().map(|line| line.quantity.signed()).sum();
        let change = |kind, amount| Adjustment { kind, amount };
        let adjustments = match rng.u8(0..12) {
            0 => vec![change(AdjustmentKind::Discount, -PRICE * units)],
            1 => vec![change(AdjustmentKind::Shipping, 490)],
            2 => vec![
                change(AdjustmentKind::Discount, -1_000),
                change(AdjustmentKind::Tax, 199),
            ],
            _ => Vec::new(),
        };
        let added: i64 = adjustments.iter().map(|it| it.amount).sum();
        let expected = match rng.u8(0..20) {
            0..6 => Some(euros(PRICE * units + added)),
            6 => Some(euros(PRICE * units + added + 1)),
            _ => None,
        };
        Ask {
            id: OrderId::new(&format!("o-{key}")).expect("a well-formed id"),
            customer: self.customer.clone(),
            lines,
            hold,
            method: "card".to_owned(),
            expected_total: expected,
            adjustments,
            confirming: Millis([400, 2_000, 8_000, 60_000][rng.usize(0..4)]),
        }
    }

    async fn take(&mut self, key: &str, ask: Ask) {
        let who = match ask.adjustments.is_empty() {
            true => self.who.clone(),
            false => Who::Shop,
        };
        let private = r#"{"token":"tok_ok"}"#.to_owned();
        let command = |ask: Ask| {
            let private = private.clone();
            let ask = Box::new(ask);
            Command::TakeOrder { ask, private }
        };
        let mut asked = request(&who, Some(key), command(ask.clone()));
        let mut id = ask.id.clone();
        if self.client.rng.u8(0..4) == 0 && ask.hold.is_none() {
            // A made id does not enter the fingerprint.
            let made = asked.request.key.as_ref().map(Key::made_order_id);
            id = made.expect("the request has a key");
            let made = Ask {
                id: id.clone(),
                ..ask
            };
            asked.request.command = command(made);
        }
        self.orders.push(id);
        if self.client.chance(80) {
            self.doubled(asked.clone());
        }
        self.ask(asked).await;
    }

    /// Orders something.
    pub(super) async fn order(&mut self) {
        let key = self.key();
        let ask = self.wish(&key, None);
        self.take(&key, ask).await;
    }

    /// Orders what a hold of its own has; sometimes not quite.
    pub(super) async fn order_held(&mut self) {
        let Some((id, held)) = self.any_hold() else {
            return self.order().await;
        };
        let key = self.key();
        let held = if self.client.chance(100) {
            lines(&mut self.client.rng, &self.shop)
        } else {
            held
        };
        let ask = self.wish(&key, Some((id, held)));
        self.take(&key, ask).await;
    }

    /// Orders under an id that is in use.
    pub(super) async fn order_again(&mut self) {
        let Some(id) = self.any_order() else {
            return self.order().await;
        };
        let key = self.key();
        let ask = Ask {
            id,
            ..self.wish(&key, None)
        };
        self.take(&key, ask).await;
    }

    pub(super) fn any_order(&mut self) -> Option<OrderId> {
        let count = self.orders.len();
        let index = count.checked_sub(1)?;
        let index = self.client.rng.usize(0..=index);
        self.orders.get(index).cloned()
    }

    /// Calls an order off.
    pub(super) async fn call_off(&mut self) {
        let Some(id) = self.any_order() else {
            return self.order().await;
        };
        let key = self.key();
        let reason = Some("another colour".to_owned());
        let who = if self.client.rng.bool() {
            self.who.clone()
        } else {
            Who::Shop
        };
        let mut asked = request(&who, Some(&key), Command::CancelOrder { id, reason });
        if self.client.chance(50) {
            asked.request.expected = Some(self.client.rng.u64(1..=9));
        }
        self.ask(asked).await;
    }

    /// Calls off an order that nobody placed, and then sometimes places it.
    pub(super) async fn call_off_before(&mut self) {
        let key = self.key();
        let ask = self.wish(&key, None);
        let id = ask.id.clone();
        let who = match self.client.rng.u8(0..3) {
            0 => self.who.clone(),
            _ => Who::Shop,
        };
        let cancel = Command::CancelOrder { id, reason: None };
        let first = format!("{key}-off");
        self.ask(request(&who, Some(&first), cancel)).await;
        if self.client.rng.bool() {
            self.take(&key, ask).await;
        }
    }

    /// The shop gives money back: some of it, all of it, or more than there is.
    pub(super) async fn ask_back(&mut self) {
        let Some(id) = self.any_order() else {
            return self.order().await;
        };
        let key = self.key();
        let rng = &mut self.client.rng;
        let amount = match rng.u8(0..6) {
            0..2 => None,
            2..5 => Some(euros(rng.i64(1..=PRICE))),
            _ => Some(euros(rng.i64(1..=9 * PRICE))),
        };
        let refund = match rng.u8(0..8) {
            0 => "same".to_owned(),
            _ => format!("r-{key}"),
        };
        let command = Command::RefundOrder {
            id,
            refund: RefundId::new(&refund).expect("a well-formed id"),
            amount,
            reason: Some("it is broken".to_owned()),
        };
        self.ask(request(&Who::Shop, Some(&key), command)).await;
    }

    /// Sends something back.
    pub(super) async fn send_back(&mut self) {
        let Some(id) = self.any_order() else {
            return self.order().await;
        };
        let key = self.key();
        let (sku, _) = self.shop.any_place(&mut self.client.rng);
        let quantity = crate::workload::quantity(self.client.rng.u64(1..=2));
        let lines = vec![ReturnLine { sku, quantity }];
        let restock = self.client.rng.bool();
        let command = Command::ReturnOrder { id, lines, restock };
        self.ask(request(&Who::Staff, Some(&key), command)).await;
    }

    /// Sends a request a second time a little later, and waits for nothing.
    pub(super) fn doubled(&mut self, asked: crate::workload::Asked) {
        let mut hand = self.client.clone();
        hand.rng = self.client.rng.fork();
        let world = std::sync::Arc::clone(&hand.world);
        world.spawn(async move {
            hand.pause(0, 900).await;
            drop(hand.ask(&asked, Patience::Takes).await);
        });
    }
}

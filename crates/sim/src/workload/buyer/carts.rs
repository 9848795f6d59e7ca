//! Buyers with carts.
//!
//! They begin carts under their own ids and under ids in use, fill them, change their minds, let
//! them lie until the holds lapse, release or order a line's hold by hand, look into another's
//! cart, and check out: once, twice, too late, under an order's id that is taken.

use super::Buyer;
use crate::workload::{Who, quantity, request};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_rules::cart::Set;
use evenkeel_rules::hold::Wanted;
use evenkeel_rules::ids::{CartId, CustomerId, HoldId, LocationId, OrderId};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::time::Millis;

impl Buyer {
    /// One of the carts, preferring the last ones.
    fn any_cart(&mut self) -> Option<CartId> {
        let count = self.carts.len();
        let back = self.client.rng.usize(1..=2).min(count);
        self.carts.get(count.checked_sub(back.max(1))?).cloned()
    }

    /// Begins a cart and puts a few things into it.
    pub(super) async fn begin_cart(&mut self) {
        let key = self.key();
        let mut id = CartId::new(&format!("k-{key}")).expect("a well-formed id");
        if self.client.chance(80)
            && let Some(other) = self.any_cart()
        {
            id = other;
        }
        let who = match self.client.rng.u8(0..8) {
            0 => Who::Shop,
            _ => self.who.clone(),
        };
        let customer = self.customer.clone();
        let command = |id: CartId, customer: CustomerId| Command::BeginCart { id, customer };
        let mut asked = request(&who, Some(&key), command(id.clone(), customer.clone()));
        if self.client.chance(200) {
            // A made id does not enter the fingerprint.
            let made = asked.request.key.as_ref().map(Key::made_cart_id);
            id = made.expect("the request has a key");
            asked.request.command = command(id.clone(), customer);
        }
        self.carts.push(id);
        self.ask(asked).await;
        for _ in 0..self.client.rng.u32(0..=3) {
            self.set_line().await;
        }
    }

    /// Sets a line of a cart, or takes it out; now and then one of another's.
    pub(super) async fn set_line(&mut self) {
        let Some(id) = self.any_cart() else {
            return self.order().await;
        };
        let rng = &mut self.client.rng;
        let (sku, _) = self.shop.any_place(rng);
        let units = Quantity::new([0, 1, 1, 1, 2, 3][rng.usize(0..6)]).ok();
        let line = Set {
            sku: sku.clone(),
            quantity: units,
            ttl: Millis([500, 3_000, 20_000][rng.usize(0..3)]),
        };
        let who = match rng.u8(0..16) {
            0 => Who::Shop,
            1 => {
                let other = CustomerId::new(&format!("c-{}", rng.u8(0..8)));
                Who::Buyer(other.expect("a well-formed id"))
            }
            _ => self.who.clone(),
        };
        // A PUT needs no key.
        let keyed = rng.bool();
        let key = keyed.then(|| self.key());
        let command = Command::SetLine {
            id: id.clone(),
            line,
        };
        let mut asked = request(&who, key.as_deref(), command);
        if self.client.chance(50) {
            asked.request.expected = Some(self.client.rng.u64(1..=6));
        }
        let set = self.ask(asked).await.is_some();
        if set && let Some(units) = units {
            let line = Wanted {
                sku: sku.clone(),
                location: LocationId::main(),
                quantity: quantity(units.get()),
            };
            self.mine.push((HoldId::of_cart(&id, &sku), vec![line]));
        }
    }

    /// Checks a cart out, sometimes twice at once, or for an order that is there.
    pub(super) async fn check_out(&mut self) {
        let Some(id) = self.any_cart() else {
            return self.begin_cart().await;
        };
        let key = self.key();
        let mut order = OrderId::new(&format!("o-{key}")).expect("a well-formed id");
        if self.client.chance(50)
            && let Some(taken) = self.any_order()
        {
            order = taken;
        }
        let confirming = Millis([400, 2_000, 8_000, 60_000][self.client.rng.usize(0..4)]);
        let command = Command::CheckOut {
            id,
            order: order.clone(),
            method: "card".to_owned(),
            confirming,
            private: r#"{"token":"tok_ok"}"#.to_owned(),
        };
        let asked = request(&self.who, Some(&key), command);
        self.orders.push(order);
        if self.client.chance(100) {
            self.doubled(asked.clone());
        }
        self.ask(asked).await;
    }

    /// Lets a cart lie for a while, and then goes on with it.
    pub(super) async fn linger(&mut self) {
        self.begin_cart().await;
        self.client.pause(300, 3_500).await;
        if self.client.rng.bool() {
            self.set_line().await;
        }
        self.check_out().await;
    }
}

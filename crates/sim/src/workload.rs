//! What is asked of the simulated world: staff who stock and price, an administrator who makes and
//! revokes tokens, and buyers who want more than there is.
//!
//! Buyers place, confirm, release, extend, abandon, come late, click twice, ask for old keys again,
//! use a key for something else and an id under another key. Every one of them asks until it has
//! its answer. Which of them does what, and when, follows from the seed.

use crate::client::{Client, Patience};
use evenkeel_engine::Request;
use evenkeel_engine::commit::{Command, Key};
use evenkeel_rules::hold::{self, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::{Terms, Window};
use evenkeel_rules::time::{LogTime, Millis};

mod buyer;
mod desk;
mod staff;
mod subscriptions;
mod trips;
pub(crate) use buyer::buy;
pub(crate) use desk::{decide_all, keep_desk};
pub(crate) use staff::{administer, keep_stock, open_shop};
pub(crate) use subscriptions::{keep_subscriptions, settle_subscriptions};
pub(crate) use trips::travel;

/// What there is to buy.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) skus: Vec<SkuId>,
    pub(crate) locations: Vec<LocationId>,
    /// Whether SKUs say how much one customer may have.
    pub(crate) limits: bool,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    Staff,
    Shop,
    Admin,
    Buyer(CustomerId),
}

impl Shop {
    pub(crate) fn new(rng: &mut fastrand::Rng) -> Self {
        let skus = ["lamp", "chair", "Lamp"];
        let locations = ["main", "north"];
        let (skus, locations) = (
            &skus[..[1, 1, 2, 2, 3][rng.usize(0..5)]],
            &locations[..[1, 1, 2][rng.usize(0..3)]],
        );
        // Drawn beside the others, so that shops without limits are what they always were.
        let limits = rng.clone().u8(0..3) == 0;
        let sku = |id: &&str| SkuId::new(id).expect("a well-formed id");
        let location = |id: &&str| LocationId::new(id).expect("a well-formed id");
        Self {
            skus: skus.iter().map(sku).collect(),
            locations: locations.iter().map(location).collect(),
            limits,
        }
    }

    /// What one customer may have of something, drawn beside the others.
    pub(crate) fn limit(&self, rng: &fastrand::Rng) -> Option<Quantity> {
        let mut rng = rng.clone();
        (self.limits && rng.u8(0..4) > 0).then(|| quantity(rng.u64(2..=9)))
    }

    pub(crate) fn any_place(&self, rng: &mut fastrand::Rng) -> (SkuId, LocationId) {
        let sku = &self.skus[rng.usize(0..self.skus.len())];
        let location = &self.locations[rng.usize(0..self.locations.len())];
        (sku.clone(), location.clone())
    }
}

pub(crate) fn quantity(units: u64) -> Quantity {
    Quantity::new(units).expect("a small positive number")
}

/// A request, and the key as its caller spells it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) key: Option<String>,
}

/// A request with a key, or without one.
pub(crate) fn request(who: &Who, key: Option<&str>, command: Command) -> Asked {
    let (actor, owner) = match who {
        Who::Staff => ("staff", None),
        Who::Shop => ("shop", None),
        Who::Admin => ("admin", None),
        Who::Buyer(customer) => ("buyer", Some(customer.clone())),
    };
    let intent = format!("{command:?}");
    let request = Request {
        key: key.map(|key| Key::new(owner.as_ref(), key, &[intent.as_bytes()])),
        command,
        actor: TokenId::new(actor).expect("a well-formed id"),
        owner,
        expected: None,
        deadline: None,
    };
    Asked {
        request,
        key: key.map(str::to_owned),
    }
}

/// A catalogue entry without limits.
pub(crate) fn terms(sku: &SkuId) -> Terms {
    Terms {
        sku: sku.clone(),
        name: "Something to buy".to_owned(),
        price: Money::price(1_999, Currency::new("EUR").expect("the euro is listed"))
            .expect("a price is at least zero"),
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    }
}

/// A sale window around a moment.
fn window(rng: &mut fastrand::Rng, now: LogTime) -> Window {
    let at = |micros: i64| LogTime::from_micros(now.micros() + micros);
    let opens = rng.bool().then(|| at(rng.i64(-2_000_000..3_000_000)));
    let closes = rng.bool().then(|| at(rng.i64(1_000_000..9_000_000)));
    Window {
        opens_at: opens,
        closes_at: closes,
    }
}

/// One to three lines; now and then two of them for one SKU.
fn lines(rng: &mut fastrand::Rng, shop: &Shop) -> Vec<Wanted> {
    let count = [1, 1, 1, 2, 3][rng.usize(0..5)];
    let line = |rng: &mut fastrand::Rng| {
        let (sku, location) = shop.any_place(rng);
        Wanted {
            sku,
            location,
            quantity: quantity([1, 1, 1, 2, 3][rng.usize(0..5)]),
        }
    };
    let lines: Vec<Wanted> = (0..count).map(|_| line(rng)).collect();
    if rng.u8(..) < 200 {
        return hold::sum(&lines).expect("a few units do not overflow");
    }
    lines
}

/// A place, whose id is the client's or made from its key.
fn place(rng: &mut fastrand::Rng, shop: &Shop, who: (&Who, &CustomerId), key: &str) -> Asked {
    let lines = lines(rng, shop);
    let chosen = HoldId::new(&format!("h-{key}")).expect("a well-formed id");
    let longest = [800, 3_000, 9_000][rng.usize(0..3)];
    let ttl = Millis(rng.u64(200..=longest));
    let command = |id: &HoldId| {
        let (id, customer) = (id.clone(), who.1.clone());
        let lines = lines.clone();
        Command::Place(hold::Place {
            id,
            customer,
            lines,
            ttl,
        })
    };
    let mut asked = request(who.0, Some(key), command(&chosen));
    if rng.bool() {
        // A made id does not enter the fingerprint.
        let made = asked.request.key.as_ref().map(Key::made_hold_id);
        asked.request.command = command(&made.expect("the request has a key"));
    }
    asked
}

impl Client {
    /// Sends a request until it is answered, perhaps with a second click.
    pub(crate) async fn settle(
        &mut self,
        request: &Asked,
        patience: Patience,
    ) -> Option<crate::auditor::Answer> {
        if self.chance(60) && request.key.is_some() && self.world.dice(|dice| dice.is_on()) {
            self.click_twice(request);
        }
        self.ask(request, patience).await
    }
}

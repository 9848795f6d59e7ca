//! What events carry beside the state rows' own types, and reading effects back from the log.
//!
//! Each event carries what its aggregate's body shows after it, so one log row renders the answer
//! of a replay as it was the first time; no answer is stored.

use crate::callback::{Callback, State};
use crate::chain::{Entry, EntryEvent};
use crate::commit::Effect;
use crate::port::{HoldRow, Place, Row, SkuRow, SubscriptionRow, TokenRow};
use evenkeel_rules::cart::Cart;
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::hold::Hold;
use evenkeel_rules::ids::{CustomerId, LocationId, Reference, SkuId};
use evenkeel_rules::order::Tries;
use evenkeel_rules::sku::Sku;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::subscription::{Progress, Subscription};
use evenkeel_rules::token::Token;
use serde::{Deserialize, Serialize};

/// The data of `private.erased`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedData {
    /// Whose.
    pub customer: CustomerId,
    /// How many texts.
    pub texts: usize,
}

/// The data of `stock.received`, `stock.adjusted` and `stock.transferred`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockData {
    /// Of which SKU.
    pub sku: SkuId,
    /// Which of its locations changed.
    pub location: LocationId,
    /// Which other one they went to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<LocationId>,
    /// A purchase order or the like.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<Reference>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// All balances of the SKU after it.
    #[cfg_attr(feature = "next-format", serde(rename = "balances"))]
    pub stock: Vec<StockAt>,
}

/// The balances of one location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockAt {
    /// Where.
    pub location: LocationId,
    /// In the order of `Account::ALL`.
    pub accounts: [i64; 7],
}

impl StockData {
    /// What a receive or an adjust at a place leaves.
    #[must_use]
    pub fn new(
        at: &Place,
        reference: Option<&Reference>,
        reason: Option<&str>,
        stock: &[(LocationId, Balances)],
    ) -> Self {
        let line = |(location, balances): &(LocationId, Balances)| StockAt {
            location: location.clone(),
            accounts: balances.raw(),
        };
        Self {
            sku: at.0.clone(),
            location: at.1.clone(),
            to: None,
            reference: reference.cloned(),
            reason: reason.map(str::to_owned),
            stock: stock.iter().map(line).collect(),
        }
    }
}

/// The effect that a log row's command left, for rendering a replay.
///
/// # Errors
/// What is wrong with the row, in words.
pub fn effect(entry: &Entry) -> Result<Effect, String> {
    // A place that pulled ends other holds first: its own event is the last. What came of a
    // callback stands behind it.
    let first = entry.events.first();
    let kept = first.filter(|event| event.kind == Kind::CallbackStored);
    let event = kept.or(entry.events.last()).ok_or("the row has no event")?;
    let (last, version) = (entry.position, event.version);
    match event.kind {
        Kind::Held
        | Kind::Extended
        | Kind::Confirming
        | Kind::Confirmed
        | Kind::Released
        | Kind::Expired => {
            let hold: Hold = event.data()?;
            let created = if event.previous == 0 { last } else { 0 };
            Ok(Effect::Hold(HoldRow {
                created,
                last,
                version,
                hold,
            }))
        }
        Kind::SkuCreated | Kind::SkuUpdated => {
            let sku: Sku = event.data()?;
            let created = event.kind == Kind::SkuCreated;
            let row = SkuRow {
                created: 0,
                last,
                version,
                sku,
                stock_last: 0,
                stock_version: 0,
                locations: Vec::new(),
            };
            Ok(Effect::Sku { row, created })
        }
        Kind::StockReceived | Kind::StockAdjusted | Kind::StockTransferred => {
            let data: StockData = event.data()?;
            let line = |at: StockAt| (at.location, Balances::from_raw(at.accounts));
            Ok(Effect::Stock {
                sku: data.sku,
                stock: data.stock.into_iter().map(line).collect(),
            })
        }
        Kind::CartUpdated | Kind::CallbackStored => of_life(event, last),
        _ if event.kind.aggregate() == Aggregate::Subscription => of_life(event, last),
        Kind::PrivateErased => {
            let data: ErasedData = event.data()?;
            Ok(Effect::Erased(data.texts))
        }
        Kind::TokenCreated | Kind::TokenRevoked => {
            let token: Token = event.data()?;
            Ok(Effect::Token(TokenRow {
                created: 0,
                last,
                version,
                token,
                secret: [0; 32],
            }))
        }
        other => Err(format!("{} is not the last of a row", other.name())),
    }
}

/// The row of a cart, a callback or a subscription that its event shows whole.
fn of_life(event: &EntryEvent, last: u64) -> Result<Effect, String> {
    let version = event.version;
    let created = if event.previous == 0 { last } else { 0 };
    match event.kind {
        Kind::CartUpdated => {
            let body: Cart = event.data()?;
            let row = live((created, last, version), body, false);
            Ok(Effect::Cart(Box::new(row)))
        }
        Kind::CallbackStored => {
            let body: Callback = event.data()?;
            let flagged = body.state == State::Quarantined;
            let row = Box::new(live((last, last, version), body, flagged));
            let parked = false;
            Ok(Effect::Callback { row, parked })
        }
        _ => {
            let body: Subscription = event.data()?;
            let progress = Progress::at(body.set_to);
            Ok(Effect::Subscription(Box::new(SubscriptionRow {
                created,
                last,
                version,
                body,
                progress,
            })))
        }
    }
}

/// A row with a life of its own, that nothing was tried for.
fn live<T>((created, last, version): (u64, u64, u64), body: T, flagged: bool) -> Row<T> {
    Row {
        created,
        last,
        version,
        body,
        tries: Tries::default(),
        due: None,
        flagged,
    }
}

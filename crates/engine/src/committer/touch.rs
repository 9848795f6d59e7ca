//! What a batch looks at, from what its commits want and what is remembered.

use super::Committer;
use crate::commit::Command;
use crate::port::{Map, Place, Touch};
use crate::queue::Waiting;
use evenkeel_rules::ids::SkuId;
use evenkeel_rules::time::LogTime;

impl Committer {
    /// Everything that the batch wants to look at; what the cache holds is read only if it lies.
    pub(super) fn touch(&self, part: &[Waiting], clock: LogTime) -> Touch {
        let mut touch = Touch {
            exact_at: self.ledger.exact_at(),
            ..Touch::default()
        };
        let mut skus: Map<SkuId, ()> = Map::default();
        let mut places: Map<Place, ()> = Map::default();
        let mut short = false;
        for waiting in part {
            let wants = &waiting.commit.touch;
            if !wants.unseen {
                let key = waiting.commit.key.iter();
                touch.keys.extend(key.map(|key| key.name));
                touch.holds.extend(wants.holds.iter().cloned());
                touch.orders.extend(wants.orders.iter().cloned());
            }
            touch.keys.extend(&wants.keys);
            touch.tokens.extend(wants.tokens.iter().cloned());
            touch.sagas.extend(wants.sagas.iter().cloned());
            touch.carts.extend(wants.carts.iter().cloned());
            touch.callbacks.extend(&wants.callbacks);
            touch.shares.extend(wants.shares.iter().cloned());
            let subscriptions = wants.subscriptions.iter().cloned();
            touch.subscriptions.extend(subscriptions);
            touch.front = touch.front.max(wants.front);
            touch.whole_front |= wants.whole_front;
            for sku in &wants.rows.skus {
                if !skus.contains_key(sku) {
                    skus.insert(sku.clone(), ());
                }
            }
            for place in &wants.rows.balances {
                if !places.contains_key(place) {
                    places.insert(place.clone(), ());
                }
            }
            let lines = match &waiting.commit.command {
                Command::Place(place) => Some(&place.lines),
                Command::TakeOrder { ask, .. } => Some(&ask.lines),
                _ => None,
            };
            if let Some(lines) = lines {
                let order = &self.parts.allocation;
                short |= self.ledger.lacks(lines, (&wants.rows.balances, order));
            }
        }
        if short || touch.front.is_some() {
            // A commit that was widened asked for the front of an earlier moment.
            touch.front = touch.front.max(Some(clock));
        }
        let (cached, rows): (Vec<SkuId>, _) = skus
            .into_keys()
            .partition(|sku| self.ledger.skus.contains_key(sku));
        if cached.iter().any(|sku| self.ledger.is_limited(sku)) {
            let commands = part.iter().map(|waiting| &waiting.commit.command);
            let shares = commands.flat_map(|command| self.ledger.shares_of(command));
            touch.shares.extend(shares);
        }
        (touch.cached.skus, touch.rows.skus) = (cached, rows);
        let held = |place: &Place| self.ledger.balances.contains_key(place);
        let (cached, rows) = places.into_keys().partition(held);
        (touch.cached.balances, touch.rows.balances) = (cached, rows);
        touch
    }
}

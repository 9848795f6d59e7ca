//! What the rows in memory say: look-ups, lists and the view of a batch.

use super::Tables;
use crate::commit::{Name, Rejection};
use crate::port::{
    CartRow, DueRow, HoldRow, KeyRow, Listed, Mark, OrderRow, PrivateId, PrivateRow, SagaRow,
    Share, SkuRow, Touch, View,
};
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::{CartId, CustomerId, HoldId, OrderId, SagaId};
use evenkeel_rules::time::LogTime;
use std::ops::Bound;

impl Tables {
    pub(super) fn key(&self, name: &Name) -> Option<KeyRow> {
        if let Some(write) = self.names.get(name) {
            let mark = Mark::Position(write.position);
            return Some(KeyRow {
                mark,
                fingerprint: write.fingerprint,
            });
        }
        let number = *self.refused.get(name)?;
        let row = self.refusals.iter().find(|row| row.number == number)?;
        let said: Rejection = serde_json::from_str(&row.text).ok()?;
        Some(KeyRow {
            mark: Mark::Refusal(number, said),
            fingerprint: row.fingerprint,
        })
    }

    pub(super) fn hold(&self, id: &HoldId) -> Option<HoldRow> {
        self.holds.get(self.hold_ids.get(id)?).cloned()
    }

    pub(super) fn due(&self, until: LogTime, limit: usize) -> impl Iterator<Item = &HoldRow> {
        let timers = self.timers.range(..=(until, u64::MAX));
        let rows = timers.filter_map(|(due, created)| {
            let row = self.holds.get(created)?;
            (row.hold.state == State::Held && row.hold.deadline == *due).then_some(row)
        });
        rows.take(limit)
    }

    pub(super) fn order(&self, id: &OrderId) -> Option<OrderRow> {
        self.orders.get(self.order_ids.get(id)?).cloned()
    }

    pub(super) fn cart(&self, id: &CartId) -> Option<CartRow> {
        self.carts.get(self.cart_ids.get(id)?).cloned()
    }

    pub(super) fn saga(&self, id: &SagaId) -> Option<SagaRow> {
        self.sagas.get(self.saga_ids.get(id)?).cloned()
    }

    pub(super) fn due_rows(&self, until: LogTime, limit: usize) -> Vec<DueRow> {
        let dues = self.dues.range(..=(until, u64::MAX));
        let rows = dues.filter_map(|(due, created)| {
            let order = self.orders.get(created).filter(|it| it.due == Some(*due));
            let saga = self.sagas.get(created).filter(|it| it.due == Some(*due));
            let callback = self.callbacks.get(created);
            let callback = callback.filter(|it| it.due == Some(*due));
            order
                .map(|row| DueRow::Order(row.clone()))
                .or_else(|| saga.map(|row| DueRow::Saga(row.clone())))
                .or_else(|| Some(DueRow::Callback(callback?.clone())))
        });
        rows.take(limit).collect()
    }

    pub(super) fn flagged(&self, before: u64, limit: usize) -> Vec<DueRow> {
        let orders = self.orders.range(..before).filter(|(_, row)| row.flagged);
        let orders = orders.map(|(created, row)| (*created, DueRow::Order(row.clone())));
        let callbacks = self.callbacks.range(..before);
        let callbacks = callbacks.filter(|(_, row)| row.flagged);
        let callbacks = callbacks.map(|(created, row)| (*created, DueRow::Callback(row.clone())));
        let sagas = self.sagas.range(..before).filter(|(_, row)| row.flagged);
        let sagas = sagas.map(|(created, row)| (*created, DueRow::Saga(row.clone())));
        let mut rows: Vec<_> = orders.chain(sagas).chain(callbacks).collect();
        rows.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
        rows.into_iter().take(limit).map(|(_, row)| row).collect()
    }

    pub(super) fn private_of(
        &self,
        customer: &CustomerId,
        from: PrivateId,
        limit: usize,
    ) -> Vec<PrivateRow> {
        let theirs =
            |row: &&PrivateRow| row.customer.as_ref() == Some(customer) && row.erased_at.is_none();
        let rows = self.private.range(from..).map(|(_, row)| row);
        rows.filter(theirs).take(limit).cloned().collect()
    }

    pub(super) fn shares_after(&self, after: Option<&Share>, limit: usize) -> Vec<(Share, u64)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.shares.range::<Share, _>((from, Bound::Unbounded));
        rows.take(limit)
            .map(|(share, units)| (share.clone(), *units))
            .collect()
    }

    pub(super) fn listed(&self, row: &SkuRow) -> Listed {
        let stock = row.locations.iter().map(|location| {
            let place = (row.sku.terms.sku.clone(), location.clone());
            (
                location.clone(),
                self.balances.get(&place).copied().unwrap_or_default(),
            )
        });
        (row.clone(), stock.collect())
    }

    pub(super) fn view(&self, touch: &Touch) -> View {
        let mut view = View::new(self.head.clone());
        view.keys
            .extend(touch.keys.iter().map(|name| (*name, self.key(name))));
        view.holds
            .extend(touch.holds.iter().map(|id| (id.clone(), self.hold(id))));
        let tokens = touch.tokens.iter();
        view.tokens
            .extend(tokens.map(|id| (id.clone(), self.tokens.get(id).cloned())));
        view.orders
            .extend(touch.orders.iter().map(|id| (id.clone(), self.order(id))));
        view.carts
            .extend(touch.carts.iter().map(|id| (id.clone(), self.cart(id))));
        view.sagas
            .extend(touch.sagas.iter().map(|id| (id.clone(), self.saga(id))));
        let callbacks = touch.callbacks.iter();
        view.callbacks
            .extend(callbacks.map(|at| (*at, self.callbacks.get(at).cloned())));
        let subscriptions = touch.subscriptions.iter();
        view.subscriptions
            .extend(subscriptions.map(|id| (id.clone(), self.subscriptions.get(id).cloned())));
        let shares = touch.shares.iter();
        view.shares
            .extend(shares.map(|at| (at.clone(), self.shares.get(at).copied())));
        let moved = !view.confirms(touch.exact_at);
        for rows in [Some(&touch.rows), moved.then_some(&touch.cached)]
            .into_iter()
            .flatten()
        {
            let skus = rows.skus.iter();
            view.skus
                .extend(skus.map(|id| (id.clone(), self.skus.get(id).cloned())));
            let places = rows.balances.iter();
            view.balances
                .extend(places.map(|at| (at.clone(), self.balances.get(at).copied())));
        }
        view.front = touch.front.map(|until| {
            self.due(until.max(self.head.time), touch.front_max())
                .cloned()
                .collect()
        });
        view
    }
}

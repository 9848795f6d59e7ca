//! The store's reads: each one snapshot, with the position of that snapshot's head.

use super::life::{self, Live};
use super::names::Upto;
use super::rows::{self, Sixteen, sql};
use super::session::Asked;
use super::{PostgresStore, ROWS_MAX, lock, upkeep, view};
use crate::callback::Callback;
use crate::commit::{Name, cart_name, hold_name, order_name, saga_name};
use crate::port::{
    At, BatchId, CallbackRow, CartRow, DueRow, Fault, Head, HoldRow, KeyRow, Listed, Locked,
    LogRow, Map, OrderRow, Place, PrivateId, PrivateRow, RefusalRow, Row as LifeRow, SagaRow,
    SealRow, SegmentRow, Share, Store, SubscriptionRow, TokenRow, Touch, View,
};
use async_trait::async_trait;
use evenkeel_rules::cart::Cart;
use evenkeel_rules::ids::{CartId, CustomerId, HoldId, OrderId, SagaId, SkuId, SubscriptionId};
use evenkeel_rules::order::Order;
use evenkeel_rules::saga::journey::Journey;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use std::sync::Arc;
use tokio_postgres::Row;

/// The most rows of a read that asked for so many.
fn most(limit: usize) -> i64 {
    sql(limit.min(ROWS_MAX) as u64)
}

/// Reads every row of an answer.
fn each<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    rows.iter().map(read).collect()
}

impl PostgresStore {
    /// The rows of one statement.
    async fn list<T>(
        &self,
        asked: Asked<'static>,
        read: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<At<Vec<T>>, Fault> {
        let At { position, rows } = self.inner.pool.read([asked]).await?;
        let rows = each(rows.first().map_or(&[], Vec::as_slice), read)?;
        Ok(At { position, rows })
    }

    /// The row of one statement, if there is one.
    async fn one<T>(
        &self,
        asked: Asked<'static>,
        read: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<At<Option<T>>, Fault> {
        let At { position, rows } = self.list(asked, read).await?;
        let rows = rows.into_iter().next();
        Ok(At { position, rows })
    }

    async fn named<T: Live>(&self, name: Name) -> Result<At<Option<LifeRow<T>>>, Fault> {
        let asked = Asked::new(view::life_named::<T>()).with(vec![Sixteen(name)]);
        self.one(asked, |row| {
            self.inner.names.found(name, rows::get(row, 1)?);
            view::row_named(row)
        })
        .await
    }

    async fn lived<T: Live>(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<LifeRow<T>>>, Fault> {
        let limit = limit.min(ROWS_MAX);
        self.list(life::list::<T>(before, limit), |row| life::read(row, 0))
            .await
    }

    async fn listed(&self, asked: [Asked<'static>; 2]) -> Result<At<Vec<Listed>>, Fault> {
        let At { position, rows } = self.inner.pool.read(asked).await?;
        let [skus, balances] = &rows[..] else {
            return Err(Fault::Corrupt("two answers were asked for".to_owned()));
        };
        let rows = rows::listed(skus.iter().map(rows::sku), balances)?;
        Ok(At { position, rows })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn lock(&self, touch: &Touch) -> Result<(Box<dyn Locked>, View), Fault> {
        let Some(writer) = &self.writer else {
            return Err(Fault::Unavailable(
                "the store was opened for reading".to_owned(),
            ));
        };
        let writer = Arc::clone(writer).lock_owned().await;
        let (lock, view) = lock::lock(Arc::clone(&self.inner), writer, touch).await?;
        Ok((Box::new(lock), view))
    }

    async fn resolve(&self, batch: BatchId) -> Result<bool, Fault> {
        self.inner.resolve(batch).await
    }

    async fn head(&self) -> Result<Head, Fault> {
        let rows = self.inner.pool.read([Asked::new(rows::HEAD)]).await?.rows;
        rows::head(rows.first().map_or(&[], Vec::as_slice))
    }

    async fn log(&self, from: u64, limit: usize) -> Result<At<Vec<LogRow>>, Fault> {
        const QUERY: &str = "SELECT position, hash, text FROM log WHERE position >= $1
            ORDER BY position LIMIT $2";
        let asked = Asked::new(QUERY).with(sql(from)).with(most(limit));
        self.list(asked, rows::log).await
    }

    async fn hold(&self, id: &HoldId) -> Result<At<Option<HoldRow>>, Fault> {
        let name = hold_name(id);
        let asked = Asked::new(view::holds_named()).with(vec![Sixteen(name)]);
        self.one(asked, |row| {
            self.inner.names.found(name, rows::get(row, 1)?);
            view::hold_named(row)
        })
        .await
    }

    async fn holds(&self, before: u64, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        let query = format!(
            "SELECT {} FROM hold t WHERE created < $1 ORDER BY created DESC LIMIT $2",
            rows::HOLD
        );
        let asked = Asked::new(query).with(sql(before)).with(most(limit));
        self.list(asked, |row| rows::hold(row, 0)).await
    }

    async fn sku(&self, id: &SkuId) -> Result<At<Option<Listed>>, Fault> {
        let skus = format!("SELECT {} FROM sku t WHERE id = $1", rows::SKU);
        let balances = format!("SELECT {} FROM balance t WHERE sku = $1", rows::BALANCE);
        let asked = [skus, balances].map(|query| Asked::new(query).with(id.as_str().to_owned()));
        let At { position, rows } = self.listed(asked).await?;
        let rows = rows.into_iter().next();
        Ok(At { position, rows })
    }

    async fn skus(&self, before: u64, limit: usize) -> Result<At<Vec<Listed>>, Fault> {
        let page = "FROM sku t WHERE created < $1 ORDER BY created DESC LIMIT $2";
        let skus = format!("SELECT {} {page}", rows::SKU);
        let balances = format!(
            "SELECT {} FROM balance t WHERE sku IN (SELECT id {page})",
            rows::BALANCE
        );
        let asked = [skus, balances];
        let asked = asked.map(|query| Asked::new(query).with(sql(before)).with(most(limit)));
        self.listed(asked).await
    }

    async fn tokens(&self, before: u64, limit: usize) -> Result<At<Vec<TokenRow>>, Fault> {
        let query = format!(
            "SELECT {} FROM token t WHERE created < $1 ORDER BY created DESC LIMIT $2",
            rows::TOKEN
        );
        let asked = Asked::new(query).with(sql(before)).with(most(limit));
        self.list(asked, rows::token).await
    }

    async fn token(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>, Fault> {
        let query = format!("SELECT {} FROM token t WHERE secret = $1", rows::TOKEN);
        let asked = Asked::new(query).with(secret.to_vec());
        Ok(self.one(asked, rows::token).await?.rows)
    }

    async fn due(&self, until: LogTime, limit: usize) -> Result<At<Vec<HoldRow>>, Fault> {
        let query = format!(
            "SELECT {} FROM hold t
             WHERE due <= greatest($1::bigint, (SELECT time FROM head WHERE id = 1))
             ORDER BY due, created LIMIT $2",
            rows::HOLD
        );
        let asked = Asked::new(query).with(until.micros()).with(most(limit));
        self.list(asked, |row| rows::hold(row, 0)).await
    }

    async fn order(&self, id: &OrderId) -> Result<At<Option<OrderRow>>, Fault> {
        self.named::<Order>(order_name(id)).await
    }

    async fn orders(&self, before: u64, limit: usize) -> Result<At<Vec<OrderRow>>, Fault> {
        self.lived::<Order>(before, limit).await
    }

    async fn saga(&self, id: &SagaId) -> Result<At<Option<SagaRow>>, Fault> {
        self.named::<Journey>(saga_name(id)).await
    }

    async fn sagas(&self, before: u64, limit: usize) -> Result<At<Vec<SagaRow>>, Fault> {
        self.lived::<Journey>(before, limit).await
    }

    async fn cart(&self, id: &CartId) -> Result<At<Option<CartRow>>, Fault> {
        self.named::<Cart>(cart_name(id)).await
    }

    async fn carts(&self, before: u64, limit: usize) -> Result<At<Vec<CartRow>>, Fault> {
        self.lived::<Cart>(before, limit).await
    }

    async fn callback(&self, created: u64) -> Result<At<Option<CallbackRow>>, Fault> {
        self.one(life::at::<Callback>(created), |row| life::read(row, 0))
            .await
    }

    async fn callbacks(&self, before: u64, limit: usize) -> Result<At<Vec<CallbackRow>>, Fault> {
        self.lived::<Callback>(before, limit).await
    }

    async fn flagged(&self, before: u64, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        let limit = limit.min(ROWS_MAX);
        let asked = [
            life::flagged::<Order>(before, limit),
            life::flagged::<Journey>(before, limit),
            life::flagged::<Callback>(before, limit),
        ];
        let At { position, rows } = self.inner.pool.read(asked).await?;
        let mut rows = life::mixed(&rows)?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.created()));
        rows.truncate(limit);
        Ok(At { position, rows })
    }

    async fn due_rows(&self, until: LogTime, limit: usize) -> Result<At<Vec<DueRow>>, Fault> {
        let limit = limit.min(ROWS_MAX);
        let asked = [
            life::due::<Order>(until, limit),
            life::due::<Journey>(until, limit),
            life::due::<Callback>(until, limit),
        ];
        let At { position, rows } = self.inner.pool.read(asked).await?;
        let mut rows = life::mixed(&rows)?;
        rows.sort_by_key(|row| (life::due_of(row), row.created()));
        rows.truncate(limit);
        Ok(At { position, rows })
    }

    async fn subscription(
        &self,
        id: &SubscriptionId,
    ) -> Result<At<Option<SubscriptionRow>>, Fault> {
        let columns = rows::SUBSCRIPTION;
        let query = format!("SELECT {columns} FROM subscription t WHERE id = $1");
        let asked = Asked::new(query).with(id.as_str().to_owned());
        self.one(asked, rows::subscription).await
    }

    async fn subscriptions(
        &self,
        before: u64,
        limit: usize,
    ) -> Result<At<Vec<SubscriptionRow>>, Fault> {
        let columns = rows::SUBSCRIPTION;
        let query = format!(
            "SELECT {columns} FROM subscription t WHERE created < $1
             ORDER BY created DESC LIMIT $2"
        );
        let asked = Asked::new(query).with(sql(before)).with(most(limit));
        self.list(asked, rows::subscription).await
    }

    async fn private(&self, id: PrivateId) -> Result<At<Option<PrivateRow>>, Fault> {
        const QUERY: &str = "SELECT position, part, customer, text, erased_at FROM private
            WHERE position = $1 AND part = $2";
        let asked = Asked::new(QUERY).with(sql(id.0)).with(i16::from(id.1));
        self.one(asked, rows::private).await
    }

    async fn private_of(
        &self,
        customer: &CustomerId,
        from: PrivateId,
        limit: usize,
    ) -> Result<At<Vec<PrivateRow>>, Fault> {
        const QUERY: &str = "SELECT position, part, customer, text, erased_at FROM private
            WHERE (position, part) >= ($1, $2) AND customer = $3 AND erased_at IS NULL
            ORDER BY position, part LIMIT $4";
        let asked = Asked::new(QUERY)
            .with(sql(from.0))
            .with(i16::from(from.1))
            .with(customer.as_str().to_owned())
            .with(most(limit));
        self.list(asked, rows::private).await
    }

    async fn names(&self, names: &[Name]) -> Result<At<Vec<Option<KeyRow>>>, Fault> {
        let wanted: Vec<Sixteen> = names.iter().copied().map(Sixteen).collect();
        let asked = Asked::new(rows::KEYS).with(wanted);
        let found = |row: &Row| {
            let (name, key) = rows::key(row)?;
            self.inner.names.found(name, rows::get(row, 1)?);
            Ok((name, key))
        };
        let At { position, rows } = self.list(asked, found).await?;
        let known: Map<Name, KeyRow> = rows.into_iter().collect();
        let rows = names.iter().map(|name| known.get(name).cloned()).collect();
        Ok(At { position, rows })
    }

    async fn refusals(&self, from: u64, limit: usize) -> Result<At<Vec<RefusalRow>>, Fault> {
        const QUERY: &str = "SELECT number, name, fingerprint, text FROM refusal
            WHERE number >= $1 ORDER BY number LIMIT $2";
        let asked = Asked::new(QUERY).with(sql(from)).with(most(limit));
        self.list(asked, rows::refusal).await
    }

    async fn shares(
        &self,
        after: Option<&Share>,
        limit: usize,
    ) -> Result<At<Vec<(Share, u64)>>, Fault> {
        const QUERY: &str = "SELECT sku, customer, units FROM share
            WHERE (sku, customer) > ($1, $2) ORDER BY sku, customer LIMIT $3";
        // Nothing sorts before the empty text, and no id is empty.
        let (sku, customer) = after.map_or(("", ""), |(sku, customer)| {
            (sku.as_str(), customer.as_str())
        });
        let (sku, customer) = (sku.to_owned(), customer.to_owned());
        let asked = Asked::new(QUERY).with(sku).with(customer).with(most(limit));
        self.list(asked, rows::share).await
    }

    async fn stray_balances(&self) -> Result<At<Vec<(Place, Balances)>>, Fault> {
        let query = format!(
            "SELECT {} FROM balance t LEFT JOIN sku s ON s.id = t.sku
             WHERE s.id IS NULL OR NOT (s.locations::jsonb ? t.location)
             ORDER BY t.sku, t.location",
            rows::BALANCE
        );
        self.list(Asked::new(query), rows::balance).await
    }

    async fn seals(&self, upto: u64, limit: usize) -> Result<At<Vec<SealRow>>, Fault> {
        let asked = Asked::new(upkeep::SEALS).with(sql(upto)).with(most(limit));
        self.list(asked, upkeep::seal).await
    }

    async fn segments(&self) -> Result<At<Vec<SegmentRow>>, Fault> {
        self.list(Asked::new(upkeep::SEGMENTS), upkeep::segment)
            .await
    }

    async fn reads_from(&self) -> Result<u64, Fault> {
        // A start reads names from their own table, never from the log.
        Ok(u64::MAX)
    }

    fn may_know(&self, name: &Name) -> bool {
        self.inner.names.may_know(name)
    }

    fn seems_new(&self, name: &Name) -> bool {
        self.inner.names.seems_new(name)
    }

    fn known_to(&self) -> u64 {
        self.inner.names.upto().position
    }

    async fn hear_names(&self, head: &Head) -> Result<(), Fault> {
        let upto = Upto {
            position: head.position,
            refusals: head.refusals,
        };
        if self.inner.names.upto().reaches(upto) {
            return Ok(());
        }
        self.inner.catch_up().await?;
        self.inner.keep_beside();
        Ok(())
    }
}

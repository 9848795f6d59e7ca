//! A store that can be damaged behind its back: the same on every adapter.

use super::shop::Shop;
use super::trade::Trade;
use async_trait::async_trait;
use evenkeel_engine::commit::Name;
use evenkeel_engine::lineage::Ended;
use evenkeel_engine::port::{
    CallbackRow, CartRow, Fault, HoldRow, LogRow, OrderRow, Share, SkuRow, Store, SubscriptionRow,
    TokenRow,
};
use evenkeel_engine::store::memory::{MemoryStore, Tables};
use evenkeel_engine::verify::{Inputs, Invariant, Kind, Outcome, Report, verify};
use evenkeel_rules::ids::{LocationId, SkuId, SubscriptionId};
use evenkeel_rules::lease::Leases;
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What can be done to a store's rows.
#[async_trait]
pub(crate) trait Site: Send {
    /// Every row of the log.
    fn log(&self) -> Vec<LogRow>;
    /// Replaces the whole log.
    fn set_log(&mut self, log: Vec<LogRow>);
    /// Position, hash and number of refusals of the head.
    fn head(&self) -> (u64, [u8; 32], u64);
    fn set_head(&mut self, position: u64, hash: [u8; 32]);
    fn set_leases(&mut self, leases: Leases);
    fn set_hold(&mut self, created: u64, row: Option<HoldRow>);
    fn hold(&self, created: u64) -> HoldRow;
    fn edit_sku(&mut self, id: &SkuId, edit: &dyn Fn(&mut SkuRow));
    fn edit_token(&mut self, edit: &dyn Fn(&mut TokenRow));
    fn set_balance(&mut self, sku: &SkuId, balances: Option<Balances>);
    fn balance(&self, sku: &SkuId) -> Balances;
    /// What a customer has of a SKU; nothing removes the row.
    fn set_share(&mut self, share: &Share, units: Option<u64>);
    fn remove_name(&mut self, name: Name);
    fn remove_refusal(&mut self, number: u64);
    fn edit_order(&mut self, created: u64, edit: &dyn Fn(&mut OrderRow));
    fn edit_callback(&mut self, created: u64, edit: &dyn Fn(&mut CallbackRow));
    fn edit_cart(&mut self, created: u64, edit: &dyn Fn(&mut CartRow));
    /// Removes an order's, a cart's or a callback's row.
    fn remove_life(&mut self, created: u64);
    /// Puts another row in a subscription's place, or none.
    fn edit_subscription(
        &mut self,
        id: &str,
        edit: &dyn Fn(SubscriptionRow) -> Option<SubscriptionRow>,
    );
    /// Changes a private text; nothing removes it.
    fn set_private(&mut self, position: u64, text: Option<&str>);
    /// Says of a private text that it was erased.
    fn erase_private(&mut self, position: u64, at: LogTime);
    /// The store, opened for reading.
    fn open(&self) -> Result<Arc<dyn Store>, Fault>;
}

pub(crate) struct Memory(pub(crate) MemoryStore);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(MemoryStore::new("main", [3; 16]))
    }

    /// As if what stands behind a position had been written since a backup was restored.
    pub(crate) fn restore_at(&mut self, last: u64) {
        self.edit(|tables| {
            let incarnation = tables.head.incarnation;
            tables.head.ended.push(Ended { incarnation, last });
            tables.head.incarnation += 1;
        });
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut Tables) -> T) -> T {
        self.0.edit(edit)
    }
}

#[async_trait]
impl Site for Memory {
    fn log(&self) -> Vec<LogRow> {
        self.0.tables().log
    }

    fn set_log(&mut self, log: Vec<LogRow>) {
        self.edit(|tables| tables.log = log);
    }

    fn head(&self) -> (u64, [u8; 32], u64) {
        let head = self.0.tables().head;
        (head.position, head.hash, head.refusals)
    }

    fn set_head(&mut self, position: u64, hash: [u8; 32]) {
        self.edit(|tables| (tables.head.position, tables.head.hash) = (position, hash));
    }

    fn set_leases(&mut self, leases: Leases) {
        self.edit(|tables| tables.head.leases = leases);
    }

    fn set_hold(&mut self, created: u64, row: Option<HoldRow>) {
        self.edit(|tables| match row {
            Some(row) => drop(tables.holds.insert(created, row)),
            None => drop(tables.holds.remove(&created)),
        });
    }

    fn hold(&self, created: u64) -> HoldRow {
        self.0
            .tables()
            .holds
            .remove(&created)
            .expect("the hold is there")
    }

    fn edit_sku(&mut self, id: &SkuId, edit: &dyn Fn(&mut SkuRow)) {
        self.edit(|tables| edit(tables.skus.get_mut(id).expect("the SKU is there")));
    }

    fn edit_token(&mut self, edit: &dyn Fn(&mut TokenRow)) {
        self.edit(|tables| edit(tables.tokens.values_mut().next().expect("a token is there")));
    }

    fn set_balance(&mut self, sku: &SkuId, balances: Option<Balances>) {
        let place = (sku.clone(), LocationId::main());
        self.edit(|tables| match balances {
            Some(balances) => tables.balances.insert(place, balances),
            None => tables.balances.remove(&place),
        });
    }

    fn balance(&self, sku: &SkuId) -> Balances {
        let place = (sku.clone(), LocationId::main());
        *self
            .0
            .tables()
            .balances
            .get(&place)
            .expect("the place has units")
    }

    fn set_share(&mut self, share: &Share, units: Option<u64>) {
        self.edit(|tables| match units {
            Some(units) => tables.shares.insert(share.clone(), units),
            None => tables.shares.remove(share),
        });
    }

    fn remove_name(&mut self, name: Name) {
        self.edit(|tables| {
            let key = tables.names.remove(&name).is_some();
            let refusal = tables.refused.remove(&name).is_some();
            assert!(key || refusal, "the name is there");
        });
    }

    fn remove_refusal(&mut self, number: u64) {
        self.edit(|tables| tables.refusals.retain(|row| row.number != number));
    }

    fn edit_order(&mut self, created: u64, edit: &dyn Fn(&mut OrderRow)) {
        self.edit(|tables| edit(tables.orders.get_mut(&created).expect("the order is there")));
    }

    fn edit_callback(&mut self, created: u64, edit: &dyn Fn(&mut CallbackRow)) {
        self.edit(|tables| {
            let row = tables.callbacks.get_mut(&created);
            edit(row.expect("the callback is there"));
        });
    }

    fn edit_cart(&mut self, created: u64, edit: &dyn Fn(&mut CartRow)) {
        self.edit(|tables| {
            let row = tables.carts.remove(&created);
            let mut row = row.expect("the cart is there");
            edit(&mut row);
            tables.carts.insert(row.created, row);
        });
    }

    fn remove_life(&mut self, created: u64) {
        self.edit(|tables| {
            let order = tables.orders.remove(&created).is_some();
            let cart = tables.carts.remove(&created).is_some();
            let callback = tables.callbacks.remove(&created).is_some();
            assert!(order || cart || callback, "a row is there");
        });
    }

    fn edit_subscription(
        &mut self,
        id: &str,
        edit: &dyn Fn(SubscriptionRow) -> Option<SubscriptionRow>,
    ) {
        let id = SubscriptionId::new(id).expect("a well-formed id");
        self.edit(|tables| {
            let row = tables.subscriptions.remove(&id);
            if let Some(row) = edit(row.expect("the subscription is there")) {
                tables.subscriptions.insert(row.body.id.clone(), row);
            }
        });
    }

    fn set_private(&mut self, position: u64, text: Option<&str>) {
        self.edit(|tables| match text {
            Some(text) => {
                let row = tables.private.get_mut(&(position, 0));
                text.clone_into(&mut row.expect("the text is there").text);
            }
            None => {
                let gone = tables.private.remove(&(position, 0));
                assert!(gone.is_some(), "the text is there");
            }
        });
    }

    fn erase_private(&mut self, position: u64, at: LogTime) {
        self.edit(|tables| {
            let row = tables.private.get_mut(&(position, 0));
            let row = row.expect("the text is there");
            row.text.clear();
            row.erased_at = Some(at);
        });
    }

    fn open(&self) -> Result<Arc<dyn Store>, Fault> {
        Ok(Arc::new(self.0.clone()))
    }
}

/// What a damage must be called: the row that says it, the kind and the subject.
pub(crate) type Named = (Invariant, Kind, String);

pub(crate) fn named(invariant: Invariant, kind: Kind, subject: &str) -> Named {
    (invariant, kind, subject.to_owned())
}

/// Verifies a site with no more than its store.
pub(crate) async fn look(site: &dyn Site) -> Report {
    look_with(site, Inputs::default()).await
}

pub(crate) async fn look_with(site: &dyn Site, inputs: Inputs<'_>) -> Report {
    let store = site.open().expect("a damaged store is opened");
    let before = site.head();
    let report = verify(&*store, inputs).await.expect("the store answers");
    assert_eq!(site.head(), before, "verify writes nothing");
    assert_eq!(report.checks.len(), 22);
    report
}

/// All findings, as damages are named.
pub(crate) fn findings(report: &Report) -> Vec<Named> {
    let rows = Invariant::ALL.into_iter().zip(&report.checks);
    let named = rows.flat_map(|(invariant, check)| {
        let of = move |finding: &evenkeel_engine::verify::Finding| {
            let subject = format!("{} {}", finding.subject.kind, finding.subject.id);
            (invariant, finding.kind, subject)
        };
        check.findings.iter().map(of)
    });
    named.collect()
}

/// What was done in a shop.
#[derive(Debug, Clone, Copy)]
pub(crate) enum History {
    /// Holds in every state.
    Holds,
    /// Orders in every state.
    Orders,
    /// SKUs that limit what one customer may have.
    Shares,
    /// Carts, open and checked out.
    Carts,
    /// Subscriptions with parked streams.
    Subscriptions,
    /// Orders whose customers are told that they run out.
    Warnings,
}

impl History {
    pub(crate) async fn write(self, store: &dyn Store) {
        match self {
            Self::Holds => Shop::new(store).open().await,
            Self::Orders => Trade::new(store).open().await,
            Self::Shares => super::shares::history(store).await,
            Self::Carts => super::carts::history(store).await,
            Self::Subscriptions => super::subscriptions::history(store).await,
            Self::Warnings => super::warnings::history(store).await,
        }
    }
}

/// Every adapter's site, each with the same history of holds.
pub(crate) async fn sites() -> Vec<Box<dyn Site>> {
    all(History::Holds).await
}

/// Every adapter's site, each with the same history of orders.
pub(crate) async fn trades() -> Vec<Box<dyn Site>> {
    all(History::Orders).await
}

async fn all(history: History) -> Vec<Box<dyn Site>> {
    let memory = Memory::new();
    history.write(&memory.0).await;
    #[cfg(feature = "sqlite")]
    {
        let file = super::file::File::of(history).await;
        let fed = super::file::File::fed_from_the_log(history).await;
        vec![Box::new(memory), Box::new(file), Box::new(fed)]
    }
    #[cfg(not(feature = "sqlite"))]
    {
        vec![Box::new(memory)]
    }
}

/// Plants a damage at every site, and demands that it is named, and nothing else.
pub(crate) async fn planted(damage: impl Fn(&mut dyn Site) -> Vec<Named>) {
    plant(sites().await, damage).await;
}

/// The same in the history of orders.
pub(crate) async fn planted_trade(damage: impl Fn(&mut dyn Site) -> Vec<Named>) {
    plant(trades().await, damage).await;
}

/// The same in a history of one's choice.
pub(crate) async fn plant_in(history: History, damage: impl Fn(&mut dyn Site) -> Vec<Named>) {
    plant(all(history).await, damage).await;
}

/// What is said in words when a damage is planted in a history: in every finding at every site.
pub(crate) async fn words(
    history: History,
    damage: impl Fn(&mut dyn Site) -> Vec<Named>,
) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    for mut site in all(history).await {
        let expected = damage(&mut *site);
        let report = look(&*site).await;
        assert_eq!(findings(&report), expected, "{report:#?}");
        said.extend(report.findings().map(|finding| finding.detail.clone()));
    }
    said
}

/// Demands that each sentence that stands in a source, other than for bugs, was said.
pub(crate) fn all_is_said(source: &str, said: &BTreeSet<String>) {
    let code = source.lines().map(str::trim_start);
    let code = code.filter(|line| !line.starts_with("//") && !line.contains("expect("));
    // Whatever stands between quotation marks has an odd number.
    let texts = code.flat_map(|line| line.split('"').skip(1).step_by(2));
    let sentences = texts.filter(|text| text.contains(' '));
    let sentences = sentences.map(|text| text.split('{').next().unwrap_or_default());
    let sentences: BTreeSet<&str> = sentences.collect();
    assert!(sentences.len() > 2, "{sentences:?}");
    let unsaid = |sentence: &&str| !said.iter().any(|detail| detail.contains(sentence));
    let unsaid: Vec<&str> = sentences.into_iter().filter(unsaid).collect();
    assert_eq!(unsaid, [""; 0], "no damage is told by them");
}

async fn plant(sites: Vec<Box<dyn Site>>, damage: impl Fn(&mut dyn Site) -> Vec<Named>) {
    for mut site in sites {
        let whole = look(&*site).await;
        assert!(whole.ok, "{:#?}", findings(&whole));
        let expected = damage(&mut *site);
        let report = look(&*site).await;
        assert_eq!(findings(&report), expected, "{report:#?}");
        assert_eq!(report.ok, expected.is_empty());
        for check in &report.checks {
            let told = check.place.is_some();
            assert_eq!(told, check.result == Outcome::NotCheckable, "{}", check.id);
        }
    }
}

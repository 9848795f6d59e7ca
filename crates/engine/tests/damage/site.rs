//! A store that can be damaged behind its back: the same on every adapter.

use super::shop::Shop;
use async_trait::async_trait;
use evenkeel_engine::commit::Name;
use evenkeel_engine::port::{Fault, HoldRow, LogRow, SkuRow, Store, TokenRow};
use evenkeel_engine::store::memory::{MemoryStore, Tables};
use evenkeel_engine::verify::{Inputs, Invariant, Kind, Outcome, Report, verify};
use evenkeel_rules::ids::{LocationId, SkuId};
use evenkeel_rules::stock::Balances;
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
    fn set_hold(&mut self, created: u64, row: Option<HoldRow>);
    fn hold(&self, created: u64) -> HoldRow;
    fn edit_sku(&mut self, id: &SkuId, edit: &dyn Fn(&mut SkuRow));
    fn edit_token(&mut self, edit: &dyn Fn(&mut TokenRow));
    fn set_balance(&mut self, sku: &SkuId, balances: Option<Balances>);
    fn balance(&self, sku: &SkuId) -> Balances;
    fn remove_name(&mut self, name: Name);
    fn remove_refusal(&mut self, number: u64);
    /// The store, opened for reading.
    fn open(&self) -> Result<Arc<dyn Store>, Fault>;
}

pub(crate) struct Memory(pub(crate) MemoryStore);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(MemoryStore::new("main", [3; 16]))
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

/// Every adapter's site, each with the same history.
pub(crate) async fn sites() -> Vec<Box<dyn Site>> {
    let memory = Memory::new();
    Shop::new(&memory.0).open().await;
    #[cfg(feature = "sqlite")]
    {
        let file = super::file::File::new().await;
        let fed = super::file::File::fed_from_the_log().await;
        vec![Box::new(memory), Box::new(file), Box::new(fed)]
    }
    #[cfg(not(feature = "sqlite"))]
    {
        vec![Box::new(memory)]
    }
}

/// Plants a damage at every site, and demands that it is named, and nothing else.
pub(crate) async fn planted(damage: impl Fn(&mut dyn Site) -> Vec<Named>) {
    for mut site in sites().await {
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

//! Seals: a fold that goes on from one ends as the fold from zero does, and finds what it finds.

use super::shop::Shop;
use super::site::{Memory, findings};
use super::trade::Trade;
use evenkeel_engine::port::{SealRow, Store};
use evenkeel_engine::store::memory::{MemoryStore, Tables};
use evenkeel_engine::verify::{Inputs, Invariant, Kind, Report, verify};

/// Verifies with a seal at every position.
async fn sealed(store: &MemoryStore) -> Report {
    let head = store.tables().head.position;
    let inputs = Inputs {
        seal_at: (1..=head).collect(),
        seal_every: u64::MAX,
        ..Inputs::default()
    };
    verify(store, inputs).await.expect("readable")
}

/// The same store with these seals and no others.
fn with(tables: &Tables, seals: &[SealRow]) -> MemoryStore {
    let mut tables = tables.clone();
    tables.seals = seals.iter().map(|it| (it.position, it.clone())).collect();
    MemoryStore::from_tables(tables)
}

async fn every_seal_leads_to_the_same_end(store: &MemoryStore) {
    let tables = store.tables();
    let from_zero = sealed(store).await;
    assert!(
        from_zero.ok,
        "{:#?}",
        from_zero.findings().collect::<Vec<_>>()
    );
    assert_eq!(from_zero.folded_from, 0);
    assert_eq!(from_zero.seals.len() as u64, tables.head.position);
    for (at, seal) in from_zero.seals.iter().enumerate() {
        let report = sealed(&with(&tables, std::slice::from_ref(seal))).await;
        let position = seal.position;
        assert!(
            report.ok,
            "from {position}: {:#?}",
            report.findings().collect::<Vec<_>>()
        );
        assert_eq!(report.folded_from, position, "the seal was doubted");
        for (one, other) in report.seals.iter().zip(&from_zero.seals[at + 1..]) {
            assert!(
                one == other,
                "from {position}, the seal at {}",
                one.position
            );
        }
        assert_eq!(report.seals.len(), from_zero.seals.len() - at - 1);
    }
}

#[tokio::test]
async fn from_every_position_of_a_shop_the_fold_ends_as_from_zero() {
    let site = Memory::new();
    Shop::new(&site.0).open().await;
    every_seal_leads_to_the_same_end(&site.0).await;
}

#[tokio::test]
async fn from_every_position_of_a_trade_the_fold_ends_as_from_zero() {
    let site = Memory::new();
    Trade::new(&site.0).open().await;
    every_seal_leads_to_the_same_end(&site.0).await;
}

#[tokio::test]
async fn from_every_position_of_carts_the_fold_ends_as_from_zero() {
    let (one, other) = (Memory::new(), Memory::new());
    super::carts::history(&one.0).await;
    super::carts::two_lines(&other.0).await;
    every_seal_leads_to_the_same_end(&one.0).await;
    every_seal_leads_to_the_same_end(&other.0).await;
}

#[tokio::test]
async fn from_every_position_of_random_histories_the_fold_ends_as_from_zero() {
    for seed in 0..6 {
        let site = Memory::new();
        let mut shop = Shop::new(&site.0);
        super::clean::live(&mut shop, &mut fastrand::Rng::with_seed(seed), 60).await;
        every_seal_leads_to_the_same_end(&site.0).await;
    }
}

#[tokio::test]
async fn a_row_that_was_not_written_since_the_seal_is_still_compared() {
    let site = Memory::new();
    Trade::new(&site.0).open().await;
    let seals = sealed(&site.0).await.seals;
    let newest = seals.last().expect("it was green").clone();
    type Damage = fn(&mut Tables);
    let damages: [(&str, Damage); 6] = [
        ("a hold edited", |it| {
            let row = it.holds.values_mut().next().expect("a hold");
            row.hold.deadline = row.hold.deadline.plus(evenkeel_rules::time::Millis(1));
        }),
        ("a hold removed", |it| drop(it.holds.pop_first())),
        ("an order removed", |it| drop(it.orders.pop_first())),
        ("an order edited", |it| {
            let row = it.orders.values_mut().next().expect("an order");
            row.version += 1;
        }),
        ("a callback edited", |it| {
            let row = it.callbacks.values_mut().next().expect("a callback");
            row.flagged = !row.flagged;
        }),
        ("a balance edited", |it| it.balances.clear()),
    ];
    for (what, damage) in damages {
        let mut tables = site.0.tables();
        damage(&mut tables);
        let deep = verify(&with(&tables, &[]), Inputs::default())
            .await
            .expect("readable");
        let store = with(&tables, std::slice::from_ref(&newest));
        let report = verify(&store, Inputs::default()).await.expect("readable");
        assert!(!deep.ok && !report.ok, "{what}");
        assert_eq!(
            findings(&report),
            findings(&deep),
            "{what}: named as from zero"
        );
    }
}

#[tokio::test]
async fn what_only_the_log_below_the_seal_shows_takes_a_deep_look() {
    let site = Memory::new();
    Shop::new(&site.0).open().await;
    let seals = sealed(&site.0).await.seals;
    let newest = seals.last().expect("it was green").clone();
    let mut tables = site.0.tables();
    let text = &mut tables.log[2].text;
    let end = text.len() - 2;
    text[end] = b' ';
    let store = with(&tables, &[newest]);
    let report = verify(&store, Inputs::default()).await.expect("readable");
    assert!(
        report.ok && report.folded_from > 3,
        "documented: below the seal nothing is hashed"
    );
    let told = report
        .check(Invariant::I16)
        .note
        .clone()
        .unwrap_or_default();
    assert!(told.contains("--deep begins at zero"), "{told}");
    let inputs = Inputs {
        deep: true,
        ..Inputs::default()
    };
    let deep = verify(&store, inputs).await.expect("readable");
    assert!(!deep.ok && deep.folded_from == 0);
}

#[tokio::test]
async fn a_damaged_seal_is_passed_over_for_an_older_one() {
    let site = Memory::new();
    Shop::new(&site.0).open().await;
    let mut seals = sealed(&site.0).await.seals;
    let older = seals[seals.len() - 3].position;
    let newest = seals.last_mut().expect("it was green");
    let at = newest.text.len() / 2;
    newest.text[at] ^= 1;
    let (low, high) = (seals.len() - 3, seals.len() - 1);
    let both = [seals[low].clone(), seals[high].clone()];
    let store = with(&site.0.tables(), &both);
    let report = verify(&store, Inputs::default()).await.expect("readable");
    assert!(report.ok);
    assert_eq!(report.folded_from, older);
    let told = report
        .check(Invariant::I16)
        .note
        .clone()
        .unwrap_or_default();
    assert!(told.contains("was passed over"), "{told}");
}

#[tokio::test]
async fn a_seal_of_another_log_is_not_used() {
    let (one, other) = (Memory::new(), MemoryStore::new("main", [4; 16]));
    Shop::new(&one.0).open().await;
    Shop::new(&other).open().await;
    let seal = sealed(&one.0).await.seals.pop().expect("it was green");
    let store = with(&other.tables(), &[seal]);
    let report = verify(&store, Inputs::default()).await.expect("readable");
    assert!(report.ok);
    assert_eq!(report.folded_from, 0);
}

#[tokio::test]
async fn a_seal_that_tells_lies_is_named_when_the_log_tells_otherwise() {
    let (one, other) = (Memory::new(), Memory::new());
    Shop::new(&one.0).open().await;
    Shop::new(&other.0).open().await;
    // A seal of a store that lacked a hold, whose log is the same.
    other.0.edit(|tables| drop(tables.holds.pop_first()));
    let mut seal = sealed(&one.0).await.seals.pop().expect("it was green");
    seal.text = forged(&seal.text);
    let store = with(&one.0.tables(), &[seal]);
    let report = verify(&store, Inputs::default()).await.expect("readable");
    let named: Vec<Kind> = report.findings().map(|finding| finding.kind).collect();
    assert_eq!(named, [Kind::SealEdited]);
    assert!(!report.ok && report.seals.is_empty() && report.anchor().is_none());
    let inputs = Inputs {
        deep: true,
        ..Inputs::default()
    };
    let deep = verify(&store, inputs).await.expect("readable");
    assert!(deep.ok, "the store itself is whole");
}

/// The seal with one hold less in its sum, and a checksum that fits.
fn forged(text: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let packed = &text[36..];
    let plain = zstd::stream::decode_all(packed).expect("it is whole");
    let mut told: serde_json::Value = serde_json::from_slice(&plain).expect("JSON");
    let count = &mut told["sums"][0]["count"];
    *count = (count.as_u64().expect("a number") - 1).into();
    let plain = serde_json::to_vec(&told).expect("plain JSON");
    let packed = zstd::bulk::compress(&plain, 3).expect("it packs");
    [&text[..4], &Sha256::digest(&packed), &packed].concat()
}

#[tokio::test]
async fn only_a_green_report_has_seals() {
    let site = Memory::new();
    Shop::new(&site.0).open().await;
    site.0.edit(|tables| drop(tables.holds.pop_first()));
    let report = sealed(&site.0).await;
    assert!(!report.ok && report.seals.is_empty());
    assert_eq!(site.0.seals(u64::MAX, 9).await.expect("readable").rows, []);
}

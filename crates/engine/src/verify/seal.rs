//! Seals: what `verify` had folded at one position, so that it need not begin from zero again.
//!
//! A seal is made of a fold that found nothing, and kept only if the whole `verify` did. It has the
//! chain's hash, the balances, the catalogue, tokens, subscriptions and shares as the log left
//! them, and sums over all else (see [`super::rest`]). It says which log, format and build it is
//! of and has a checksum of its own; one that is not whole is passed over for an older one. That it
//! is of this very log is believed when the log's own row has its hash; that it is right, because
//! rows and what is folded since agree with it. Where they do not, all is folded from zero: a
//! seal never explains a difference away.

use super::fold::{Fold, Pace, SkuFold, TokenFold};
use super::leases::Fences;
use super::rest::{KINDS, Rest, Sum};
use super::shares::{SealedShares, Shares};
use super::subscriptions::SubscriptionFold;
use crate::chain::{Hash, hex, unhex};
use crate::port::{Fault, Head, SealRow, Store};
use evenkeel_rules::event::FORMAT;
use evenkeel_rules::ids::{LocationId, SkuId, SubscriptionId, TokenId};
use evenkeel_rules::stock::Balances;
use evenkeel_rules::time::LogTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;

/// The first bytes of a seal.
const MAGIC: &[u8; 4] = b"EVS1";
/// What one may be at most, opened: more is not kept, and `verify` goes on from an older one.
const OPEN_MAX: usize = 1 << 28;
/// The same as it is kept: it is one row of one batch.
const KEPT_MAX: usize = 1 << 24;
/// Pauses of the log that are kept: they excuse those that were due long ago.
const PAUSES_MAX: usize = 10_000;
/// How many seals are looked at for one that is whole.
const LOOKED_AT: usize = 8;

/// What a seal says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    log: String,
    salt: String,
    build: String,
    format: u32,
    position: u64,
    hash: String,
    time: LogTime,
    balances: Vec<(SkuId, LocationId, [i64; 7])>,
    skus: Vec<(SkuId, SkuFold)>,
    tokens: Vec<(TokenId, TokenFold)>,
    subscriptions: Vec<(SubscriptionId, SubscriptionFold)>,
    shares: SealedShares,
    pace: Pace,
    fences: Fences,
    erasures: Vec<LogTime>,
    sums: [Sum; KINDS],
}

/// A fold to go on from.
pub(super) struct Opened {
    pub(super) position: u64,
    pub(super) hash: Hash,
    pub(super) fold: Fold,
}

/// The builds whose bodies hash as this one's do.
fn build() -> String {
    format!("{} {FORMAT}", env!("CARGO_PKG_VERSION"))
}

/// Makes a seal of a fold; nothing if it is not wholly known, or grew too large.
pub(super) fn of(fold: &Fold, head: &Head, hash: &Hash) -> Option<SealRow> {
    let lost = &fold.lost;
    let whole = lost.gone.is_empty() && lost.doubtful.is_empty() && lost.inserted.is_empty();
    let sums = fold.sums().filter(|_| whole && fold.misnamed.is_empty())?;
    let mut balances: Vec<_> = fold.balances.iter().collect();
    balances.sort_unstable_by_key(|(place, _)| *place);
    let balances = balances.into_iter();
    let mut text = serde_json::to_value(Unsorted {
        skus: fold.skus.iter().collect(),
        tokens: fold.tokens.iter().collect(),
        subscriptions: fold.subscriptions.iter().collect(),
    })
    .expect("plain JSON");
    for list in ["skus", "tokens"] {
        let list = text[list].as_array_mut().expect("it is a list");
        list.sort_by(|a, b| a[0].as_str().cmp(&b[0].as_str()));
    }
    let rest = Told {
        log: &head.log,
        salt: hex(&head.salt),
        build: build(),
        format: head.format,
        position: fold.position,
        hash: hex(hash),
        time: fold.time,
        balances: balances
            .map(|((sku, location), all)| (sku, location, all.raw()))
            .collect(),
        lists: text,
        shares: fold.shares.sealed(),
        pace: fold.pace.sealed(PAUSES_MAX),
        fences: &fold.fences,
        erasures: fold.secrets.erasures(),
        sums,
    };
    let text = serde_json::to_vec(&rest).expect("plain JSON");
    if text.len() > OPEN_MAX {
        return None;
    }
    let packed = zstd::bulk::compress(&text, 3).ok()?;
    let digest = Sha256::digest(&packed);
    let text = [&MAGIC[..], &digest, &packed].concat();
    (text.len() <= KEPT_MAX).then_some(SealRow {
        position: fold.position,
        text,
    })
}

#[derive(Serialize)]
struct Unsorted<'a> {
    skus: Vec<(&'a SkuId, &'a SkuFold)>,
    tokens: Vec<(&'a TokenId, &'a TokenFold)>,
    subscriptions: Vec<(&'a SubscriptionId, &'a SubscriptionFold)>,
}

/// [`Text`] as it is written.
#[derive(Serialize)]
struct Told<'a> {
    log: &'a str,
    salt: String,
    build: String,
    format: u32,
    position: u64,
    hash: String,
    time: LogTime,
    balances: Vec<(&'a SkuId, &'a LocationId, [i64; 7])>,
    #[serde(flatten)]
    lists: serde_json::Value,
    shares: SealedShares,
    pace: Pace,
    fences: &'a Fences,
    erasures: &'a [LogTime],
    sums: [Sum; KINDS],
}

/// Reads a seal; nothing if it is not whole, or of another build.
fn read(row: &SealRow) -> Option<Text> {
    let rest = row.text.strip_prefix(MAGIC)?;
    let (digest, packed) = rest.split_first_chunk::<32>()?;
    if <[u8; 32]>::from(Sha256::digest(packed)) != *digest {
        return None;
    }
    let mut text = Vec::new();
    let opened = zstd::stream::read::Decoder::new(packed).ok()?;
    opened.take(OPEN_MAX as u64).read_to_end(&mut text).ok()?;
    let told: Text = serde_json::from_slice(&text).ok()?;
    (told.position == row.position && told.build == build()).then_some(told)
}

fn open(told: Text, head: &Head) -> Option<Opened> {
    let of_this = told.log == head.log && told.salt == hex(&head.salt);
    let hash: Hash = unhex(&told.hash).filter(|_| of_this)?;
    let balances = told.balances.into_iter();
    let balances = balances.map(|(sku, at, raw)| ((sku, at), Balances::from_raw(raw)));
    let mut fold = Fold {
        position: told.position,
        time: told.time,
        balances: balances.collect(),
        skus: told.skus.into_iter().collect(),
        tokens: told.tokens.into_iter().collect(),
        subscriptions: told.subscriptions.into_iter().collect(),
        shares: Shares::opened(told.shares)?,
        pace: told.pace,
        fences: told.fences,
        rest: Some(Rest::new(told.position, told.sums)),
        ..Fold::default()
    };
    for at in told.erasures {
        fold.secrets.erased_at(at);
    }
    Some(Opened {
        position: told.position,
        hash,
        fold,
    })
}

/// The newest seal to go on from, and those that were passed over.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn newest(
    store: &dyn Store,
    head: &Head,
    upto: u64,
) -> Result<(Option<Opened>, Vec<u64>), Fault> {
    let mut passed = Vec::new();
    let rows = match store.seals(head.position.min(upto), LOOKED_AT).await {
        Ok(at) => at.rows,
        // What cannot be read is no seal.
        Err(Fault::Corrupt(_)) => Vec::new(),
        Err(fault) => return Err(fault),
    };
    for row in rows {
        let opened = read(&row).and_then(|told| open(told, head));
        if let Some(opened) = opened
            && stands(store, &opened).await?
        {
            return Ok((Some(opened), passed));
        }
        passed.push(row.position);
    }
    Ok((None, passed))
}

/// Whether the log's row at a seal's position has its hash.
async fn stands(store: &dyn Store, seal: &Opened) -> Result<bool, Fault> {
    let rows = match store.log(seal.position, 1).await {
        Ok(at) => at.rows,
        Err(Fault::Corrupt(_)) => return Ok(false),
        Err(fault) => return Err(fault),
    };
    let row = rows.first().filter(|row| row.position == seal.position);
    Ok(row.is_some_and(|row| row.hash == seal.hash))
}

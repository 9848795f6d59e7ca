//! SKUs, balances and tokens against the fold.

use super::fold::{Fold, SkuFold, wrong};
use super::pages::{Beside, Pages, Read};
use super::report::{Book, Draft, Invariant, Kind, Subject};
use super::rows::beyond;
use super::walk::{Sink, Walk};
use crate::port::{Fault, Listed, Place, SkuRow, TokenRow};
use evenkeel_rules::stock::Balances;
use serde_json::json;

/// Compares every SKU's row and the balances of its locations.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn skus(walk: &mut Walk<'_>, to: &mut Sink<'_>) -> Result<(), Fault> {
    let mut pages = Pages::new();
    while pages.are_left() {
        let page = walk.store.skus(pages.before, pages.limit).await;
        match pages.read(page, |(row, _)| row.created)? {
            Read::Again => (),
            Read::Unreadable(what) => {
                let made = unreadable_sku(pages.before, &what, to);
                pages.pass(made);
            }
            Read::Rows(page) => {
                walk.advance(page.position, to).await?;
                page.rows.iter().for_each(|listed| sku(listed, to));
            }
        }
    }
    strays(walk, to).await?;
    missing_skus(pages.first, to.fold, to.book);
    Ok(())
}

/// Reports the newest SKU made before a position as unreadable; where it was made.
fn unreadable_sku(before: u64, what: &str, to: &mut Sink<'_>) -> Option<u64> {
    let all = to.fold.skus.iter_mut();
    let made = all.filter_map(|(id, fold)| fold.entry.as_mut().map(|(stream, _)| (id, stream)));
    let earlier = made.filter(|(_, stream)| stream.created < before);
    let (id, stream) = earlier.max_by_key(|(_, stream)| stream.created)?;
    stream.seen = true;
    let created = stream.created;
    // A balance that cannot be read makes its SKU's read fail too.
    let of_balance = what.contains("a balance");
    let (invariant, kind) = if of_balance {
        (Invariant::I8, Kind::BalanceEdited)
    } else {
        (Invariant::I15, Kind::StateEdited)
    };
    let draft = wrong(kind, Subject::new("sku", id), created);
    let detail = format!("it cannot be read: {what}");
    to.book.find(invariant, Draft { detail, ..draft });
    Some(created)
}

fn sku((row, stock): &Listed, to: &mut Sink<'_>) {
    beyond(row.last.max(row.stock_last), "a SKU", to);
    let id = &row.sku.terms.sku;
    to.book.checked(Invariant::I15, 1);
    let Some(fold) = to.fold.skus.get_mut(id) else {
        unknown_sku(row, to);
        return;
    };
    if let Some((stream, _)) = &mut fold.entry {
        stream.seen = true;
    }
    let same = same_sku(fold, row);
    let lost = [row.last, row.stock_last, row.created];
    // A lost row may also have brought a location, and other rows may have hidden that since.
    let open = |fold: &Fold| !fold.lost.gone.is_empty() && !same_locations(fold, row);
    let explained = |to: &mut Sink<'_>| lost.iter().any(|at| to.fold.lost.explains(*at));
    if !same && !open(to.fold) && !explained(to) {
        let draft = Draft {
            expected: told(to.fold.skus.get(id)),
            found: json!({"created": row.created, "last": row.last, "version": row.version,
                "stock_last": row.stock_last, "stock_version": row.stock_version,
                "locations": row.locations, "entry": row.sku}),
            detail: "the row is not the fold of its streams".to_owned(),
            ..wrong(Kind::StateEdited, Subject::new("sku", id), row.last)
        };
        to.book.find(Invariant::I15, draft);
    }
    for (location, stands) in stock {
        balance(&(id.clone(), location.clone()), *stands, to);
    }
}

pub(super) fn same_sku(fold: &SkuFold, row: &SkuRow) -> bool {
    let Some((stream, entry)) = &fold.entry else {
        return false;
    };
    let (stock_last, stock_version, stock_gapped) = fold.stock.map_or((0, 0, false), |stream| {
        (stream.last, stream.version, stream.gapped)
    });
    stream.fits([row.created, row.last, row.version])
        && *entry == row.sku
        && stock_last == row.stock_last
        && (stock_gapped || stock_version == row.stock_version)
        && fold.locations == row.locations
}

fn same_locations(fold: &Fold, row: &SkuRow) -> bool {
    let folded = fold.skus.get(&row.sku.terms.sku);
    folded.is_some_and(|folded| folded.locations == row.locations)
}

fn told(fold: Option<&SkuFold>) -> serde_json::Value {
    let Some((stream, entry)) = fold.and_then(|fold| fold.entry.as_ref()) else {
        return json!(null);
    };
    let stock = fold.and_then(|fold| fold.stock);
    json!({"created": stream.created, "last": stream.last, "version": stream.version,
        "stock_last": stock.map_or(0, |stream| stream.last),
        "stock_version": stock.map_or(0, |stream| stream.version),
        "locations": fold.map(|fold| &fold.locations), "entry": entry})
}

fn unknown_sku(row: &SkuRow, to: &mut Sink<'_>) {
    if to.fold.lost.explains(row.created) {
        return;
    }
    let draft = Draft {
        found: json!({"created": row.created, "version": row.version}),
        detail: "no row of the log listed this SKU".to_owned(),
        ..wrong(
            Kind::StateEdited,
            Subject::new("sku", &row.sku.terms.sku),
            row.last,
        )
    };
    to.book.find(Invariant::I15, draft);
}

fn missing_skus(first: u64, fold: &mut Fold, book: &mut Book) {
    let gone = |sku: &SkuFold| {
        let stream = sku.entry.as_ref().map(|(stream, _)| stream);
        stream
            .filter(|stream| !stream.seen && stream.created <= first)
            .copied()
    };
    let all = fold.skus.iter();
    let mut missing: Vec<_> = all
        .filter_map(|(id, sku)| gone(sku).map(|stream| (id, sku, stream)))
        .collect();
    missing.sort_by_key(|(id, ..)| (*id).clone());
    for (id, sku, stream) in missing {
        let draft = Draft {
            expected: told(Some(sku)),
            detail: "the log listed this SKU; its row is gone".to_owned(),
            ..wrong(Kind::StateEdited, Subject::new("sku", id), stream.last)
        };
        book.find(Invariant::I15, draft);
    }
}

fn balance(place: &Place, stands: Balances, to: &mut Sink<'_>) {
    to.book.checked(Invariant::I8, 1);
    let folded = to.fold.balances.get(place).copied().unwrap_or_default();
    if folded == stands {
        return;
    }
    if !to.fold.lost.gone.is_empty() || !to.fold.lost.doubtful.is_empty() {
        // What a lost row moved is not known: the difference may be its.
        to.fold.lost.explained += 1;
        return;
    }
    let draft = Draft {
        expected: json!(accounts(folded)),
        found: json!(accounts(stands)),
        detail: format!(
            "the balances at {} are not what the log adds up to",
            place.1
        ),
        ..wrong(Kind::BalanceEdited, Subject::new("sku", &place.0), to.at)
    };
    to.book.find(Invariant::I8, draft);
}

fn accounts(balances: Balances) -> serde_json::Map<String, serde_json::Value> {
    let all = evenkeel_rules::stock::Account::ALL.into_iter();
    all.map(|account| (account.name().to_owned(), json!(balances.get(account))))
        .collect()
}

/// Balances that stand beside their SKU: the log must know them all the same.
async fn strays(walk: &mut Walk<'_>, to: &mut Sink<'_>) -> Result<(), Fault> {
    let page = match walk.store.stray_balances().await {
        Ok(page) => page,
        // What cannot be read was found with its SKU.
        Err(_) if !to.book.is_clean(Invariant::I15) || !to.book.is_clean(Invariant::I8) => {
            return Ok(());
        }
        Err(fault) => return Err(fault),
    };
    walk.advance(page.position, to).await?;
    for (place, stands) in &page.rows {
        // A balance that lost its place's name was missed at its SKU already.
        let lost_name = !to.fold.skus.contains_key(&place.0) && !to.book.is_clean(Invariant::I8);
        if !lost_name {
            balance(place, *stands, to);
        }
    }
    Ok(())
}

/// Compares every token's row.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn tokens(walk: &mut Walk<'_>, to: &mut Sink<'_>) -> Result<(), Fault> {
    let mut pages = Pages::new();
    while pages.are_left() {
        let page = walk.store.tokens(pages.before, pages.limit).await;
        match pages.read(page, |row| row.created)? {
            Read::Again => (),
            Read::Unreadable(what) => {
                let made = to.fold.tokens.iter_mut();
                let made = made.map(|(id, fold)| (id, &mut fold.stream));
                pages.pass_over(made, ("token", &what), to.book);
            }
            Read::Rows(page) => {
                walk.advance(page.position, to).await?;
                page.rows.iter().for_each(|row| token(row, to));
            }
        }
    }
    let made = to.fold.tokens.iter();
    let made = made.map(|(id, fold)| (id, &fold.stream));
    pages.missing(made, "token", to.book);
    Ok(())
}

fn token(row: &TokenRow, to: &mut Sink<'_>) {
    beyond(row.last, "a token", to);
    to.book.checked(Invariant::I15, 1);
    let mut fold = to.fold.tokens.get_mut(&row.token.id);
    let known = fold.as_mut().map(|fold| {
        fold.stream.seen = true;
        (fold.stream, fold.token == row.token)
    });
    let beside = Beside {
        subject: Subject::new("token", &row.token.id),
        place: [row.created, row.last, row.version],
        known,
    };
    let folded = || json!({"token": fold.map(|fold| &fold.token)});
    let more = || (folded(), json!({"token": row.token}));
    beside.differs(more, &mut to.fold.lost, to.book);
}

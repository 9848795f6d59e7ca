//! SKUs, balances and tokens against the fold.

use super::fold::{Fold, SkuFold, TokenFold, wrong};
use super::report::{Book, Draft, Invariant, Kind, Subject};
use super::rows::{PAGE, beyond};
use super::walk::{Sink, Walk};
use crate::port::{Fault, Listed, Place, SkuRow, TokenRow};
use evenkeel_rules::stock::Balances;
use serde_json::json;

/// Compares every SKU's row and the balances of its locations.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) async fn skus(walk: &mut Walk<'_>, to: &mut Sink<'_>) -> Result<(), Fault> {
    let store = walk.store;
    let (mut before, mut limit) = (u64::MAX, PAGE);
    let mut first = None;
    loop {
        let page = match store.skus(before, limit).await {
            Ok(page) => page,
            Err(Fault::Corrupt(_)) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(Fault::Corrupt(what)) => {
                let Some(created) = unreadable_sku(before, &what, to) else {
                    break;
                };
                before = created;
                continue;
            }
            Err(fault) => return Err(fault),
        };
        walk.advance(page.position, to).await?;
        first.get_or_insert(page.position);
        for listed in &page.rows {
            sku(listed, to);
        }
        match page.rows.last() {
            Some((last, _)) if page.rows.len() == limit => before = last.created,
            _ => break,
        }
    }
    strays(walk, to).await?;
    missing_skus(first.unwrap_or(0), to.fold, to.book);
    Ok(())
}

/// Reports the newest SKU made before a position as unreadable; where it was made.
fn unreadable_sku(before: u64, what: &str, to: &mut Sink<'_>) -> Option<u64> {
    let made = |(id, fold): (_, &mut SkuFold)| {
        let (stream, _) = fold.entry.as_ref()?;
        (stream.created < before).then_some((stream.created, id))
    };
    let all = to.fold.skus.iter_mut().filter_map(made);
    let (created, id) = all.max_by_key(|(created, _)| *created)?;
    let id = id.clone();
    to.fold.skus.get_mut(&id)?.seen = true;
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
    fold.seen = true;
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
    (stream.adopted || stream.created == row.created)
        && stream.last == row.last
        && (stream.gapped || stream.version == row.version)
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
    let mut missing: Vec<_> = fold.skus.iter().filter(|(_, sku)| !sku.seen).collect();
    missing.sort_by_key(|(id, _)| (*id).clone());
    for (id, sku) in missing {
        let stream = sku.entry.as_ref().map(|(stream, _)| stream);
        let Some(stream) = stream.filter(|stream| stream.created <= first) else {
            continue;
        };
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
    let store = walk.store;
    let (mut before, mut limit) = (u64::MAX, PAGE);
    let mut first = None;
    loop {
        let page = match store.tokens(before, limit).await {
            Ok(page) => page,
            Err(Fault::Corrupt(_)) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(Fault::Corrupt(what)) => {
                let Some(created) = unreadable_token(before, &what, to) else {
                    break;
                };
                before = created;
                continue;
            }
            Err(fault) => return Err(fault),
        };
        walk.advance(page.position, to).await?;
        first.get_or_insert(page.position);
        for row in &page.rows {
            token(row, to);
        }
        match page.rows.last() {
            Some(last) if page.rows.len() == limit => before = last.created,
            _ => break,
        }
    }
    missing_tokens(first.unwrap_or(0), to);
    Ok(())
}

fn unreadable_token(before: u64, what: &str, to: &mut Sink<'_>) -> Option<u64> {
    let all = to.fold.tokens.iter_mut();
    let earlier = all.filter(|(_, fold)| fold.stream.created < before);
    let (id, fold) = earlier.max_by_key(|(_, fold)| fold.stream.created)?;
    fold.seen = true;
    let created = fold.stream.created;
    let draft = wrong(Kind::StateEdited, Subject::new("token", id), created);
    let detail = format!("the row cannot be read: {what}");
    to.book.find(Invariant::I15, Draft { detail, ..draft });
    Some(created)
}

fn token(row: &TokenRow, to: &mut Sink<'_>) {
    beyond(row.last, "a token", to);
    to.book.checked(Invariant::I15, 1);
    let mut same = false;
    if let Some(TokenFold {
        stream,
        token,
        seen,
    }) = to.fold.tokens.get_mut(&row.token.id)
    {
        *seen = true;
        same = (stream.adopted || stream.created == row.created)
            && stream.last == row.last
            && (stream.gapped || stream.version == row.version)
            && *token == row.token;
    }
    let lost = [row.created, row.last];
    if same || lost.iter().any(|at| to.fold.lost.explains(*at)) {
        return;
    }
    let fold = to.fold.tokens.get(&row.token.id);
    let draft = Draft {
        expected: json!(fold.map(|fold| json!({"created": fold.stream.created,
            "last": fold.stream.last, "version": fold.stream.version, "token": fold.token}))),
        found: json!({"created": row.created, "last": row.last, "version": row.version,
            "token": row.token}),
        detail: "the row is not the fold of its stream".to_owned(),
        ..wrong(
            Kind::StateEdited,
            Subject::new("token", &row.token.id),
            row.last,
        )
    };
    to.book.find(Invariant::I15, draft);
}

fn missing_tokens(first: u64, to: &mut Sink<'_>) {
    let missing = |fold: &TokenFold| !fold.seen && fold.stream.created <= first;
    for (id, fold) in to.fold.tokens.iter().filter(|(_, fold)| missing(fold)) {
        let draft = Draft {
            expected: json!({"version": fold.stream.version}),
            detail: "the log made this token; its row is gone".to_owned(),
            ..wrong(
                Kind::StateEdited,
                Subject::new("token", id),
                fold.stream.last,
            )
        };
        to.book.find(Invariant::I15, draft);
    }
}

//! Refusals for lack of units, and for a customer's share: true where they were given.

use super::Found;
use super::answers::Attempt;
use super::model::{Model, number, text};
use super::orders::list;
use super::said;
use evenkeel_engine::commit::{Command, Rejection};
use evenkeel_rules::{hold, stock};
use std::collections::BTreeMap;
use std::time::Duration;

/// How old the position of a refusal for lack of units may be when the request sets out.
const AS_OF_MAX: Duration = Duration::from_secs(1);

/// A refusal for a share's sake is true at the position that it names.
pub(super) fn check_share(
    attempt: &Attempt,
    (rejection, position): (&Rejection, u64),
    model: &Model,
    found: &mut Found,
) {
    let Rejection::Hold(hold::Rejection::LimitCustomer { sku, most, has }) = rejection else {
        return;
    };
    let of_sku = |lines: &[hold::Wanted]| {
        let lines = lines.iter().filter(|line| line.sku == *sku);
        lines.map(|line| line.quantity.signed()).sum::<i64>()
    };
    let whose = |cart: Option<&serde_json::Value>| {
        cart.map_or("", |cart| text(cart, "customer")).to_owned()
    };
    // Who places, what is wanted, and what of the share is given back for it.
    let (customer, wanted, own) = match &attempt.command {
        Command::Place(place) => (place.customer.to_string(), of_sku(&place.lines), 0),
        Command::TakeOrder { ask, .. } if ask.hold.is_none() => {
            (ask.customer.to_string(), of_sku(&ask.lines), 0)
        }
        Command::SetLine { id, line } => {
            let wanted = line.quantity.map_or(0, |quantity| quantity.signed());
            let (own, _) = model.line_has(id, sku.as_str(), position);
            (whose(model.cart_at(id, position)), wanted, own)
        }
        Command::CheckOut { id, .. } => {
            let cart = model.cart_at(id, position);
            let lines = cart.map_or(&[][..], |cart| list(cart, "lines")).iter();
            let lines = lines.filter(|line| text(line, "sku") == sku.as_str());
            let wanted = lines.map(|line| number(line, "quantity")).sum();
            let (own, _) = model.line_has(id, sku.as_str(), position);
            (whose(cart), wanted, own)
        }
        _ => {
            found.push(("I22", format!("{rejection} is told to nobody who places")));
            return;
        }
    };
    let share = (sku.to_string(), customer);
    let said = (most.get(), *has);
    if !model.shares.is_true(&share, said, (wanted, own, position)) {
        let stands = model.shares.units(&share, position);
        let what = format!("{wanted} of {share:?} are refused as {said:?} where it has {stands}");
        found.push(("I22", what));
    }
}

/// A refusal for lack of units names a position at which there was a lack, not long ago.
pub(super) fn check_short(
    attempt: &Attempt,
    (rejection, position): (&Rejection, u64),
    model: &Model,
    found: &mut Found,
) {
    let mut wanted: BTreeMap<(String, String), i64> = BTreeMap::new();
    match &attempt.command {
        Command::Place(place) => wanted = said::units(&place.lines),
        Command::TakeOrder { ask, .. } => wanted = said::units(&ask.lines),
        // What the line's own hold has is there for the line.
        Command::SetLine { id, line } => {
            let asked = line.quantity.map_or(0, |quantity| quantity.signed());
            let (_, own) = model.line_has(id, line.sku.as_str(), position);
            wanted.insert((line.sku.to_string(), "main".to_owned()), asked - own);
        }
        Command::ChangeStock {
            sku,
            location,
            change: stock::Change::WriteOff(quantity) | stock::Change::Transfer(quantity, _),
            ..
        } => {
            wanted.insert((sku.to_string(), location.to_string()), quantity.signed());
        }
        _ => {}
    }
    let named = match rejection {
        Rejection::Hold(hold::Rejection::SoldOut { sku }) => Some(sku.as_str()),
        _ => None,
    };
    let short = |(at, units): (&(String, String), &i64)| {
        named.is_none_or(|sku| sku == at.0) && model.available_at(at, position) < *units
    };
    if !wanted.iter().any(short) {
        let what = format!("sold out as of {position}, where there was enough of {wanted:?}");
        found.push(("I22", what));
    }
    if let Some(next) = model.at(position + 1)
        && next.mono + AS_OF_MAX < attempt.began
    {
        found.push((
            "I22",
            format!("sold out as of {position}, which is long ago"),
        ));
    }
}

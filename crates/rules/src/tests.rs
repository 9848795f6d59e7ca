//! What the tables of all aggregates share: builders, and the two questions put to every
//! `Rejection` enum. Are its variants produced in declared order, and is every one produced?

use crate::hold::Wanted;
use crate::ids::{CustomerId, HoldId, LocationId, OrderId, SkuId, TokenId};
use crate::money::{Currency, Money};
use crate::quantity::Quantity;
use crate::sku::Terms;
use crate::time::LogTime;
use crate::{idempotency, token};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::mem::discriminant;

/// Lists the variants of the `Rejection` in scope, once: `ALL` are their names, `name` is an
/// exhaustive match. A variant that is missing here does not compile.
macro_rules! variants {
    ($($variant:ident),+ $(,)?) => {
        const ALL: &[&str] = &[$(stringify!($variant)),+];

        fn name(rejection: &Rejection) -> &'static str {
            match rejection {
                $(Rejection::$variant { .. } => stringify!($variant),)+
            }
        }
    };
}
pub(crate) use variants;

pub(crate) fn sku(id: &str) -> SkuId {
    SkuId::new(id).expect("a well-formed SKU")
}

pub(crate) fn location(id: &str) -> LocationId {
    LocationId::new(id).expect("a well-formed location")
}

pub(crate) fn customer(id: &str) -> CustomerId {
    CustomerId::new(id).expect("a well-formed customer")
}

pub(crate) fn hold_id(id: &str) -> HoldId {
    HoldId::new(id).expect("a well-formed hold id")
}

pub(crate) fn order_id(id: &str) -> OrderId {
    OrderId::new(id).expect("a well-formed order id")
}

pub(crate) fn units(units: u64) -> Quantity {
    Quantity::new(units).expect("a quantity in range")
}

/// The moment so many milliseconds after the beginning of log time.
pub(crate) const fn at(ms: i64) -> LogTime {
    LogTime::from_micros(ms * 1_000)
}

pub(crate) fn wanted(sku_id: &str, location_id: &str, quantity: u64) -> Wanted {
    Wanted {
        sku: sku(sku_id),
        location: location(location_id),
        quantity: units(quantity),
    }
}

/// Terms without limits and without a sale window.
pub(crate) fn terms(id: &str) -> Terms {
    Terms {
        sku: sku(id),
        name: "Lamp".to_owned(),
        price: Money {
            amount: 1_999,
            currency: Currency::new("EUR").expect("EUR is in the list"),
        },
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    }
}

/// Fails when a table's refusals do not come in the order in which the enum declares them.
pub(crate) fn assert_declared_order<R: PartialOrd + Debug>(refusals: &[R]) {
    for pair in refusals.windows(2) {
        let same = discriminant(&pair[0]) == discriminant(&pair[1]);
        assert!(
            same || pair[0] < pair[1],
            "{:?} is declared after {:?}",
            pair[0],
            pair[1]
        );
    }
}

/// Fails when the tables produced other variants than all.
pub(crate) fn assert_all_produced(all: &[&'static str], produced: &[&'static str]) {
    let all: BTreeSet<_> = all.iter().collect();
    let produced: BTreeSet<_> = produced.iter().collect();
    assert_eq!(produced, all);
}

mod of_keys {
    use super::idempotency::{Known, Rejection, judge};

    variants!(InFlight, KeyReused);

    #[test]
    fn every_refusal_of_a_key_is_produced() {
        let (first, other) = ([1; 16], [2; 16]);
        let refusals = [
            judge(Known::Unresolved, &other),
            judge(Known::Used(first), &other),
        ]
        .map(|judged| judged.expect_err("an unresolved and a mismatched key are refused"));
        super::assert_all_produced(ALL, &refusals.each_ref().map(name));
    }
}

mod of_tokens {
    use super::token::{Rejection, Role, create, revoke};
    use super::{TokenId, at};

    variants!(NotFound, Customer);

    #[test]
    fn every_refusal_of_a_token_command_is_produced() {
        let id = TokenId::new("t-1").expect("a well-formed id");
        let refusals = [
            revoke(None, at(1)).expect_err("there is none"),
            create(id, Role::Buyer, None, at(1)).expect_err("a buyer needs a customer"),
        ];
        super::assert_all_produced(ALL, &refusals.each_ref().map(name));
    }
}

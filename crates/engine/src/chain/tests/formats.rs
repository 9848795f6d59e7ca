//! Rows of every format that was released, as its builds wrote them, read by this one.

use super::{
    GOLDEN, GOLDEN_CARTS, GOLDEN_ORDERS, GOLDEN_SAGAS, GOLDEN_SUBSCRIPTIONS, GOLDEN_WARNINGS,
};
use crate::body::{ErasedData, StockData};
use crate::callback::Callback;
use crate::chain::{Entry, EntryEvent};
use evenkeel_rules::cart::Cart;
use evenkeel_rules::event::{Aggregate, Kind, RELEASED as NEWEST, downcast, upcast};
use evenkeel_rules::hold::Hold;
use evenkeel_rules::order::{Order, Patch};
use evenkeel_rules::saga::journey::{self, Journey};
use evenkeel_rules::sku::Sku;
use evenkeel_rules::subscription::Subscription;
use evenkeel_rules::token::Token;
use serde_json::Value;

/// Each released format, and one row at least of each kind of event that it had. A new format adds
/// a line and a folder; what an older one has is never touched again.
const RELEASED: &[(u32, &[&str])] = &[(
    1,
    &[
        GOLDEN,
        GOLDEN_CARTS,
        GOLDEN_ORDERS,
        GOLDEN_SAGAS,
        GOLDEN_SUBSCRIPTIONS,
        GOLDEN_WARNINGS,
    ],
)];

/// Reads an event's data as the type that this build folds it as.
fn read(event: &EntryEvent) -> Result<(), String> {
    match (event.kind.aggregate(), event.kind) {
        (Aggregate::Sku, _) => event.data::<Sku>().map(drop),
        (Aggregate::Stock, _) => event.data::<StockData>().map(drop),
        (Aggregate::Hold, _) => event.data::<Hold>().map(drop),
        (Aggregate::Token, _) => event.data::<Token>().map(drop),
        (Aggregate::Order, kind) if kind.begins() => event.data::<Order>().map(drop),
        (Aggregate::Order, _) => event.data::<Patch>().map(drop),
        (Aggregate::Saga, Kind::SagaStarted) => event.data::<Journey>().map(drop),
        (Aggregate::Saga, _) => event.data::<journey::Patch>().map(drop),
        (Aggregate::Cart, _) => event.data::<Cart>().map(drop),
        (Aggregate::Callback, Kind::CallbackStored) => event.data::<Callback>().map(drop),
        (Aggregate::Callback, _) => event.data::<Value>().map(drop),
        (Aggregate::Private, _) => event.data::<ErasedData>().map(drop),
        (Aggregate::Subscription, _) => event.data::<Subscription>().map(drop),
    }
}

#[test]
fn rows_of_every_released_format_are_read_in_this_builds_shape() {
    for (format, files) in RELEASED {
        let mut kinds = Vec::new();
        for line in files.iter().flat_map(|file| file.lines()) {
            let (_, text) = line.split_once(' ').expect("a hash and a text");
            let entry = Entry::read(text.as_bytes()).expect("it is readable");
            assert_eq!(entry.format, *format, "{text}");
            for event in &entry.events {
                assert_eq!(read(event), Ok(()), "{text}");
                kinds.push(event.kind);
            }
        }
        assert!(kinds.len() > 50, "format {format}: {} events", kinds.len());
    }
}

#[test]
fn what_this_build_says_in_an_older_format_is_what_that_ones_builds_said() {
    for (format, files) in RELEASED {
        for line in files.iter().flat_map(|file| file.lines()) {
            let (_, text) = line.split_once(' ').expect("a hash and a text");
            let entry: Entry = serde_json::from_str(text).expect("it is readable");
            for EntryEvent { kind, data, .. } in &entry.events {
                let newest = upcast(*kind, *format, data.get()).expect("it is readable");
                assert_eq!(downcast(*kind, &newest, *format), data.get(), "{text}");
            }
        }
    }
}

#[test]
fn every_format_up_to_this_builds_has_its_rows_kept() {
    let released: Vec<u32> = RELEASED.iter().map(|(format, _)| *format).collect();
    let all: Vec<u32> = (1..=NEWEST).collect();
    assert_eq!(released, all);
}

use super::*;
use crate::commit::{Command, Commit};
use crate::store::memory::MemoryStore;
use crate::testing::{
    NOW, ask, change, commit_warning, expire, extend, hold_id, keyed, place, place_for, put,
    release, revoke, sku, token_id, units, wanted,
};
use evenkeel_rules::event::RELEASED;
use evenkeel_rules::hold::{Hold, Line, State};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, Reference, SkuId};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Window;
use evenkeel_rules::stock::{Change, Operation};
use evenkeel_rules::time::Millis;
use evenkeel_rules::token::Role;

mod carts;
mod formats;
mod orders;
mod sagas;
mod subscriptions;
mod warnings;

/// One row of each kind of event, as this format writes it, and its hash. A row that differs is
/// another format: old logs would no longer be read, or hash differently.
const GOLDEN: &str = include_str!("format_1/golden.txt");
const GOLDEN_ORDERS: &str = include_str!("format_1/orders.txt");
const GOLDEN_SAGAS: &str = include_str!("format_1/sagas.txt");
const GOLDEN_CARTS: &str = include_str!("format_1/carts.txt");
const GOLDEN_SUBSCRIPTIONS: &str = include_str!("format_1/subscriptions.txt");
const GOLDEN_WARNINGS: &str = include_str!("format_1/warnings.txt");

const AT: LogTime = NOW;

fn moved(operation: Operation, quantity: u64) -> Move {
    Move {
        operation,
        sku: SkuId::new("lamp").expect("a well-formed id"),
        location: LocationId::main(),
        quantity: Quantity::new(quantity).expect("a quantity"),
        reference: Reference::new("h:1~x").expect("a well-formed id"),
    }
}

fn hold(state: State) -> Hold {
    let ended = state != State::Held;
    Hold {
        id: HoldId::new("h:1~x").expect("a well-formed id"),
        customer: CustomerId::new("c-1").expect("a well-formed id"),
        state,
        order: None,
        lines: vec![Line {
            sku: SkuId::new("lamp").expect("a well-formed id"),
            location: LocationId::main(),
            quantity: Quantity::new(2).expect("a quantity"),
            confirmed: (state == State::Confirmed).then_some(1),
            released: (state == State::Confirmed).then_some(1),
            counted: false,
        }],
        placed_at: AT,
        deadline: LogTime::from_micros(AT.micros() + 60_000_000),
        changed_at: ended.then_some(AT),
        ended_at: ended.then_some(AT),
    }
}

#[test]
fn an_event_is_written_and_read_back() {
    let data = serde_json::to_vec(&hold(State::Confirmed)).expect("a hold is plain JSON");
    let (name, fingerprint) = ([0xab; 16], [0x01; 16]);
    let cause = Cause {
        kind: "confirm_hold",
        key: Some((&name, &fingerprint)),
        id: "unused",
        actor: "t-shop",
        lease: None,
    };
    let mut text = Text::begin(812, AT, FORMAT, cause);
    for (kind, version, previous) in [(Kind::Expired, 2, 700), (Kind::Confirmed, 4, 811)] {
        text.event(&NewEvent {
            kind,
            id: "h:1~x",
            version,
            previous,
            data: &data,
        });
    }
    let moves = [moved(Operation::Confirm, 1), moved(Operation::Release, 1)];
    let text = text.end(&moves);
    let entry = Entry::read(&text).expect("it is readable");
    assert_eq!((entry.position, entry.at, entry.format), (812, AT, FORMAT));
    assert_eq!(entry.cause.kind, "confirm_hold");
    assert_eq!(entry.cause.id, hex(&name));
    assert_eq!(entry.key(), Some((name, fingerprint)));
    assert_eq!(
        (entry.actor.as_str(), entry.moves.as_slice()),
        ("t-shop", &moves[..])
    );
    assert_eq!(entry.events.len(), 2);
    let event = &entry.events[1];
    assert_eq!((event.stream.as_str(), event.id()), ("hold:h:1~x", "h:1~x"));
    assert_eq!(
        (event.version, event.previous, event.kind),
        (4, 811, Kind::Confirmed)
    );
    assert_eq!(event.data::<Hold>(), Ok(hold(State::Confirmed)));
    assert_eq!(event.data.get().as_bytes(), data, "not serialised again");
}

#[test]
fn a_commit_without_key_or_events_is_a_row_too() {
    let cause = Cause {
        kind: "sweep",
        key: None,
        id: "h-1",
        actor: "engine",
        lease: None,
    };
    let text = Text::begin(1, LogTime::from_micros(-5), 1, cause).end(&[]);
    let expected = concat!(
        r#"{"position":1,"at":-5,"format":1,"cause":{"kind":"sweep","id":"h-1"},"#,
        r#""fingerprint":null,"actor":"engine","events":[],"moves":[]}"#
    );
    assert_eq!(std::str::from_utf8(&text), Ok(expected));
    let entry = Entry::read(&text).expect("it is readable");
    assert_eq!(entry.key(), None);
}

#[test]
fn a_text_that_is_not_just_a_row_is_refused() {
    let good = concat!(
        r#"{"position":1,"at":1,"format":1,"cause":{"kind":"sweep","id":""},"#,
        r#""fingerprint":null,"actor":"a","events":[],"moves":[]}"#
    );
    assert!(Entry::read(good.as_bytes()).is_ok());
    let newer = good.replace("\"format\":1", &format!("\"format\":{}", FORMAT + 1));
    let more = good.replace("\"moves\":[]", "\"moves\":[],\"more\":1");
    let zero = good.replace(
        "\"moves\":[]",
        r#""moves":[{"operation":"hold","sku":"a","location":"main","quantity":0,"ref":"r"}]"#,
    );
    let stranger = good.replace(
        "\"events\":[]",
        r#""events":[{"stream":"hold:a","version":1,"previous":0,"type":"stock.lost","data":{}}]"#,
    );
    for bad in [
        newer.as_str(),
        &more,
        &zero,
        &stranger,
        "",
        "null",
        &good[1..],
    ] {
        assert!(Entry::read(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn the_chain_covers_log_salt_order_and_every_byte() {
    let origins = [
        origin("main", &[0; 16]),
        origin("main", &[1; 16]),
        origin("mai", &[0; 16]),
    ];
    assert!(origins[0] != origins[1] && origins[0] != origins[2]);
    let first = link(&origins[0], b"one");
    assert_ne!(first, link(&origins[1], b"one"));
    assert_ne!(first, link(&origins[0], b"onf"));
    let forwards = link(&first, b"two");
    assert_ne!(forwards, link(&link(&origins[0], b"two"), b"one"));
    // SHA-256 of 32 zero bytes and "abc", by another program.
    let known = "365aa7d8f7f9402c4b9434502b4cc89ddb09fe50d7cd95b493b834c62d5a5370";
    assert_eq!(hex(&link(&[0; 32], b"abc")), known);
}

#[test]
fn hexadecimal_digits_are_read_back_and_nothing_else_is() {
    let bytes = [0x00, 0x0f, 0xf0, 0xff];
    assert_eq!(hex(&bytes), "000ff0ff");
    assert_eq!(unhex::<4>("000ff0ff"), Some(bytes));
    for bad in [
        "000ff0f",
        "000ff0ff0",
        "000ff0fg",
        "",
        "+00ff0ff",
        "é00ff0f",
    ] {
        assert_eq!(unhex::<4>(bad), None, "{bad:?}");
    }
}

/// A store whose writers may use what was released: whatever builds come after this one, they write
/// the same there.
fn released(salt: u8) -> MemoryStore {
    let store = MemoryStore::new("main", [salt; 16]);
    store.edit(|tables| tables.head.format = RELEASED);
    store
}

/// A small history that writes every kind of event; how many ms pass before each command.
fn history() -> Vec<(u64, Commit)> {
    let Command::PutSku { mut terms } = put("lamp") else {
        panic!("a put");
    };
    terms.name = "Lamp \"1\"\n\u{e9}\u{1f4a1}".to_owned();
    let first = Command::PutSku {
        terms: terms.clone(),
    };
    (terms.max_per_order, terms.max_per_customer) = (Some(units(5)), Some(units(9)));
    terms.sale = Some(Window {
        opens_at: Some(NOW),
        closes_at: None,
    });
    let partial = Command::Confirm {
        id: hold_id("h-1"),
        lines: Some(wanted(&[("lamp", 1)])),
    };
    let buyer = Command::CreateToken {
        id: token_id("t-1"),
        role: Role::Buyer,
        customer: CustomerId::new("c-1").ok(),
        secret: [7; 32],
    };
    let adjust = Command::ChangeStock {
        sku: sku("lamp"),
        location: LocationId::main(),
        change: Change::WriteOff(units(1)),
        reference: Reference::new("count-4").ok(),
        reason: Some("damaged".to_owned()),
    };
    vec![
        (0, keyed("k-1", first)),
        (1, ask(Command::PutSku { terms })),
        (0, keyed("k-2", change("lamp", Change::Receive(units(6))))),
        (0, ask(adjust)),
        (0, keyed("k-3", place("h-1", &[("lamp", 2)]))),
        (1, ask(extend("h-1"))),
        (0, keyed("k-4", partial)),
        (0, ask(place("h-2", &[("lamp", 1)]))),
        (0, keyed("k-5", release("h-2"))),
        (0, ask(place_for("h-3", &[("lamp", 1)], 1_000))),
        (1_000, ask(expire("h-3"))),
        (0, ask(place_for("h-4", &[("lamp", 3)], 1_000))),
        // This one ends the one before, and is placed, in one row.
        (1_000, keyed("k-6", place("h-5", &[("lamp", 4)]))),
        (0, keyed("k-7", buyer)),
        (0, ask(revoke("t-1"))),
    ]
}

/// The rows of commits that follow each other after so many ms: hash and text, and what happened.
async fn timed_rows_of(asked: Vec<(u64, Commit)>) -> (String, Vec<Kind>) {
    rows_on(released(5), Millis(0), asked).await
}

/// The same on a store whose customers are told so long before their orders' limits.
async fn rows_on(
    store: MemoryStore,
    warn: Millis,
    asked: Vec<(u64, Commit)>,
) -> (String, Vec<Kind>) {
    let (mut clock, mut shown, mut kinds) = (NOW, String::new(), Vec::new());
    for (ms, asked) in asked {
        clock = clock.plus(Millis(ms));
        let (told, writes) = commit_warning(&store, clock, &asked, warn).await;
        let row = writes.unwrap_or_else(|| panic!("{told:?}")).log.remove(0);
        let entry = Entry::read(&row.text).expect("it is readable");
        kinds.extend(entry.events.iter().map(|event| event.kind));
        let text = String::from_utf8(row.text).expect("a text is text");
        shown.push_str(&format!("{} {text}\n", hex(&row.hash)));
    }
    (shown, kinds)
}

/// The same, a ms apart.
async fn rows_of(asked: impl Iterator<Item = Commit>) -> (String, Vec<Kind>) {
    timed_rows_of(asked.map(|asked| (1, asked)).collect()).await
}

#[tokio::test]
async fn the_text_of_every_kind_of_event_is_as_it_always_was() {
    let mut missing: Vec<Kind> = Kind::ALL.to_vec();
    let (shown, kinds) = timed_rows_of(history()).await;
    missing.retain(|kind| !kinds.contains(kind));
    assert!(shown == GOLDEN, "another format:\n{shown}");
    let sagas = sagas::history().await;
    missing.retain(|kind| !sagas.kinds.contains(kind));
    let shown = sagas.shown;
    assert!(shown == GOLDEN_SAGAS, "another format:\n{shown}");
    let (shown, kinds) = carts::history().await;
    missing.retain(|kind| !kinds.contains(kind));
    assert!(shown == GOLDEN_CARTS, "another format:\n{shown}");
    let (shown, kinds) = subscriptions::history().await;
    missing.retain(|kind| !kinds.contains(kind));
    assert!(shown == GOLDEN_SUBSCRIPTIONS, "another format:\n{shown}");
    let (shown, kinds) = warnings::history().await;
    missing.retain(|kind| !kinds.contains(kind));
    assert!(shown == GOLDEN_WARNINGS, "another format:\n{shown}");
    let orders = orders::history().await;
    missing.retain(|kind| !orders.kinds.contains(kind));
    assert_eq!(missing, [], "every kind has a row");
    let shown = orders.shown;
    assert!(shown == GOLDEN_ORDERS, "another format:\n{shown}");
}

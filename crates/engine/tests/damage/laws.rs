//! Logs that are chained well and break a law all the same: what a wrong judge would write.

use super::shop::{START, hold, sku};
use super::site::Memory;
use evenkeel_engine::body::StockData;
use evenkeel_engine::chain::{Cause, NewEvent, Text, link};
use evenkeel_engine::port::{LogRow, NameWrite};
use evenkeel_engine::verify::{Gate, Inputs, Invariant, Kind, verify};
use evenkeel_rules::event::{FORMAT, Kind as Event};
use evenkeel_rules::hold::{Hold, Line, State};
use evenkeel_rules::ids::{CustomerId, LocationId, Reference};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::{Sku, Terms};
use evenkeel_rules::stock::{Balances, Move, Operation};
use evenkeel_rules::time::LogTime;

/// Writes log rows without judging anything.
struct Scribe {
    site: Memory,
    /// Milliseconds since the start.
    at: i64,
}

fn time(at: i64) -> LogTime {
    LogTime::from_micros(START + at * 1_000)
}

fn moved(operation: Operation, units: u64, about: &str) -> Move {
    Move {
        operation,
        sku: sku("lamp"),
        location: LocationId::main(),
        quantity: Quantity::new(units).expect("a quantity"),
        reference: Reference::new(about).expect("an id"),
    }
}

impl Scribe {
    /// A shop with one SKU and ten units of it.
    fn new() -> Self {
        let site = Memory::new();
        let mut scribe = Self { site, at: 0 };
        scribe.receive(10, [-10, 10, 0, 0, 0, 0, 0]);
        scribe
    }

    fn position(&self) -> u64 {
        self.site.0.tables().head.position
    }

    /// Adds a row; its event is of version `version` and follows `previous`.
    fn row(&mut self, event: (Event, &str), version: (u64, u64), data: &[u8], moves: &[Move]) {
        self.keyed(None, event, version, (data, moves));
    }

    fn keyed(
        &mut self,
        key: Option<[u8; 16]>,
        (kind, id): (Event, &str),
        (version, previous): (u64, u64),
        (data, moves): (&[u8], &[Move]),
    ) {
        self.site.0.edit(|tables| {
            let position = tables.head.position + 1;
            let cause = Cause {
                kind: "test",
                key: key.as_ref().map(|name| (name, &[9; 16])),
                id,
                actor: "engine",
                lease: None,
            };
            let mut text = Text::begin(position, time(self.at), FORMAT, cause);
            text.event(&NewEvent {
                kind,
                id,
                version,
                previous,
                data,
            });
            let text = text.end(moves);
            let hash = link(&tables.head.hash, &text);
            (tables.head.position, tables.head.hash) = (position, hash);
            tables.head.time = tables.head.time.max(time(self.at));
            let row = LogRow {
                position,
                hash,
                text,
            };
            tables.log.push(row);
            if let Some(name) = key {
                let fingerprint = [9; 16];
                let write = NameWrite {
                    name,
                    position,
                    fingerprint,
                };
                tables.names.entry(name).or_insert(write);
            }
        });
    }

    fn receive(&mut self, units: u64, after: [i64; 7]) {
        let place = (sku("lamp"), LocationId::main());
        let stock = [(LocationId::main(), Balances::from_raw(after))];
        let data = StockData::new(&place, None, None, &stock);
        let data = serde_json::to_vec(&data).expect("plain JSON");
        let version = self.position() + 1;
        let moves = [moved(Operation::Receive, units, "po-1")];
        self.row(
            (Event::StockReceived, "lamp"),
            (version, version - 1),
            &data,
            &moves,
        );
    }

    /// Puts the SKU's entry, which allows one customer so many units.
    fn limit(&mut self, most: Option<u64>, version: (u64, u64)) {
        let currency = Currency::new("EUR").expect("EUR is in the list");
        let entry = Sku {
            terms: Terms {
                sku: sku("lamp"),
                name: "Lamp".to_owned(),
                price: Money::price(1999, currency).expect("a price"),
                max_per_order: None,
                max_per_customer: most.map(|most| Quantity::new(most).expect("a quantity")),
                sale: None,
            },
            created_at: time(0),
            updated_at: time(self.at),
        };
        let data = serde_json::to_vec(&entry).expect("plain JSON");
        let kind = match version {
            (1, _) => Event::SkuCreated,
            _ => Event::SkuUpdated,
        };
        self.row((kind, "lamp"), version, &data, &[]);
    }

    /// Adds a hold whose units count, or do not.
    fn counted(&mut self, id: &str, units: u64, counted: bool) {
        let mut body = self.body(State::Held, units);
        body.id = hold(id);
        body.lines[0].counted = counted;
        let data = serde_json::to_vec(&body).expect("plain JSON");
        let moves = [moved(Operation::Hold, units, id)];
        self.row((Event::Held, id), (1, 0), &data, &moves);
    }

    fn body(&self, state: State, units: u64) -> Hold {
        let sold = (state == State::Confirmed).then_some(units);
        let changed = (state != State::Held).then_some(time(self.at));
        Hold {
            id: hold("h-1"),
            customer: CustomerId::new("c-1").expect("an id"),
            state,
            order: None,
            lines: vec![Line {
                sku: sku("lamp"),
                location: LocationId::main(),
                quantity: Quantity::new(units).expect("a quantity"),
                confirmed: sold,
                released: sold.map(|_| 0),
                counted: false,
            }],
            placed_at: time(0),
            deadline: time(5_000),
            changed_at: changed,
            ended_at: changed,
        }
    }

    /// Adds an event of the hold `h-1` with the moves that belong to it.
    fn hold(&mut self, kind: Event, units: u64, version: u64) {
        let (state, operation) = match kind {
            Event::Confirmed => (State::Confirmed, Operation::Confirm),
            Event::Released => (State::Released, Operation::Release),
            Event::Expired => (State::Expired, Operation::Expire),
            _ => (State::Held, Operation::Hold),
        };
        let body = self.body(state, units);
        self.written(kind, &body, version, &[moved(operation, units, "h-1")]);
    }

    fn written(&mut self, kind: Event, body: &Hold, version: u64, moves: &[Move]) {
        let data = serde_json::to_vec(body).expect("plain JSON");
        let previous = if version == 1 { 0 } else { self.position() };
        self.row((kind, "h-1"), (version, previous), &data, moves);
    }

    /// What one row says, without the rows of the state that nobody wrote.
    async fn says(&self, invariant: Invariant) -> Vec<Kind> {
        let report = verify(&self.site.0, Inputs::default()).await;
        let report = report.expect("the store answers");
        let clean = [Invariant::I16];
        for each in clean {
            assert!(report.check(each).findings.is_empty(), "{report:#?}");
        }
        report
            .check(invariant)
            .findings
            .iter()
            .map(|finding| finding.kind)
            .collect()
    }
}

const EVERY: [Invariant; 7] = [
    Invariant::I1,
    Invariant::I2,
    Invariant::I3,
    Invariant::I4,
    Invariant::I6,
    Invariant::I7,
    Invariant::I16,
];

/// Demands a finding of one invariant, and none of the others.
async fn only(scribe: &Scribe, invariant: Invariant, kind: Kind) {
    for each in EVERY {
        let expected = if each == invariant {
            vec![kind]
        } else {
            Vec::new()
        };
        let found = scribe.says(each).await;
        // Nobody wrote the names either.
        let found: Vec<Kind> = found
            .into_iter()
            .filter(|it| *it != Kind::KeyMissing)
            .collect();
        assert_eq!(found, expected, "{each:?}");
    }
}

async fn lawful(scribe: &Scribe) {
    for each in EVERY {
        let found = scribe.says(each).await;
        assert!(
            found.iter().all(|kind| *kind == Kind::KeyMissing),
            "{each:?} {found:?}"
        );
    }
}

#[tokio::test]
async fn a_lawful_log_breaks_no_law() {
    let mut scribe = Scribe::new();
    scribe.hold(Event::Held, 3, 1);
    scribe.at = 1;
    scribe.hold(Event::Confirmed, 3, 2);
    lawful(&scribe).await;
}

#[tokio::test]
async fn more_units_held_than_available_is_an_oversell() {
    let mut scribe = Scribe::new();
    scribe.hold(Event::Held, 11, 1);
    only(&scribe, Invariant::I1, Kind::Oversold).await;
}

#[tokio::test]
async fn an_account_beyond_its_bound_is_found() {
    let mut scribe = Scribe::new();
    let most = (1 << 53) - 1;
    scribe.receive(
        most,
        [
            -most.cast_signed() - 10,
            most.cast_signed() + 10,
            0,
            0,
            0,
            0,
            0,
        ],
    );
    only(&scribe, Invariant::I1, Kind::Oversold).await;
}

#[tokio::test]
async fn moves_that_are_not_their_events_are_found() {
    let wrong: [&[Move]; 6] = [
        &[],
        &[moved(Operation::Hold, 2, "h-1")],
        &[moved(Operation::Hold, 3, "h-2")],
        &[moved(Operation::Receive, 3, "h-1")],
        &[
            moved(Operation::Hold, 3, "h-1"),
            moved(Operation::Hold, 3, "h-1"),
        ],
        &[
            moved(Operation::Hold, 1, "h-1"),
            moved(Operation::Hold, 2, "h-1"),
        ],
    ];
    for moves in wrong {
        let mut scribe = Scribe::new();
        let body = scribe.body(State::Held, 3);
        scribe.written(Event::Held, &body, 1, moves);
        only(&scribe, Invariant::I2, Kind::MovesDiffer).await;
    }
}

#[tokio::test]
async fn a_transfer_that_is_not_two_lines_of_as_many_units_is_found() {
    let web = LocationId::new("web").expect("an id");
    let place = (sku("lamp"), LocationId::main());
    let line = |operation, units, location: &LocationId| Move {
        location: location.clone(),
        ..moved(operation, units, "adjust-3")
    };
    for (left, arrived) in [(2, 2), (2, 1), (1, 2)] {
        let mut scribe = Scribe::new();
        let stock = [
            (
                place.1.clone(),
                Balances::from_raw([left - 10, 10 - left, 0, 0, 0, 0, 0]),
            ),
            (
                web.clone(),
                Balances::from_raw([-arrived, arrived, 0, 0, 0, 0, 0]),
            ),
        ];
        let data = StockData {
            to: Some(web.clone()),
            ..StockData::new(&place, None, None, &stock)
        };
        let data = serde_json::to_vec(&data).expect("plain JSON");
        let moves = [
            line(Operation::TransferOut, left.unsigned_abs(), &place.1),
            line(Operation::TransferIn, arrived.unsigned_abs(), &web),
        ];
        scribe.row((Event::StockTransferred, "lamp"), (2, 1), &data, &moves);
        if left == arrived {
            lawful(&scribe).await;
        } else {
            only(&scribe, Invariant::I2, Kind::MovesDiffer).await;
        }
    }
}

#[tokio::test]
async fn a_receive_that_moves_another_way_is_found() {
    let mut scribe = Scribe::new();
    let place = (sku("lamp"), LocationId::main());
    let stock = [(
        LocationId::main(),
        Balances::from_raw([-10, 9, 0, 0, 0, 0, 1]),
    )];
    let data = serde_json::to_vec(&StockData::new(&place, None, None, &stock)).expect("JSON");
    let moves = [moved(Operation::ScrapAvailable, 1, "po-1")];
    scribe.row((Event::StockReceived, "lamp"), (2, 1), &data, &moves);
    only(&scribe, Invariant::I2, Kind::MovesDiffer).await;
}

#[tokio::test]
async fn a_second_ending_is_found() {
    let endings = [Event::Confirmed, Event::Released];
    for (first, second) in [(endings[0], endings[1]), (endings[1], endings[0])] {
        let mut scribe = Scribe::new();
        scribe.hold(Event::Held, 3, 1);
        // Units of somebody else, for the second ending to move.
        let extra = [moved(Operation::Hold, 3, "other")];
        let body = scribe.body(State::Held, 3);
        let other = Hold {
            id: hold("other"),
            ..body
        };
        let data = serde_json::to_vec(&other).expect("plain JSON");
        scribe.row((Event::Held, "other"), (1, 0), &data, &extra);
        let placed = scribe.position() - 1;
        scribe.at = 1;
        let ended = scribe.body(
            if first == Event::Confirmed {
                State::Confirmed
            } else {
                State::Released
            },
            3,
        );
        let operation = if first == Event::Confirmed {
            Operation::Confirm
        } else {
            Operation::Release
        };
        let data = serde_json::to_vec(&ended).expect("plain JSON");
        scribe.row(
            (first, "h-1"),
            (2, placed),
            &data,
            &[moved(operation, 3, "h-1")],
        );
        scribe.hold(second, 3, 3);
        only(&scribe, Invariant::I3, Kind::EndedTwice).await;
    }
}

#[tokio::test]
async fn an_expiry_before_the_deadline_is_found() {
    let mut scribe = Scribe::new();
    scribe.hold(Event::Held, 3, 1);
    scribe.at = 4_999;
    scribe.hold(Event::Expired, 3, 2);
    only(&scribe, Invariant::I4, Kind::ExpiredEarly).await;
}

#[tokio::test]
async fn a_confirm_or_release_at_the_deadline_is_found() {
    for kind in [Event::Confirmed, Event::Released] {
        let mut scribe = Scribe::new();
        scribe.hold(Event::Held, 3, 1);
        scribe.at = 5_000;
        scribe.hold(kind, 3, 2);
        only(&scribe, Invariant::I4, Kind::ChangedLate).await;
    }
}

#[tokio::test]
async fn log_time_that_falls_is_found() {
    let mut scribe = Scribe::new();
    scribe.hold(Event::Held, 3, 1);
    scribe.at = -1;
    scribe.hold(Event::Released, 3, 2);
    only(&scribe, Invariant::I4, Kind::TimeFell).await;
}

#[tokio::test]
async fn an_event_that_may_not_follow_is_found() {
    let mut scribe = Scribe::new();
    scribe.hold(Event::Held, 3, 1);
    scribe.hold(Event::Held, 3, 2);
    only(&scribe, Invariant::I7, Kind::IllegalTransition).await;
    let mut scribe = Scribe::new();
    scribe.row((Event::TokenRevoked, "t-1"), (1, 0), TOKEN, &[]);
    only(&scribe, Invariant::I7, Kind::IllegalTransition).await;
    let mut scribe = Scribe::new();
    scribe.row((Event::TokenCreated, "t-1"), (1, 0), TOKEN, &[]);
    scribe.row((Event::TokenCreated, "t-1"), (2, 2), TOKEN, &[]);
    only(&scribe, Invariant::I7, Kind::IllegalTransition).await;
}

const TOKEN: &[u8] = b"{\"id\":\"t-1\",\"role\":\"staff\",\"created_at\":0}";

#[tokio::test]
async fn an_event_about_another_aggregate_or_unreadable_is_found() {
    for (id, data) in [("t-2", TOKEN), ("t-1", b"{}")] {
        let mut scribe = Scribe::new();
        scribe.row((Event::TokenCreated, id), (1, 0), data, &[]);
        only(&scribe, Invariant::I7, Kind::IllegalTransition).await;
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_event_leaves_is_found() {
    type Edit = fn(&mut Hold);
    let edits: [Edit; 7] = [
        |body| body.state = State::Confirmed,
        |body| body.deadline = time(6_000),
        |body| body.customer = CustomerId::new("c-2").expect("an id"),
        |body| body.placed_at = time(1),
        |body| body.changed_at = None,
        |body| body.ended_at = None,
        |body| body.lines[0].confirmed = Some(1),
    ];
    for edit in edits {
        let mut scribe = Scribe::new();
        scribe.hold(Event::Held, 3, 1);
        scribe.at = 1;
        let mut body = scribe.body(State::Released, 3);
        edit(&mut body);
        scribe.written(
            Event::Released,
            &body,
            2,
            &[moved(Operation::Release, 3, "h-1")],
        );
        only(&scribe, Invariant::I7, Kind::IllegalTransition).await;
    }
}

#[tokio::test]
async fn a_customer_that_has_more_than_the_sku_allows_is_found() {
    for (second, lawful) in [(1, true), (2, false)] {
        let mut scribe = Scribe::new();
        scribe.limit(Some(3), (1, 0));
        scribe.counted("h-1", 2, true);
        scribe.counted("h-2", second, true);
        let found = if lawful {
            Vec::new()
        } else {
            vec![Kind::IllegalTransition]
        };
        assert_eq!(scribe.says(Invariant::I7).await, found);
    }
}

#[tokio::test]
async fn units_that_count_without_a_limit_or_the_other_way_round_are_found() {
    let mut scribe = Scribe::new();
    scribe.limit(None, (1, 0));
    scribe.counted("h-1", 1, true);
    only(&scribe, Invariant::I7, Kind::IllegalTransition).await;

    let mut scribe = Scribe::new();
    scribe.limit(Some(3), (1, 0));
    // A limit that was set before there were shares counted nothing at first.
    scribe.counted("h-1", 1, false);
    assert_eq!(scribe.says(Invariant::I7).await, []);
    scribe.counted("h-2", 1, true);
    scribe.counted("h-3", 1, false);
    only(&scribe, Invariant::I7, Kind::IllegalTransition).await;

    let mut scribe = Scribe::new();
    scribe.limit(Some(3), (1, 0));
    scribe.counted("h-1", 1, true);
    scribe.limit(None, (2, 2));
    scribe.counted("h-2", 1, false);
    scribe.limit(Some(3), (3, 4));
    assert_eq!(scribe.says(Invariant::I7).await, []);
}

#[tokio::test]
async fn a_hold_that_forgets_that_its_units_count_is_found() {
    let mut scribe = Scribe::new();
    scribe.limit(Some(3), (1, 0));
    scribe.counted("h-1", 1, true);
    scribe.at = 1;
    let released = scribe.body(State::Released, 1);
    let moves = [moved(Operation::Release, 1, "h-1")];
    scribe.written(Event::Released, &released, 2, &moves);
    only(&scribe, Invariant::I7, Kind::IllegalTransition).await;
}

#[tokio::test]
async fn a_key_that_took_effect_twice_is_found() {
    let mut scribe = Scribe::new();
    for id in ["t-1", "t-2"] {
        let data = String::from_utf8(TOKEN.to_vec())
            .expect("text")
            .replace("t-1", id);
        let event = (Event::TokenCreated, id);
        scribe.keyed(Some([5; 16]), event, (1, 0), (data.as_bytes(), &[]));
    }
    only(&scribe, Invariant::I6, Kind::EffectTwice).await;
}

#[tokio::test]
async fn balances_that_an_event_shows_are_compared_with_the_fold() {
    let mut scribe = Scribe::new();
    scribe.receive(5, [-15, 14, 1, 0, 0, 0, 0]);
    assert!(
        scribe
            .says(Invariant::I8)
            .await
            .contains(&Kind::BalanceEdited)
    );
    let mut scribe = Scribe::new();
    scribe.receive(5, [-15, 15, 0, 0, 0, 0, 0]);
    assert_eq!(scribe.says(Invariant::I8).await, []);
}

#[tokio::test]
async fn a_gate_that_refuses_what_is_there_is_found() {
    use evenkeel_engine::gate::memory::MemoryGate;
    use evenkeel_engine::port::{News, StockGate};
    use std::time::Duration;
    let site = Memory::new();
    super::shop::Shop::new(&site.0).open().await;
    for (shown, expected) in [(4, vec![]), (3, vec![Kind::FalseSoldOut])] {
        let gate = MemoryGate::new(18);
        let place = (sku("lamp"), LocationId::main());
        gate.absorb(&News {
            after: 18,
            position: 19,
            available: vec![(place.clone(), shown)],
            searched: vec![place],
            time: time(1),
            mono: Duration::from_secs(1),
            ..News::default()
        });
        let mono = Duration::from_millis(1_050);
        gate.seen(19, mono);
        let inputs = Inputs {
            gate: Some(Gate { gate: &gate, mono }),
            ..Inputs::default()
        };
        let report = verify(&site.0, inputs).await.expect("the store answers");
        let check = report.check(Invariant::I8);
        let found: Vec<Kind> = check.findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(found, expected);
        let note = check.note.as_deref().unwrap_or_default();
        assert!(!note.contains("gate"), "the gate was asked: {note}");
    }
}

//! Batches written by hand: what a store keeps, whatever the judge would have made of it.

use super::world::START;
use evenkeel_engine::callback::{Callback, Sender, State};
use evenkeel_engine::chain::{Cause, NewEvent, Text, hex, link};
use evenkeel_engine::commit::{Timer, order_name, saga_name};
use evenkeel_engine::port::{
    CallbackRow, DueRow, Fault, LogRow, NameWrite, OrderRow, Row, RowWrite, SagaRow, Store, Touch,
    Writes,
};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::{News, Order, Tries, Word};
use evenkeel_rules::saga::journey;
use evenkeel_rules::time::{LogTime, Millis};

pub(crate) fn order(id: &str) -> OrderId {
    OrderId::new(id).expect("a well-formed id")
}

/// So many ms after the start.
pub(crate) fn at(ms: u64) -> LogTime {
    START.plus(Millis(ms))
}

/// A batch that writes nothing yet but that it was there.
pub(crate) async fn batch(store: &dyn Store) -> Writes {
    let mut head = store.head().await.expect("readable");
    head.batches.push_back(fastrand::u128(..).to_be_bytes());
    head.time = head.time.max(START);
    Writes::onto(head)
}

pub(crate) async fn finish(store: &dyn Store, writes: &Writes) -> Result<(), Fault> {
    let (locked, _) = store.lock(&Touch::default()).await.expect("lockable");
    locked.finish(writes).await
}

/// Adds a log row with one event; its position.
fn log(writes: &mut Writes, kind: Kind, id: &str, data: &[u8]) -> u64 {
    let position = writes.head.position + 1;
    let cause = Cause {
        kind: "by_hand",
        key: None,
        id: "x",
        actor: "engine",
        lease: None,
    };
    let mut text = Text::begin(position, writes.head.time, writes.head.format, cause);
    text.event(&NewEvent {
        kind,
        id,
        version: 1,
        previous: 0,
        data,
    });
    let text = text.end(&[]);
    let hash = link(&writes.head.hash, &text);
    (writes.head.position, writes.head.hash) = (position, hash);
    writes.log.push(LogRow {
        position,
        hash,
        text,
    });
    position
}

fn row<T>(created: u64, body: T) -> Row<T> {
    Row {
        created,
        last: created,
        version: 1,
        body,
        tries: Tries::default(),
        due: None,
        flagged: false,
    }
}

/// Adds a new order; its row can be changed before the batch is written.
pub(crate) fn take<'a>(writes: &'a mut Writes, id: &str) -> &'a mut OrderRow {
    let currency = Currency::new("EUR").expect("a code");
    let body = Order::never(&order(id), currency, START);
    let data = serde_json::to_vec(&body).expect("plain JSON");
    let position = log(writes, Kind::OrderCreated, id, &data);
    let (name, fingerprint) = (order_name(&body.id), [0; 16]);
    writes.names.push(NameWrite {
        name,
        position,
        fingerprint,
    });
    let (row, was) = (row(position, body), None);
    writes.orders.push(RowWrite { row, was });
    &mut writes.orders.last_mut().expect("it was added").row
}

/// Adds a new callback about an order.
pub(crate) fn call<'a>(writes: &'a mut Writes, about: &str) -> &'a mut CallbackRow {
    let amount = Money {
        amount: 1_999,
        currency: Currency::new("EUR").expect("a code"),
    };
    let body = Callback {
        state: State::Stored,
        sender: Sender::Payment,
        provider: "sandbox".to_owned(),
        event: format!("e-{}", writes.head.position),
        order: order(about),
        news: News::Money {
            word: Word::Completed,
            transaction: "t-1".to_owned(),
            amount,
        },
        sha256: hex(&[7; 32]),
        stored_at: START,
        why: None,
    };
    let data = serde_json::to_vec(&body).expect("plain JSON");
    let number = (writes.head.position + 1).to_string();
    let position = log(writes, Kind::CallbackStored, &number, &data);
    let (row, was) = (row(position, body), None);
    writes.callbacks.push(RowWrite { row, was });
    &mut writes.callbacks.last_mut().expect("it was added").row
}

/// Adds a new saga.
pub(crate) fn saga<'a>(writes: &'a mut Writes, ask: &journey::Ask) -> &'a mut SagaRow {
    let body = journey::start(ask, false, START).expect("a fresh id");
    let data = serde_json::to_vec(&body).expect("plain JSON");
    let position = log(writes, Kind::SagaStarted, ask.id.as_str(), &data);
    let (name, fingerprint) = (saga_name(&ask.id), [0; 16]);
    writes.names.push(NameWrite {
        name,
        position,
        fingerprint,
    });
    let (row, was) = (row(position, body), None);
    writes.sagas.push(RowWrite { row, was });
    &mut writes.sagas.last_mut().expect("it was added").row
}

/// Adds the timers of all rows of a batch that are due at some time.
pub(crate) fn arm(writes: &mut Writes) {
    let orders = writes.orders.iter().map(|it| (it.row.created, it.row.due));
    let callbacks = writes.callbacks.iter();
    let sagas = writes.sagas.iter();
    let orders = orders.chain(sagas.map(|it| (it.row.created, it.row.due)));
    let all = orders.chain(callbacks.map(|it| (it.row.created, it.row.due)));
    let timers = all.filter_map(|(created, due)| Some(Timer { due: due?, created }));
    writes.dues = timers.collect();
}

/// Writes one new order that is due at some time; the position that created it.
pub(crate) async fn taken(store: &dyn Store, id: &str, due: Option<LogTime>) -> u64 {
    let mut writes = batch(store).await;
    take(&mut writes, id).due = due;
    arm(&mut writes);
    finish(store, &writes).await.expect("it fits");
    writes.head.position
}

/// Moves an order's due time as a try does: without a fact.
pub(crate) async fn moved(store: &dyn Store, id: &str, due: Option<LogTime>) {
    let row = store.order(&order(id)).await.expect("readable").rows;
    let mut row = row.expect("it exists");
    let mut writes = batch(store).await;
    row.due = due;
    row.tries.calls += 1;
    let was = Some(row.version);
    writes.orders.push(RowWrite { row, was });
    arm(&mut writes);
    finish(store, &writes).await.expect("it fits");
}

/// Ids of orders and positions of callbacks that are due, in order.
pub(crate) async fn due(store: &dyn Store, until: LogTime, limit: usize) -> Vec<String> {
    let rows = store.due_rows(until, limit).await.expect("readable").rows;
    rows.iter().map(word).collect()
}

/// What a row is in one word: an order's id, or `#` and a callback's position.
pub(crate) fn word(row: &DueRow) -> String {
    match row {
        DueRow::Order(row) => row.body.id.to_string(),
        DueRow::Saga(row) => format!("saga {}", row.body.id),
        DueRow::Callback(row) => format!("#{}", row.created),
    }
}

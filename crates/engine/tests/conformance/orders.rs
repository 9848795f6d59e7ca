//! Orders through engines: from the click to the door, and the same end whoever judges.

use super::engines::OpenGate;
use super::hand::{at, due, order, word};
use super::world::{
    START, Shop, TestClock, TestIds, ask, confirm, customer, keyed, options, place, put, receive,
    release, wanted,
};
use super::{Fixture, audit};
use evenkeel_engine::callback::{Sender, State as Taken};
use evenkeel_engine::commit::{Command, Effect, Received, Rejection, hold_of};
use evenkeel_engine::port::{CallbackRow, Clock, OrderRow, Store};
use evenkeel_engine::{Done, Engine, Options, Ports, Refusal, Request};
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::RefundId;
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::order::{self, Ask, News, Receipt, ReturnLine, Status, Task, Told, Word};
use evenkeel_rules::payment::Settled;
use evenkeel_rules::shipment::Status as Parcel;
use evenkeel_rules::time::{LogTime, Millis};
use std::sync::Arc;

const ALL: u64 = u64::MAX >> 1;

/// An order of units under a hold of its own, or under one that was placed before.
pub(crate) fn take(id: &str, lines: &[(&str, u64)], hold: Option<&str>) -> Command {
    Command::TakeOrder {
        ask: Box::new(Ask {
            id: order(id),
            customer: customer("c-1"),
            lines: wanted(lines),
            hold: hold.map(super::world::hold),
            method: "card".to_owned(),
            expected_total: None,
            adjustments: Vec::new(),
            confirming: Millis(900_000),
        }),
        private: format!("{{\"address\":\"where {id} goes\"}}"),
    }
}

/// What came of a call that the row needed.
fn report(row: &OrderRow, task: Task, told: Told) -> Command {
    Command::Report {
        id: row.body.id.clone(),
        task,
        told,
        seen: row.version,
        random: 7,
        lease: None,
    }
}

fn money(transaction: &str, status: Settled, amount: i64) -> Told {
    Told::Money(Receipt {
        transaction: transaction.to_owned(),
        status,
        amount: Some(amount),
    })
}

fn parcel(row: &OrderRow, status: Parcel) -> Told {
    Told::Parcel {
        delivery: format!("d-{}", row.created),
        status,
    }
}

fn order_of(done: Done) -> OrderRow {
    match done.effect {
        Effect::Order(row) => *row,
        other => panic!("not an order: {other:?}"),
    }
}

/// What an answer shows of an order; when it is looked at next is bookkeeping.
fn shown(row: &OrderRow) -> (u64, u64, &order::Order) {
    (row.last, row.version, &row.body)
}

/// Takes the order, and looks at all that its first commit leaves.
async fn just_taken(shop: &Shop, request: Request) -> OrderRow {
    let taken = shop.ok(request).await;
    let position = taken.position;
    let row = order_of(taken);
    assert_eq!((row.created, row.version), (position, 1));
    assert_eq!(row.body.status, Status::Pending);
    let hold = hold_of(&order("o-1"));
    assert_eq!(shop.state(hold.as_str()).await, State::Confirming);
    let text = shop.store.private((position, 0)).await.expect("readable");
    let text = text.rows.expect("it was kept");
    assert!(text.text.contains("where o-1 goes"));
    assert_eq!(text.customer, Some(customer("c-1")));
    let logged = audit::texts(&*shop.store).await.concat();
    assert!(!logged.contains("where o-1 goes"), "it is never logged");
    assert_eq!(due(&*shop.store, at(1_000), 9).await, ["o-1"]);
    // The customer cannot give a hold back on which money is being moved.
    let no = shop.no(ask(release(hold.as_str()))).await;
    assert!(matches!(no, Rejection::Hold(_)), "{no:?}");
    row
}

/// Reports one answer of a provider; the order after it.
async fn told(shop: &Shop, row: &OrderRow, task: Task, told: Told) -> OrderRow {
    order_of(shop.ok(ask(report(row, task, told))).await)
}

pub(crate) async fn an_order_is_taken_charged_confirmed_and_delivered<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let request = keyed("k-1", take("o-1", &[("lamp", 2)], None));
    let row = just_taken(&shop, request.clone()).await;
    let position = row.created;

    let total = row.body.total.amount;
    let charged = report(&row, Task::Charge, money("t-1", Settled::Completed, total));
    let row = order_of(shop.ok(ask(charged.clone())).await);
    assert_eq!(row.body.status, Status::Confirmed);
    let hold = hold_of(&order("o-1"));
    assert_eq!(shop.state(hold.as_str()).await, State::Confirmed);
    assert_eq!(shop.balances("lamp").await.raw(), [-5, 3, 0, 2, 0, 0, 0]);
    let same = shop.ok(ask(charged)).await;
    assert_eq!(same.effect, Effect::Tried, "the same news changes nothing");

    let said = parcel(&row, Parcel::Initiated);
    let row = told(&shop, &row, Task::Deliver, said).await;
    let said = parcel(&row, Parcel::InTransit);
    let row = told(&shop, &row, Task::AskDelivery, said).await;
    assert_eq!(row.body.status, Status::Shipped);
    let said = parcel(&row, Parcel::Delivered);
    let row = told(&shop, &row, Task::AskDelivery, said).await;
    assert_eq!((row.body.status, row.due), (Status::Delivered, None));
    assert_eq!(shop.balances("lamp").await.raw(), [-5, 3, 0, 0, 2, 0, 0]);
    assert_eq!(due(&*shop.store, at(99_000_000), 9).await, [""; 0]);

    let again = shop.ok(request).await;
    assert!(again.replayed && again.position == position);
    let then = order_of(again).body.status;
    assert_eq!(then, Status::Pending, "as it was then");
    let no = shop.no(ask(take("o-1", &[("lamp", 1)], None))).await;
    assert_eq!(no, order::Rejection::AlreadyExists.into());
    shop.close().await;

    let shop = Shop::open_with(fixture.reopen().await, TestClock::new(), options()).await;
    let kept = shop.store.order(&order("o-1")).await.expect("readable");
    let kept = kept.rows.expect("it is kept");
    assert_eq!(shown(&kept), shown(&row));
    shop.close().await;
}

fn callback_of(done: Done) -> CallbackRow {
    match done.effect {
        Effect::Callback { row, .. } => *row,
        other => panic!("not a callback: {other:?}"),
    }
}

pub(crate) async fn a_callback_is_kept_once_and_taken_in_once<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let row = order_of(shop.ok(ask(take("o-1", &[("lamp", 1)], None))).await);
    let total = row.body.total.amount;
    let said = |id: &str, event: &str| {
        let charge = format!("t-{id}");
        received(id, event, money_news(&charge, Word::Completed, total))
    };
    let apply = |created| {
        let lease = None;
        ask(Command::ApplyCallback { created, lease })
    };
    // Where nothing has to be waited for, it is taken in with the commit that keeps it.
    let pending = report(&row, Task::Charge, money("t-o-1", Settled::Pending, total));
    shop.ok(ask(pending)).await;
    let kept = shop.ok(ask(said("o-1", "e-1"))).await;
    let (position, callback) = (kept.position, callback_of(kept));
    assert_eq!((callback.body.state, callback.due), (Taken::Applied, None));
    let stands = shop.store.order(&order("o-1")).await.expect("readable");
    assert_eq!(stands.rows.expect("kept").body.status, Status::Confirmed);
    let again = shop.ok(ask(said("o-1", "e-1"))).await;
    assert_eq!((again.replayed, again.position), (true, position));
    callback_of(again);
    let head = shop.head().await;
    let twice = shop.ok(apply(callback.created)).await;
    assert_eq!((twice.effect, shop.head().await), (Effect::Tried, head));

    // What comes before the provider's own answer waits for it.
    let row = order_of(shop.ok(ask(take("o-2", &[("lamp", 1)], None))).await);
    let created = callback_of(shop.ok(ask(said("o-2", "e-2"))).await).created;
    assert_eq!(due(&*shop.store, START, 9).await, [format!("#{created}")]);
    let pending = report(&row, Task::Charge, money("t-o-2", Settled::Pending, total));
    shop.ok(ask(pending)).await;
    let row = order_of(shop.ok(apply(created)).await);
    assert_eq!(row.body.status, Status::Confirmed);
    let head = shop.head().await;
    let twice = shop.ok(apply(created)).await;
    assert_eq!((twice.effect, shop.head().await), (Effect::Tried, head));

    // Another body under the same id is kept beside it, for a person.
    let other = received("o-1", "e-1", money_news("t-1", Word::Failed, total));
    shop.ok(ask(other)).await;
    let flagged = shop.store.flagged(ALL, 9).await.expect("readable").rows;
    let flagged: Vec<String> = flagged.iter().map(word).collect();
    assert_eq!(flagged, [format!("#{}", shop.head().await)]);
    shop.close().await;
}

/// A provider can take or move money long after the order's calls are over. The news have it asked,
/// and what it then says of the charge is what counts.
pub(crate) async fn news_of_a_charge_that_nobody_asks_about_have_the_provider_asked<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let early = order_of(shop.ok(ask(take("o-1", &[("lamp", 1)], None))).await);
    let total = early.body.total.amount;
    let early = told(&shop, &early, Task::Charge, Told::Refused).await;
    assert_eq!((early.body.status, early.due), (Status::Cancelled, None));
    let odd = order_of(shop.ok(ask(take("o-2", &[("lamp", 1)], None))).await);
    let paid = money("t-2", Settled::Completed, total);
    let odd = told(&shop, &odd, Task::Charge, paid).await;
    assert_eq!(odd.body.status, Status::Confirmed);

    // A charge after a refusal; a completion of more than the provider said it took.
    let unnamed = money_news("t-1", Word::Completed, total);
    let other = money_news("t-2", Word::Completed, total + 1);
    for (about, news) in [("o-1", unnamed), ("o-2", other)] {
        let event = format!("e-{about}");
        let said = || ask(received(about, &event, news.clone()));
        let created = callback_of(shop.ok(said()).await).created;
        let again = shop.ok(said()).await;
        assert!(again.replayed, "what its order noted behind it is not it");
        assert_eq!(callback_of(again).created, created);
        let lease = None;
        shop.ok(ask(Command::ApplyCallback { created, lease }))
            .await;
        let stands = shop.store.order(&order(about)).await.expect("readable");
        let stands = stands.rows.expect("it is kept");
        assert!(stands.body.watched, "{about}");
        // What was sent may be on its way for a minute.
        let soon = shop.store.head().await.expect("readable").time;
        let soon = soon.plus(Millis(61_000));
        assert!(stands.due.is_some_and(|due| due <= soon), "{about} soon");
    }
    shop.close().await;
}

fn money_news(transaction: &str, word: Word, amount: i64) -> News {
    News::Money {
        word,
        transaction: transaction.to_owned(),
        amount: euros(amount),
    }
}

fn euros(amount: i64) -> Money {
    let currency = Currency::new("EUR").expect("a code");
    Money { amount, currency }
}

fn received(about: &str, event: &str, news: News) -> Command {
    let raw = format!("{{\"id\":\"{event}\",\"says\":\"{news:?}\"}}");
    Command::StoreCallback(Box::new(Received {
        sender: match news {
            News::Money { .. } => Sender::Payment,
            News::Parcel { .. } => Sender::Delivery,
        },
        provider: "sandbox".to_owned(),
        event: event.to_owned(),
        order: order(about),
        news,
        raw,
    }))
}

pub(crate) async fn a_customers_texts_are_erased_and_nothing_else_changes<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    for id in ["o-1", "o-2"] {
        shop.ok(ask(take(id, &[("lamp", 1)], None))).await;
    }
    let (before, who) = (audit::texts(&*shop.store).await, customer("c-1"));
    let texts = shop.store.private_of(&who, (0, 0), 9).await;
    let texts: Vec<_> = texts
        .expect("readable")
        .rows
        .iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(texts.len(), 2);
    let erase = Command::Erase {
        customer: who.clone(),
        texts,
        reason: "she asked".to_owned(),
    };
    let done = shop.ok(keyed("k-1", erase.clone())).await;
    assert_eq!(done.effect, Effect::Erased(2));
    let left = shop.store.private_of(&who, (0, 0), 9).await;
    assert!(left.expect("readable").rows.is_empty());
    let after = audit::texts(&*shop.store).await;
    assert_eq!(after[..before.len()], before[..], "no hash is touched");
    assert!(shop.ok(keyed("k-1", erase)).await.replayed);
    shop.close().await;
}

/// What a history does next; the rows that it is about are read when it is done.
#[derive(Debug, Clone)]
enum Step {
    Ask(Command),
    /// Something comes of what the order needs.
    Report(String, u64),
    /// A provider sends news of the order.
    Callback(String, u64),
    /// The oldest callbacks that are due are taken in.
    Inbox,
    /// A customer wants to be forgotten.
    Forget,
}

/// A history of orders over two SKUs; the same one every time.
fn history() -> Vec<(u64, Step)> {
    let mut dice = fastrand::Rng::with_seed(11);
    let mut steps = Vec::new();
    for id in ["lamp", "chair"] {
        steps.extend([put(id), receive(id, 25)].map(|command| (1, Step::Ask(command))));
    }
    for number in 0..600_u32 {
        let young = dice.u32(number.saturating_sub(60) / 8..=number / 8);
        let id = format!("o-{young}");
        let count = dice.u64(1..3);
        let step = match dice.u32(0..24) {
            0 => Step::Ask(receive("lamp", dice.u64(1..4))),
            1 => Step::Ask(place(&format!("h-{young}"), &[("chair", count)])),
            2 => Step::Ask(take(&id, &[("chair", count)], Some(&format!("h-{young}")))),
            3 => Step::Ask(take(&id, &[("lamp", count), ("chair", 1)], None)),
            4 => Step::Ask(confirm(&format!("h-{young}"))),
            5 => Step::Ask(cancel(&id)),
            6 => Step::Ask(refund(&id, dice.i64(1..3_000), number)),
            7 => Step::Ask(Command::ReturnOrder {
                id: order(&id),
                lines: vec![ReturnLine {
                    sku: super::world::sku("lamp"),
                    quantity: super::world::units(1),
                }],
                restock: dice.bool(),
            }),
            8 => Step::Ask(Command::ResolveOrder {
                id: order(&id),
                go_on: dice.bool(),
                confirming: Millis(60_000),
                reason: Some("a person said so".to_owned()),
            }),
            9 | 10 => Step::Callback(id, dice.u64(..)),
            11 | 12 => Step::Inbox,
            13 if number % 50 == 0 => Step::Forget,
            _ => Step::Report(id, dice.u64(..)),
        };
        let pause = if dice.u32(0..40) == 0 { 1_000_000 } else { 900 };
        steps.push((dice.u64(0..pause), step));
        if number % 8 == 0 {
            let line = if dice.bool() { "lamp" } else { "chair" };
            let take = take(&format!("o-{}", number / 8), &[(line, count)], None);
            steps.push((1, Step::Ask(take)));
        }
    }
    steps
}

pub(crate) fn cancel(id: &str) -> Command {
    let (id, reason) = (order(id), Some("too late".to_owned()));
    Command::CancelOrder { id, reason }
}

pub(crate) fn refund(id: &str, amount: i64, number: u32) -> Command {
    Command::RefundOrder {
        id: order(id),
        refund: RefundId::new(&format!("r-{number}")).expect("an id"),
        amount: (amount > 500).then(|| euros(amount)),
        reason: None,
    }
}

/// What a provider of many moods says to an order's present task.
fn answer(row: &OrderRow, task: Task, mut dice: fastrand::Rng) -> Told {
    let total = row.body.total.amount;
    match (task, dice.u32(0..12)) {
        (_, 0) => Told::Unknown,
        (_, 1) => Told::NotSent,
        (Task::AskCharge | Task::AskDelivery | Task::AskRefund(_), 2) => Told::NeverSeen,
        (_, 2) => Told::Refused,
        (Task::Charge | Task::AskCharge, roll) => {
            let status = match roll {
                3 => Settled::Failed,
                4 => Settled::Pending,
                _ => Settled::Completed,
            };
            let amount = if roll == 5 { total / 2 } else { total };
            money(&format!("t-{}", row.created), status, amount)
        }
        (Task::Deliver | Task::AskDelivery | Task::Recall, roll) => {
            let status = match (task, roll) {
                (Task::Recall, _) => Parcel::Cancelled,
                (_, 3) => Parcel::Failed,
                (Task::Deliver, _) => Parcel::Initiated,
                (_, roll) if roll.is_multiple_of(2) => Parcel::InTransit,
                _ => Parcel::Delivered,
            };
            parcel(row, status)
        }
        (Task::Refund(number) | Task::AskRefund(number), roll) => {
            let amount = row.body.refunds.get(number).map_or(0, |it| it.amount);
            let status = if roll == 3 {
                Settled::Pending
            } else {
                Settled::Completed
            };
            money(&format!("r-{}-{number}", row.created), status, amount)
        }
    }
}

/// What a provider sends about an order, by itself.
fn news(row: &OrderRow, mut dice: fastrand::Rng) -> News {
    let total = row.body.total.amount;
    let transaction = format!("t-{}", row.created);
    match dice.u32(0..8) {
        0 => money_news(&transaction, Word::Failed, total),
        1 => money_news(&transaction, Word::Refunded, total),
        2 => money_news("t-stranger", Word::Completed, total),
        3 => money_news(&transaction, Word::Completed, total / 2),
        4 => News::Parcel {
            delivery: format!("d-{}", row.created),
            status: Parcel::InTransit,
        },
        5 => News::Parcel {
            delivery: format!("d-{}", row.created),
            status: Parcel::Delivered,
        },
        _ => money_news(&transaction, Word::Completed, total),
    }
}

/// What a step asks, given the rows as they stand.
async fn asked(store: &dyn Store, step: Step, (number, now): (usize, LogTime)) -> Option<Command> {
    let dice = |seed: u64| fastrand::Rng::with_seed(seed);
    let row = async |id: &str| store.order(&order(id)).await.expect("readable").rows;
    match step {
        Step::Ask(command) => Some(command),
        Step::Report(id, seed) => {
            let row = row(&id).await?;
            let task = row.body.due(row.tries, 7)?.task;
            Some(report(&row, task, answer(&row, task, dice(seed))))
        }
        Step::Callback(id, seed) => {
            let event = format!("e-{number}");
            let Some(row) = row(&id).await else {
                let news = money_news("t-early", Word::Completed, 1);
                return Some(received(&id, &event, news));
            };
            Some(received(&id, &event, news(&row, dice(seed))))
        }
        Step::Inbox => {
            let due = store.due_rows(now, 999).await.expect("readable").rows;
            due.iter().find_map(|row| match row {
                evenkeel_engine::port::DueRow::Callback(row) => Some(Command::ApplyCallback {
                    created: row.created,
                    lease: None,
                }),
                evenkeel_engine::port::DueRow::Order(_)
                | evenkeel_engine::port::DueRow::Saga(_) => None,
            })
        }
        Step::Forget => {
            let who = customer("c-1");
            let texts = store.private_of(&who, (0, 0), 3).await.expect("readable");
            let texts = texts.rows.iter().map(|row| row.id).collect();
            Some(Command::Erase {
                customer: who,
                texts,
                reason: "she asked".to_owned(),
            })
        }
    }
}

/// Everything that a history leaves.
#[derive(Debug, PartialEq)]
struct End {
    told: Vec<Result<Done, Refusal>>,
    log: Vec<String>,
    orders: Vec<OrderRow>,
    callbacks: Vec<CallbackRow>,
    due: Vec<String>,
}

/// Runs the history on so many engines in turn.
async fn run<F: Fixture>(nodes: usize, cache: bool) -> End {
    let (fixture, clock) = (F::empty().await, TestClock::new());
    let mut engines = Vec::with_capacity(nodes);
    for node in 0..nodes {
        let ports = Ports {
            outlet: None,
            store: fixture.store().await,
            gate: Some(Arc::new(OpenGate)),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ids: TestIds::new(node as u64),
            gateway: None,
        };
        let options = Options { cache, ..options() };
        engines.push(Engine::start(ports, options).await.expect("it starts"));
    }
    let mut told = Vec::new();
    for (number, (ms, step)) in history().into_iter().enumerate() {
        clock.advance(ms);
        let engine = &engines[number % nodes];
        let at = (number, clock.now());
        if let Some(command) = asked(&**engine.store(), step, at).await {
            told.push(engine.execute(keyed(&format!("k-{number}"), command)).await);
        }
    }
    for engine in &engines {
        engine.stop().await;
    }
    let store = Arc::clone(engines[0].store());
    audit::whole(&*store).await;
    let far = at(9_999_999_999);
    End {
        told,
        log: audit::texts(&*store).await,
        orders: store.orders(ALL, 9_999).await.expect("readable").rows,
        callbacks: store.callbacks(ALL, 9_999).await.expect("readable").rows,
        due: due(&*store, far, 9_999).await,
    }
}

pub(crate) async fn two_engines_over_orders_come_to_the_same_end<F: Fixture>() {
    let first = run::<F>(1, false).await;
    let statuses = [
        Status::Pending,
        Status::Confirmed,
        Status::Shipped,
        Status::Delivered,
        Status::Cancelled,
        Status::Expired,
        Status::Refunded,
        Status::Rejected,
    ];
    for status in statuses {
        let some = first.orders.iter().any(|row| row.body.status == status);
        assert!(some, "no order is {status:?}");
    }
    assert!(first.orders.iter().any(|row| row.flagged), "somebody waits");
    assert!(
        first.callbacks.iter().any(|row| row.flagged),
        "one is set aside"
    );
    for (nodes, cache) in [(1, true), (2, false), (2, true)] {
        let again = run::<F>(nodes, cache).await;
        for (number, (one, other)) in first.told.iter().zip(&again.told).enumerate() {
            assert_eq!(one, other, "answer {number}, {nodes} nodes, cache {cache}");
        }
        assert!(first == again, "{nodes} nodes, cache {cache}");
    }
}

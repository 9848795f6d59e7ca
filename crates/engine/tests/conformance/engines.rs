//! Several engines on one store.

use super::world::{
    Shop, TestClock, TestIds, ask, confirm, extend, keyed, options, place, place_for, put, receive,
    release,
};
use super::{Fixture, audit};
use evenkeel_engine::commit::{Command, Rejection};
use evenkeel_engine::committer::Broken;
use evenkeel_engine::port::{Clock, Fault, News, StockGate};
use evenkeel_engine::token::Position;
use evenkeel_engine::{Done, Engine, Options, Ports, Refusal};
use evenkeel_rules::hold::{self, Wanted};
use evenkeel_rules::time::LogTime;
use std::sync::Arc;
use std::time::Duration;

/// A gate that never says no, so that the ledger alone answers.
pub(crate) struct OpenGate;

impl StockGate for OpenGate {
    fn refuses(&self, _: &[Wanted], _: LogTime, _: Duration) -> Option<u64> {
        None
    }
    fn absorb(&self, _: &News) {}
    fn position(&self) -> u64 {
        u64::MAX
    }
    fn seen(&self, _: u64, _: Duration) {}
}

/// A history of 600 commands over three SKUs; the same one every time.
fn history() -> Vec<(u64, Command)> {
    let mut dice = fastrand::Rng::with_seed(4);
    let skus = ["sku-a", "sku-b", "sku-c"];
    let mut commands: Vec<(u64, Command)> = skus.iter().map(|id| (1, put(id))).collect();
    for number in 0..600 {
        let old = format!("h-{}", dice.u32(0..=number / 2));
        let (first, second) = (dice.usize(0..3), dice.usize(0..3));
        let count = dice.u64(1..4);
        let command = match dice.u32(0..12) {
            0 => receive(skus[first], dice.u64(1..20)),
            1 => put(skus[first]),
            2 | 3 => confirm(&old),
            4 => release(&old),
            5 => extend(&old, dice.u64(1_000..60_000)),
            6 => place(&old, &[(skus[first], count)]),
            7 if first != second => place_for(
                &format!("h-{}", number / 2),
                &[(skus[first], count), (skus[second], count)],
                dice.u64(1_000..9_000),
            ),
            _ => place_for(
                &format!("h-{}", number / 2),
                &[(skus[first], count)],
                dice.u64(1_000..9_000),
            ),
        };
        commands.push((dice.u64(0..200), command));
    }
    commands
}

type Told = Vec<Result<Done, Refusal>>;

/// Runs the history on so many engines in turn; what was told, and the log.
async fn run<F: Fixture>(nodes: usize, cache: bool) -> (Told, Vec<String>) {
    let (fixture, clock) = (F::empty().await, TestClock::new());
    let mut engines = Vec::with_capacity(nodes);
    for node in 0..nodes {
        let ports = Ports {
            outlet: None,
            store: fixture.store().await,
            gate: Some(Arc::new(OpenGate)),
            gateway: None,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ids: TestIds::new(node as u64),
        };
        let options = Options { cache, ..options() };
        engines.push(Engine::start(ports, options).await.expect("it starts"));
    }
    let mut told = Vec::new();
    for (number, (ms, command)) in history().into_iter().enumerate() {
        clock.advance(ms);
        // Every fifth is sent twice, the second time to another node.
        let request = keyed(&format!("k-{number}"), command);
        let engine = |turn: usize| &engines[(number + turn) % nodes];
        told.push(engine(0).execute(request.clone()).await);
        if number % 5 == 0 {
            told.push(engine(1).execute(request).await);
        }
    }
    for engine in &engines {
        engine.stop().await;
    }
    let store = Arc::clone(engines[0].store());
    audit::whole(&*store).await;
    (told, audit::texts(&*store).await)
}

pub(crate) async fn two_engines_interleaved_batch_by_batch_come_to_the_same_end<F: Fixture>() {
    let (told, log) = run::<F>(1, false).await;
    let accepted = told.iter().filter(|told| told.is_ok()).count();
    assert!((200..500).contains(&accepted), "{accepted} of 723 accepted");
    let pulls = log.iter().filter(|text| text.contains("place_hold"));
    let pulls = pulls.filter(|text| text.contains("stock.expired")).count();
    assert!(pulls > 5, "{pulls} places pulled");
    for (nodes, cache) in [(1, true), (2, false), (2, true), (3, true)] {
        let (again, same) = run::<F>(nodes, cache).await;
        for (number, (first, second)) in told.iter().zip(&again).enumerate() {
            assert_eq!(
                first, second,
                "answer {number}, {nodes} nodes, cache {cache}"
            );
        }
        assert_eq!(log, same, "{nodes} nodes, cache {cache}");
    }
}

pub(crate) async fn two_engines_at_once_sell_exactly_what_there_is<F: Fixture>() {
    let (fixture, clock) = (F::empty().await, TestClock::new());
    let one = Shop::open_with(fixture.store().await, Arc::clone(&clock), options()).await;
    let two = Shop::open_with(fixture.store().await, clock, options()).await;
    one.stock("lamp", 100).await;
    let buyer = |number: usize| {
        let shop = if number.is_multiple_of(2) { &one } else { &two };
        let id = format!("h-{number}");
        shop.send(keyed(&id, place(&id, &[("lamp", 1)])))
    };
    let asked: Vec<_> = (0..400).map(buyer).collect();
    let mut sold = 0;
    for answer in asked {
        match answer.await.expect("no panic") {
            Ok(_) => sold += 1,
            Err(Refusal::Rejected { rejection, .. }) => assert_eq!(rejection, sold_out("lamp")),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(sold, 100);
    assert_eq!(two.balances("lamp").await.raw(), [-100, 0, 100, 0, 0, 0, 0]);
    two.engine.stop().await;
    one.close().await;
}

pub(crate) fn sold_out(id: &str) -> Rejection {
    let sku = super::world::sku(id);
    hold::Rejection::SoldOut { sku }.into()
}

pub(crate) async fn a_gate_hears_of_another_nodes_release<F: Fixture>() {
    let fixture = F::empty().await;
    let (one, two) = (Shop::open(&fixture).await, Shop::open(&fixture).await);
    one.stock("lamp", 1).await;
    one.ok(ask(place("h-1", &[("lamp", 1)]))).await;
    two.tick(100).await;
    let loser = || ask(place("h-2", &[("lamp", 1)]));
    assert_eq!(two.no(loser()).await, sold_out("lamp"));
    let batches = two.store.script.locks();
    assert_eq!(two.no(loser()).await, sold_out("lamp"));
    assert_eq!(two.store.script.locks(), batches, "the gate said no");
    one.ok(ask(release("h-1"))).await;
    two.tick(100).await;
    two.ok(loser()).await;
    two.engine.stop().await;
    one.close().await;
}

pub(crate) async fn a_restored_log_has_another_name_and_who_worked_on_the_old_one_ends<
    F: Fixture,
>() {
    let (fixture, clock) = (F::empty().await, TestClock::new());
    let old = Shop::open_with(fixture.store().await, Arc::clone(&clock), options()).await;
    old.ok(ask(put("lamp"))).await;
    old.ok(ask(receive("lamp", 9))).await;
    let kept = old.engine.position(2);

    let operator = Shop::open_with(fixture.store().await, Arc::clone(&clock), options()).await;
    let from = operator.engine.restored().await.expect("it is written");
    assert_eq!((from.position, from.log.as_str()), (2, "main"));
    assert!(from.incarnation > kept.incarnation);
    operator.engine.stop().await;

    // Whoever slept through it writes nothing any more, and knows that it must end.
    let refused = old
        .engine
        .execute(keyed("h-1", place("h-1", &[("lamp", 1)])));
    let refused = refused.await.expect_err("its log is not this one");
    assert!(matches!(refused, Refusal::Failed(Fault::Unavailable(_))));
    assert_eq!(old.engine.broken(), Some(Broken::Log));
    old.engine.stop().await;
    drop((old, operator));

    let store = fixture.reopen().await;
    let shop = Shop::open_with(store, clock, options()).await;
    let head = shop.engine.head().await.expect("readable");
    assert_eq!((head.incarnation, head.position), (from.incarnation, 2));
    shop.ok(keyed("h-1", place("h-1", &[("lamp", 1)]))).await;
    let lineage = shop.engine.lineage();
    assert_eq!(lineage.written(2), kept);
    assert_eq!(lineage.written(3), shop.engine.position(3));
    let lost = Position {
        position: 3,
        ..kept.clone()
    };
    assert!(lineage.knows(&kept) && !lineage.knows(&lost));
    audit::whole(&**shop.engine.store()).await;
}

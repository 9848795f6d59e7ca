//! Units: exactly what there is, all lines or none.

use super::engines::sold_out;
use super::world::{
    Shop, TestClock, TestIds, ask, confirm, customer, extend, hold, keyed, options, place, put,
    receive, release, sku, spawn, units, until, wanted,
};
use super::{Fixture, audit};
use evenkeel_engine::commit::{Command, Commit, Effect, Outcome};
use evenkeel_engine::committer::{Committer, Delivery, Parts};
use evenkeel_engine::gate::memory::MemoryGate;
use evenkeel_engine::port::{Store, Touch};
use evenkeel_engine::queue::{Queue, Told, Waiting};
use evenkeel_engine::verify::{Inputs, verify};
use evenkeel_engine::{Options, Refusal, Request};
use evenkeel_rules::hold;
use evenkeel_rules::ids::LocationId;
use evenkeel_rules::stock::{self, Balances, Change};
use evenkeel_rules::time::Millis;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

pub(crate) async fn ten_thousand_buyers_of_a_hundred_units_buy_a_hundred<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 100).await;
    let buyer = |number: usize| {
        let id = format!("h-{number}");
        shop.send(keyed(&id, place(&id, &[("lamp", 1)])))
    };
    let asked: Vec<_> = (0..10_000).map(buyer).collect();
    let mut won = Vec::new();
    for (number, answer) in asked.into_iter().enumerate() {
        match answer.await.expect("no panic") {
            Ok(_) => won.push(number),
            Err(Refusal::Rejected { rejection, .. }) => assert_eq!(rejection, sold_out("lamp")),
            Err(other) => panic!("buyer {number}: {other:?}"),
        }
    }
    assert_eq!(won.len(), 100);
    assert_eq!(
        shop.balances("lamp").await.raw(),
        [-100, 0, 100, 0, 0, 0, 0]
    );
    assert_eq!(shop.head().await, 102);
    // A winner's retry is told that it won, whatever the gate thinks.
    for number in won {
        let id = format!("h-{number}");
        assert!(
            shop.ok(keyed(&id, place(&id, &[("lamp", 1)])))
                .await
                .replayed
        );
    }
    assert_eq!(shop.head().await, 102);
    shop.close().await;
}

/// A committer without an engine around it: commits reach it just as the test makes them.
struct Bare {
    queue: Arc<Queue>,
    clock: Arc<TestClock>,
}

impl Bare {
    fn start(store: Arc<dyn Store>) -> Self {
        let (queue, clock) = (Arc::new(Queue::new(100)), TestClock::new());
        let (answers, mut deliveries) = mpsc::unbounded_channel::<Delivery>();
        let gate = Arc::new(MemoryGate::new(0));
        let committer = Committer::new(Parts {
            incarnation: 1,
            store,
            gate: Arc::clone(&gate) as _,
            clock: Arc::clone(&clock) as _,
            ids: TestIds::new(7),
            queue: Arc::clone(&queue),
            unresolved: Arc::default(),
            tokens: Arc::default(),
            health: Arc::default(),
            answers,
            max_life: Millis(3_600_000),
            warn: Millis(0),
            allocation: Vec::new(),
            cache: false,
            compare_clocks: false,
        });
        drop(spawn(committer.run()));
        drop(spawn(async move {
            while let Some(delivery) = deliveries.recv().await {
                delivery.deliver(&*gate, None);
            }
        }));
        Self { queue, clock }
    }

    async fn ask(&self, request: Request) -> Told {
        let (answer, told) = oneshot::channel();
        let Request {
            command,
            key,
            actor,
            owner,
            expected,
            ..
        } = request;
        let commit = Commit {
            command,
            key,
            actor,
            owner,
            expected,
            touch: Touch::default(),
        };
        let waiting = Waiting {
            commit,
            answer,
            deadline: None,
            widened: 0,
        };
        self.queue.push(waiting).expect("there is room");
        told.await.expect("an answer comes")
    }
}

/// Commands that want every kind of row, and more than one round of looking.
fn story() -> Vec<(u64, Command)> {
    let north = LocationId::new("north").expect("an id");
    let mut all = vec![(0, put("lamp")), (0, put("chair")), (0, receive("lamp", 3))];
    all.push((0, receive("chair", 3)));
    all.push((
        0,
        Command::ChangeStock {
            sku: sku("lamp"),
            location: north,
            change: Change::Receive(units(5)),
            reference: None,
            reason: None,
        },
    ));
    let short = |id: &str, lines: &[(&str, u64)]| super::world::place_for(id, lines, 1_000);
    all.extend([
        (0, receive("lamp", 1)),
        (0, short("h-1", &[("chair", 1), ("lamp", 2)])),
        (0, short("h-2", &[("lamp", 2), ("chair", 1)])),
        (0, place("h-3", &[("lamp", 1)])),
        (1_000, place("h-3", &[("lamp", 3)])),
        (0, place("h-4", &[("lamp", 9)])),
        (0, extend("h-3", 700_000)),
        (0, confirm("h-3")),
        (0, release("h-3")),
        (0, release("h-5")),
        (0, place("h-5", &[("sofa", 1)])),
        (
            0,
            Command::CreateToken {
                id: super::world::token("t-1"),
                role: evenkeel_rules::token::Role::Shop,
                customer: None,
                secret: [3; 32],
            },
        ),
        (
            0,
            Command::RevokeToken {
                id: super::world::token("t-1"),
            },
        ),
    ]);
    all
}

pub(crate) async fn commits_without_touch_end_the_same<F: Fixture>() {
    let options = Options {
        cache: false,
        ..options()
    };
    let (usual, plain) = (F::empty().await, F::empty().await);
    let shop = Shop::open_with(usual.store().await, TestClock::new(), options).await;
    let store = plain.store().await;
    let bare = Bare::start(Arc::clone(&store));
    for (number, (ms, command)) in story().into_iter().enumerate() {
        shop.clock.advance(ms);
        bare.clock.advance(ms);
        let request = keyed(&format!("k-{number}"), command.clone());
        let usual = shop.engine.execute(request.clone()).await;
        let told = bare
            .ask(request)
            .await
            .unwrap_or_else(|no| panic!("{command:?}: {no}"));
        match (usual, told) {
            (Ok(done), Outcome::Accepted { position, effect }) => {
                assert_eq!(
                    (done.position, done.effect),
                    (position, effect),
                    "{command:?}"
                );
            }
            (
                Err(Refusal::Rejected { rejection, .. }),
                Outcome::Refused {
                    rejection: same, ..
                },
            ) => assert_eq!(rejection, same, "{command:?}"),
            other => panic!("{command:?}: {other:?}"),
        }
    }
    bare.queue.close();
    until("it has ended", || bare.queue.is_empty()).await;
    audit::whole(&*store).await;
    assert_eq!(
        audit::texts(&*store).await,
        audit::texts(&*shop.store).await
    );
    shop.close().await;
}

pub(crate) async fn a_sku_with_many_locations_is_received_without_cache<F: Fixture>() {
    let options = Options {
        cache: false,
        ..options()
    };
    let fixture = F::empty().await;
    let shop = Shop::open_with(fixture.store().await, TestClock::new(), options).await;
    shop.ok(ask(put("lamp"))).await;
    for number in 0..9 {
        shop.ok(ask(Command::ChangeStock {
            sku: sku("lamp"),
            location: LocationId::new(&format!("w-{number}")).expect("an id"),
            change: Change::Receive(units(number + 1)),
            reference: None,
            reason: None,
        }))
        .await;
    }
    let (_, stock) = shop
        .store
        .sku(&sku("lamp"))
        .await
        .expect("readable")
        .rows
        .expect("listed");
    let shown: Vec<u64> = stock.iter().map(|(_, at)| at.available()).collect();
    assert_eq!(
        shown,
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
        "in order of their first units"
    );
    shop.close().await;
}

pub(crate) async fn a_transfer_leaves_one_location_and_arrives_at_the_other<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let web = LocationId::new("web").expect("an id");
    let transfer = |from: &LocationId, to: &LocationId, count| Command::ChangeStock {
        sku: sku("lamp"),
        location: from.clone(),
        change: Change::Transfer(units(count), to.clone()),
        reference: None,
        reason: Some("a share of the channel".to_owned()),
    };
    let main = LocationId::main();
    let before = shop.head().await;
    let asked = keyed("k-1", transfer(&main, &web, 2));
    let done = shop.ok(asked.clone()).await;
    assert_eq!(shop.head().await, before + 1, "one commit");
    let Effect::Stock { stock: shown, .. } = done.effect else {
        panic!("not stock: {:?}", done.effect);
    };
    let available = |stock: &[(LocationId, Balances)]| -> Vec<u64> {
        stock.iter().map(|(_, at)| at.available()).collect()
    };
    assert_eq!(available(&shown), [3, 2]);
    let received: i64 = shown.iter().map(|(_, at)| at.received()).sum();
    assert_eq!(received, 5, "nothing came in and nothing went out");
    assert!(shop.ok(asked).await.replayed);
    // Units that are set aside stay where they are.
    shop.ok(ask(place("h-1", &[("lamp", 2)]))).await;
    for (from, to, count) in [(&main, &web, 2), (&web, &main, 3)] {
        let no = shop.no(ask(transfer(from, to, count))).await;
        assert_eq!(no, stock::Rejection::Insufficient.into());
    }
    shop.ok(ask(transfer(&web, &main, 2))).await;
    let listed = shop.store.sku(&sku("lamp")).await.expect("readable").rows;
    assert_eq!(available(&listed.expect("listed").1), [3, 0]);
    let report = verify(&*shop.store, Inputs::default()).await;
    let report = report.expect("the store answers");
    let found: Vec<_> = report.checks.iter().flat_map(|it| &it.findings).collect();
    assert!(found.is_empty(), "{found:#?}");
    shop.close().await;
}

pub(crate) async fn a_place_is_all_its_lines_or_none<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    shop.stock("chair", 1).await;
    let both = |id: &str| ask(place(id, &[("lamp", 2), ("chair", 1)]));
    shop.ok(both("h-1")).await;
    assert_eq!(shop.no(both("h-2")).await, sold_out("chair"));
    assert_eq!(shop.balances("lamp").await.raw()[1..3], [3, 2]);
    shop.ok(ask(release("h-1"))).await;
    shop.ok(both("h-2")).await;
    shop.close().await;
}

pub(crate) async fn a_partial_confirm_gives_the_rest_back<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    shop.stock("chair", 5).await;
    shop.ok(ask(place("h-1", &[("lamp", 3), ("chair", 2)])))
        .await;
    let part = |lines: &[(&str, u64)]| {
        ask(Command::Confirm {
            id: hold("h-1"),
            lines: Some(wanted(lines)),
        })
    };
    let no = shop.no(part(&[("lamp", 4)])).await;
    assert_eq!(no, hold::Rejection::MoreThanHeld { line: 0 }.into());
    let row = shop.hold(part(&[("lamp", 2)])).await;
    let lines: Vec<_> = row
        .hold
        .lines
        .iter()
        .map(|it| (it.confirmed, it.released))
        .collect();
    assert_eq!(lines, [(Some(2), Some(1)), (Some(0), Some(2))]);
    assert_eq!(shop.balances("lamp").await.raw(), [-5, 3, 0, 2, 0, 0, 0]);
    assert_eq!(shop.balances("chair").await.raw(), [-5, 5, 0, 0, 0, 0, 0]);
    let head = shop.head().await;
    shop.ok(part(&[("lamp", 2)])).await;
    assert_eq!(shop.head().await, head, "the same again changes nothing");
    shop.close().await;
}

pub(crate) async fn an_extend_is_cut_at_the_longest_life<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    let placed = shop.hold(ask(place("h-1", &[("lamp", 1)]))).await.hold;
    shop.clock.advance(60_000);
    let longer = shop.hold(ask(extend("h-1", 900_000))).await.hold;
    assert_eq!(longer.deadline, placed.placed_at.plus(Millis(960_000)));
    let never_less = shop.hold(ask(extend("h-1", 1_000))).await.hold;
    assert_eq!(never_less.deadline, longer.deadline);
    let cut = shop.hold(ask(extend("h-1", 86_400_000))).await.hold;
    assert_eq!(cut.deadline, placed.placed_at.plus(Millis(3_600_000)));
    shop.close().await;
}

pub(crate) async fn a_change_for_another_version_is_refused<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    shop.ok(ask(place("h-1", &[("lamp", 1)]))).await;
    let expecting = |version: u64| Request {
        expected: Some(version),
        ..ask(extend("h-1", 900_000))
    };
    assert_eq!(shop.no(expecting(2)).await, hold::Rejection::Version.into());
    let told = shop
        .in_one_batch(vec![expecting(1), expecting(1), expecting(2)])
        .await;
    let accepted: Vec<bool> = told.iter().map(Result::is_ok).collect();
    assert_eq!(
        accepted,
        [true, false, true],
        "each sees what the one before left"
    );
    shop.close().await;
}

pub(crate) async fn another_customers_hold_is_not_found<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    shop.ok(ask(place("h-1", &[("lamp", 1)]))).await;
    for command in [confirm("h-1"), release("h-1"), extend("h-1", 700_000)] {
        let asked = |owner: &str| Request {
            owner: Some(customer(owner)),
            ..ask(command.clone())
        };
        let no = shop.no(asked("c-2")).await;
        assert_eq!(no, hold::Rejection::NotFound.into(), "{command:?}");
    }
    assert_eq!(shop.state("h-1").await, hold::State::Held);
    shop.close().await;
}

pub(crate) async fn the_gate_names_the_line_that_is_short<F: Fixture>() {
    let fixture = F::empty().await;
    let shop = Shop::with_lamps(&fixture, 5).await;
    shop.stock("chair", 1).await;
    shop.ok(ask(place("h-1", &[("chair", 1)]))).await;
    let both = || ask(place("h-2", &[("lamp", 1), ("chair", 1)]));
    assert_eq!(shop.no(both()).await, sold_out("chair"));
    let locks = shop.store.script.locks();
    assert_eq!(shop.no(both()).await, sold_out("chair"));
    assert_eq!(shop.store.script.locks(), locks, "the gate said so");
    shop.close().await;
}

//! The end of very many holds at one moment, while others place and confirm.

use crate::common::{argument, ask, list, put, request, sku, times};
use crate::{FILLERS, LONG, mib, open, place};
use evenkeel_engine::commit::Command;
use evenkeel_engine::{Engine, Refusal};
use evenkeel_rules::ids::LocationId;
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::stock::{Account, Change};
use evenkeel_rules::time::Millis;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The SKU of all the holds, which has as many units.
const SHORT: u64 = 0;
/// A SKU that has more than enough.
const AMPLE: u64 = 1;
/// How long the waits before the deadline are looked at.
const BASE: Duration = Duration::from_secs(10);
/// Holds a second that the fill is expected to make at least.
const FILL_RATE: u64 = 20_000;
/// One of so many clients asks for a unit of the SKU that is all held.
const OF_SHORT: u64 = 10;

/// Places as many holds as the SKU has units, all due at a moment.
async fn fill(engine: &Engine, holds: u64, due: Instant) {
    ask(engine, put(sku(SHORT), "Lamp"), "put").await;
    let change = Change::Receive(Quantity::new(holds).expect("units"));
    let receive = Command::ChangeStock {
        sku: sku(SHORT),
        location: LocationId::main(),
        change,
        reference: None,
        reason: None,
    };
    ask(engine, receive, "receive").await;
    let engine = engine.clone();
    let once = move || {
        let engine = engine.clone();
        async move {
            let ttl = due.saturating_duration_since(Instant::now());
            let ttl = Millis(u64::try_from(ttl.as_millis()).expect("below a day"));
            let asked = place(&mut fastrand::Rng::new(), sku(SHORT), ttl);
            let placed = engine.execute(asked).await;
            placed.expect("placed before the deadline");
        }
    };
    times(holds, FILLERS, once).await;
}

/// When a client was to ask, and how long it waited, the time that it began late included.
type Waits = Vec<(Instant, Duration)>;

#[derive(Default)]
struct Seen {
    placed: Waits,
    confirmed: Waits,
    refused: u64,
}

/// One client: places and confirms.
async fn buy(engine: &Engine, at: Instant, of: u64, dice: &mut fastrand::Rng, seen: &mut Seen) {
    let asked = place(dice, sku(of), LONG);
    let Command::Place(placed) = &asked.command else {
        unreachable!("a place")
    };
    let id = placed.id.clone();
    match engine.execute(asked).await {
        Ok(_) => seen.placed.push((at, at.elapsed())),
        Err(Refusal::Rejected { .. }) => {
            seen.refused += 1;
            return;
        }
        Err(failed) => panic!("{failed:?}"),
    }
    let begin = Instant::now();
    let confirm = Command::Confirm { id, lines: None };
    let confirmed = engine.execute(request(confirm, "")).await;
    confirmed.expect("confirmed");
    seen.confirmed.push((at, begin.elapsed()));
}

/// Clients at a steady rate from now until a moment that is told.
async fn clients(engine: &Engine, due: Instant, end: Arc<AtomicU64>) -> Seen {
    let rate = argument("--rate", 500);
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..rate.min(100) {
        let (engine, end) = (engine.clone(), Arc::clone(&end));
        tasks.spawn(async move {
            let (mut dice, mut seen) = (fastrand::Rng::new(), Seen::default());
            let lanes = rate.min(100);
            for number in (lane..).step_by(usize::try_from(lanes).expect("few")) {
                let at = begin + Duration::from_secs_f64(number as f64 / rate as f64);
                tokio::time::sleep_until(at.into()).await;
                if end.load(Ordering::Relaxed) > 0 {
                    break;
                }
                // Nobody is told before the deadline that there is nothing: that would be true.
                let short = dice.u64(..OF_SHORT) == 0 && at > due;
                let of = if short { SHORT } else { AMPLE };
                buy(&engine, at, of, &mut dice, &mut seen).await;
            }
            seen
        });
    }
    let mut all = Seen::default();
    while let Some(seen) = tasks.join_next().await {
        let seen = seen.expect("no client panics");
        all.placed.extend(seen.placed);
        all.confirmed.extend(seen.confirmed);
        all.refused += seen.refused;
    }
    all
}

/// The 99th hundredth and the longest of the waits of those who were to ask in a span, in ms.
fn worst(waits: &Waits, from: Instant, to: Instant) -> [f64; 2] {
    let within = waits.iter().filter(|(at, _)| (from..to).contains(at));
    let mut within: Vec<f64> = within.map(|it| it.1.as_secs_f64() * 1_000.0).collect();
    within.sort_by(f64::total_cmp);
    let last = within.len().saturating_sub(1);
    let at = |index: usize| within.get(index).copied().unwrap_or(f64::NAN);
    [at(within.len() * 99 / 100), at(last)]
}

/// Waits until no unit of the holds that are due is held; when.
async fn swept(engine: &Engine) -> Instant {
    loop {
        let listed = engine.store().sku(&sku(SHORT)).await;
        let listed = listed.expect("the store answers").rows;
        let (_, balances) = listed.expect("it is listed");
        let held: i64 = balances.iter().map(|it| it.1.get(Account::Held)).sum();
        if held < 100 {
            return Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Fills, waits for the moment, and prints what it was like.
pub(crate) async fn print(home: &Path, holds: u64) {
    let engine = open(home).await;
    list(&engine, AMPLE).await;
    let due = Instant::now() + BASE + Duration::from_secs(5 + holds / FILL_RATE);
    fill(&engine, holds, due).await;
    tokio::time::sleep_until((due - BASE).into()).await;
    let end = Arc::new(AtomicU64::new(0));
    let asking = {
        let (engine, end) = (engine.clone(), Arc::clone(&end));
        tokio::spawn(async move { clients(&engine, due, end).await })
    };
    tokio::time::sleep_until(due.into()).await;
    let over = swept(&engine).await;
    end.store(1, Ordering::Relaxed);
    let seen = asking.await.expect("no client panics");
    println!(
        "{holds} holds with one deadline: swept in {:.1} s; {} refused; resident at most {} MiB",
        (over - due).as_secs_f64(),
        seen.refused,
        mib("VmHWM:")
    );
    for (what, waits) in [("place", &seen.placed), ("confirm", &seen.confirmed)] {
        let [base, base_worst] = worst(waits, due - BASE, due);
        let [p99, longest] = worst(waits, due, over);
        println!(
            "{what}: p99 {p99:.1} ms of {base:.1} before, {:.2}; longest {longest:.0} of \
             {base_worst:.0}",
            p99 / base
        );
    }
    engine.stop().await;
}

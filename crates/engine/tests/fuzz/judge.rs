//! `settle` against the naive ledger: any commands, cut into any batches.
//!
//! The bytes are commands of three bytes each. Both sides take them; the judge in batches, on the
//! memory store, as the committer would. After each batch every outcome, every balance and every
//! hold must be what the naive ledger says.

use super::naive::{Ask, Life, MAX_LIFE, Naive, SKUS, Said};
use evenkeel_engine::commit::{Command, Commit, Key, Outcome, Rejection};
use evenkeel_engine::ledger::Ledger;
use evenkeel_engine::port::{Place, Rows, Store, Touch, Writes};
use evenkeel_engine::settle::{Context, Verdict, settle};
use evenkeel_engine::store::memory::{MemoryStore, Tables};
use evenkeel_rules::hold::{self, State, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::{Account, Change};
use evenkeel_rules::time::{LogTime, Millis};

/// Holds that commands name.
const HOLDS: usize = 12;
/// The clock of the first batch.
const EPOCH: LogTime = LogTime::from_micros(1_800_000_000_000_000);

/// A command, its key, and by how many ms the clock goes on after its batch if it is the last one.
struct Step {
    ask: Ask,
    key: Option<u8>,
    wait: Option<u64>,
}

fn step(bytes: [u8; 3]) -> Step {
    let [kind, what, much] = bytes;
    let (hold, sku) = (
        usize::from(what & 15) % HOLDS,
        usize::from(what >> 4) % SKUS,
    );
    let (units, ttl) = (1 + u64::from(much % 4), 1 + u64::from(much >> 2));
    let ask = match kind & 7 {
        0 => Ask::Receive { sku, units },
        1..=3 => Ask::Place {
            hold,
            sku,
            units,
            ttl,
        },
        4 => Ask::Confirm(hold),
        5 => Ask::Release(hold),
        6 => Ask::Extend(hold, ttl),
        _ => Ask::Expire(hold),
    };
    let key = (kind & 128 != 0).then_some(kind >> 3 & 15);
    let wait = (what & 128 != 0).then_some(u64::from(much % 32));
    Step { ask, key, wait }
}

/// The target.
pub(crate) fn judge(bytes: &[u8]) {
    beside(Naive::default(), bytes);
}

/// The judge beside this ledger, from its beginning.
pub(crate) fn beside(naive: Naive, bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without I/O needs nothing from the system");
    runtime.block_on(play(naive, bytes));
}

async fn play(mut naive: Naive, bytes: &[u8]) {
    let store = MemoryStore::new("main", [7; 16]);
    let mut now = 0;
    let listed: Vec<Commit> = (0..SKUS).map(|sku| commit(list(sku), None)).collect();
    for outcome in batch(&store, &listed, now).await {
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    }
    let (mut asks, mut expected) = (Vec::new(), Vec::new());
    let mut steps = bytes
        .as_chunks::<3>()
        .0
        .iter()
        .copied()
        .map(step)
        .peekable();
    while let Some(Step { ask, key, wait }) = steps.next() {
        asks.push(commit(command(ask), key));
        expected.push(naive.take(ask, key, now));
        let (last, full) = (steps.peek().is_none(), asks.len() == 64);
        if wait.is_none() && !last && !full {
            continue;
        }
        let outcomes = batch(&store, &asks, now).await;
        let said: Vec<Said> = outcomes.iter().map(said).collect();
        assert_eq!(said, expected, "of {asks:#?} at {now} ms");
        compare(&store.tables(), &naive);
        now += wait.unwrap_or(0);
        (asks, expected) = (Vec::new(), Vec::new());
    }
}

fn sku_id(sku: usize) -> SkuId {
    SkuId::new(["lamp", "chair"][sku]).expect("a well-formed id")
}

fn hold_id(hold: usize) -> HoldId {
    HoldId::new(&format!("h-{hold}")).expect("a well-formed id")
}

fn place(sku: usize) -> Place {
    (sku_id(sku), LocationId::main())
}

fn quantity(units: u64) -> Quantity {
    Quantity::new(units).expect("at least one unit")
}

fn list(sku: usize) -> Command {
    let euro = Currency::new("EUR").expect("the euro is listed");
    let terms = Terms {
        sku: sku_id(sku),
        name: "a thing".to_owned(),
        price: Money::price(100, euro).expect("a price"),
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    Command::PutSku { terms }
}

fn command(ask: Ask) -> Command {
    match ask {
        Ask::Receive { sku, units } => Command::ChangeStock {
            sku: sku_id(sku),
            location: LocationId::main(),
            change: Change::Receive(quantity(units)),
            reference: None,
            reason: None,
        },
        Ask::Place {
            hold,
            sku,
            units,
            ttl,
        } => Command::Place(hold::Place {
            id: hold_id(hold),
            customer: CustomerId::new("c-1").expect("a well-formed id"),
            lines: vec![Wanted {
                sku: sku_id(sku),
                location: LocationId::main(),
                quantity: quantity(units),
            }],
            ttl: Millis(ttl),
        }),
        Ask::Confirm(hold) => Command::Confirm {
            id: hold_id(hold),
            lines: None,
        },
        Ask::Release(hold) => Command::Release { id: hold_id(hold) },
        Ask::Extend(hold, ttl) => Command::Extend {
            id: hold_id(hold),
            ttl: Millis(ttl),
        },
        Ask::Expire(hold) => Command::Expire { id: hold_id(hold) },
    }
}

fn commit(command: Command, key: Option<u8>) -> Commit {
    let intent = format!("{command:?}");
    Commit {
        key: key.map(|key| Key::new(None, &format!("k-{key}"), &[intent.as_bytes()])),
        command,
        actor: TokenId::new("t-1").expect("a well-formed id"),
        owner: None,
        expected: None,
        touch: Touch::default(),
    }
}

/// Judges and writes a batch that may look at everything.
async fn batch(store: &MemoryStore, commits: &[Commit], now: u64) -> Vec<Outcome> {
    let clock = EPOCH.plus(Millis(now));
    let touch = Touch {
        keys: commits.iter().filter_map(|it| Some(it.key?.name)).collect(),
        holds: (0..HOLDS).map(hold_id).collect(),
        rows: Rows {
            skus: (0..SKUS).map(sku_id).collect(),
            balances: (0..SKUS).map(place).collect(),
        },
        front: Some(clock),
        ..Touch::default()
    };
    let (locked, view) = store.lock(&touch).await.expect("the memory can be locked");
    let context = Context {
        clock,
        batch: [1; 16],
        max_life: Millis(MAX_LIFE),
        warn: Millis(0),
        allocation: &[],
    };
    let commits: Vec<&Commit> = commits.iter().collect();
    let settled = settle(&mut Ledger::default(), view, &commits, context);
    if let Some(writes) = &settled.writes {
        let is_bare = |writes: &Writes| writes.log.is_empty() && writes.refusals.is_empty();
        assert!(
            !is_bare(writes),
            "nothing was decided and something is written"
        );
        locked.finish(writes).await.expect("what was judged fits");
    }
    let told = |verdict: Verdict| match verdict {
        Verdict::Told(outcome) => outcome,
        other => panic!("not decided: {other:?}"),
    };
    settled.verdicts.into_iter().map(told).collect()
}

fn said(outcome: &Outcome) -> Said {
    match outcome {
        Outcome::Accepted { .. } => Said::Done,
        Outcome::Unchanged { .. } => Said::Unchanged,
        Outcome::Replay { .. } => Said::Again,
        Outcome::ReplayRefused(rejection) => Said::AgainNo(code(rejection)),
        Outcome::Refused { rejection, .. } => Said::No(code(rejection)),
    }
}

fn code(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::Key(_) => "key_reused",
        Rejection::Hold(hold::Rejection::NotFound) => "not_found",
        Rejection::Hold(hold::Rejection::AlreadyExists) => "already_exists",
        Rejection::Hold(hold::Rejection::SoldOut { .. }) => "stock.sold_out",
        Rejection::Hold(hold::Rejection::Confirmed { .. }) => "hold.confirmed",
        Rejection::Hold(hold::Rejection::Released { .. }) => "hold.released",
        Rejection::Hold(hold::Rejection::Expired { .. }) => "hold.expired",
        Rejection::Hold(hold::Rejection::NotDue) => "not_due",
        other => panic!("nobody asked for this: {other:?}"),
    }
}

fn compare(tables: &Tables, naive: &Naive) {
    for sku in 0..SKUS {
        let stands = tables
            .balances
            .get(&place(sku))
            .copied()
            .unwrap_or_default();
        let accounts = [Account::Available, Account::Held, Account::Sold];
        let stands = accounts.map(|account| stands.get(account));
        let expected = naive.units[sku].map(|units| i64::try_from(units).expect("few units"));
        assert_eq!(stands, expected, "{}", sku_id(sku));
    }
    assert_eq!(tables.holds.len(), naive.holds.len());
    for (hold, expected) in &naive.holds {
        let row = &tables.holds[&tables.hold_ids[&hold_id(*hold)]];
        let state = match expected.life {
            Life::Held => State::Held,
            Life::Confirmed => State::Confirmed,
            Life::Released => State::Released,
            Life::Expired => State::Expired,
        };
        let deadline = EPOCH.plus(Millis(expected.deadline));
        assert_eq!(
            (row.hold.state, row.hold.deadline),
            (state, deadline),
            "h-{hold}"
        );
        let line = &row.hold.lines[0];
        assert_eq!(
            (&line.sku, line.quantity.get()),
            (&sku_id(expected.sku), expected.units)
        );
    }
}

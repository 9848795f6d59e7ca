//! Customers' shares: judged, given back, and nobody's business where nothing is limited.

use super::*;
use crate::port::{ShareWrite, Store};
use crate::store::memory::MemoryStore;
use crate::testing::{commit, wanted};
use evenkeel_rules::ids::CustomerId;

fn customer(id: &str) -> CustomerId {
    CustomerId::new(id).expect("a well-formed id")
}

/// An entry that allows one customer so many.
fn most(id: &str, most: Option<u64>) -> Command {
    let Command::PutSku { mut terms } = put(id) else {
        unreachable!("an entry is put");
    };
    terms.max_per_customer = most.map(units);
    Command::PutSku { terms }
}

fn place_by(who: &str, id: &str, lines: &[(&str, u64)]) -> Command {
    let Command::Place(mut asked) = place_for(id, lines, 60_000) else {
        unreachable!("a place was made");
    };
    asked.customer = customer(who);
    Command::Place(asked)
}

fn beyond(has: u64) -> Rejection {
    hold::Rejection::LimitCustomer {
        sku: sku("lamp"),
        most: units(3),
        has,
    }
    .into()
}

/// A shop with ten lamps, of which one customer may have three, and ten chairs.
struct Shop {
    store: MemoryStore,
    clock: LogTime,
}

impl Shop {
    async fn open() -> Self {
        let store = MemoryStore::new("main", [5; 16]);
        let shop = Self { store, clock: NOW };
        for command in [
            most("lamp", Some(3)),
            put("chair"),
            change("lamp", Change::Receive(units(10))),
            change("chair", Change::Receive(units(10))),
        ] {
            shop.run(command).await;
        }
        shop
    }

    /// Runs a command; why it was refused, if it was.
    async fn run(&self, command: Command) -> Option<Rejection> {
        match commit(&self.store, self.clock, &ask(command)).await.0 {
            Outcome::Refused { rejection, .. } => Some(rejection),
            Outcome::Accepted { .. } => None,
            other => panic!("neither accepted nor refused: {other:?}"),
        }
    }

    /// The lamps that `c-1` has.
    async fn lamps(&self) -> Option<u64> {
        let rows = self.store.shares(None, 99).await.expect("readable").rows;
        let mine = |((of, who), _): &&((_, _), u64)| *of == sku("lamp") && *who == customer("c-1");
        rows.iter().find(mine).map(|(_, units)| *units)
    }
}

#[tokio::test]
async fn of_two_places_in_one_batch_at_the_limit_one_wins() {
    let shop = Shop::open().await;
    let commits = [
        ask(place_by("c-1", "h-1", &[("lamp", 2)])),
        ask(place_by("c-1", "h-2", &[("lamp", 2)])),
        ask(place_by("c-2", "h-3", &[("lamp", 2)])),
        ask(place_by("c-1", "h-4", &[("lamp", 1)])),
    ];
    let lamps = |who: &str| (sku("lamp"), customer(who));
    let touch = Touch {
        holds: ["h-1", "h-2", "h-3", "h-4"].map(hold_id).to_vec(),
        shares: vec![lamps("c-1"), lamps("c-2")],
        rows: Rows {
            skus: vec![sku("lamp")],
            balances: vec![at("lamp")],
        },
        ..Touch::default()
    };
    let (_locked, view) = shop.store.lock(&touch).await.expect("lockable");
    let context = Context {
        clock: NOW,
        batch: [9; 16],
        max_life: Millis(3_600_000),
        warn: Millis(0),
        allocation: &[],
    };
    let all: Vec<&Commit> = commits.iter().collect();
    let settled = settle(&mut Ledger::default(), view, &all, context);
    accepted(&settled.verdicts[0]);
    assert_eq!(refused(&settled.verdicts[1]), beyond(2));
    accepted(&settled.verdicts[2]);
    accepted(&settled.verdicts[3]);
    let writes = settled.writes.expect("three holds").shares;
    let row = |who: &str, now| ShareWrite {
        share: lamps(who),
        was: None,
        now,
    };
    assert_eq!(writes, [row("c-1", 3), row("c-2", 2)], "one row per share");
}

#[tokio::test]
async fn lines_of_one_sku_count_together_and_of_another_not() {
    let shop = Shop::open().await;
    let Command::Place(mut asked) = place_by("c-1", "h-1", &[("lamp", 2), ("chair", 9)]) else {
        unreachable!("a place was made");
    };
    let mut again = wanted(&[("lamp", 2)]);
    asked.lines.append(&mut again);
    assert_eq!(shop.run(Command::Place(asked)).await, Some(beyond(0)));
    let mixed = place_by("c-1", "h-1", &[("lamp", 3), ("chair", 9)]);
    assert_eq!(shop.run(mixed).await, None);
    assert_eq!(shop.lamps().await, Some(3));
    let more = place_by("c-1", "h-2", &[("chair", 1), ("lamp", 1)]);
    assert_eq!(shop.run(more).await, Some(beyond(3)));
    assert_eq!(shop.run(place_by("c-2", "h-2", &[("lamp", 3)])).await, None);
}

#[tokio::test]
async fn every_end_but_a_sale_gives_the_share_back() {
    let some = Some(wanted(&[("lamp", 1)]));
    let part = Command::Confirm {
        id: hold_id("h-1"),
        lines: some,
    };
    // What is done to a hold of three, after how long, and what its customer has then.
    let table = [
        ("a release", release("h-1"), 0, 0),
        ("an expiry", expire("h-1"), 60_000, 0),
        ("a confirm", confirm("h-1"), 0, 3),
        ("a partial confirm", part, 0, 1),
        ("an extend", extend("h-1"), 0, 3),
    ];
    for (what, command, ms, left) in table {
        let mut shop = Shop::open().await;
        shop.run(place_by("c-1", "h-1", &[("lamp", 3)])).await;
        assert_eq!(shop.lamps().await, Some(3));
        shop.clock = shop.clock.plus(Millis(ms));
        assert_eq!(shop.run(command).await, None, "{what}");
        assert_eq!(shop.lamps().await, Some(left), "{what}");
        let rest = 3 - left;
        let over = place_by("c-1", "h-2", &[("lamp", rest + 1)]);
        assert_eq!(shop.run(over).await, Some(beyond(left)), "{what}");
        if rest > 0 {
            let all = place_by("c-1", "h-2", &[("lamp", rest)]);
            assert_eq!(shop.run(all).await, None, "{what}");
        }
    }
}

#[tokio::test]
async fn a_pull_gives_back_the_shares_of_the_holds_that_it_ends() {
    let mut shop = Shop::open().await;
    for (who, id) in [("c-1", "h-1"), ("c-2", "h-2"), ("c-3", "h-3")] {
        shop.run(place_by(who, id, &[("lamp", 3)])).await;
    }
    shop.clock = shop.clock.plus(Millis(60_000));
    let refused = shop.run(place_by("c-1", "h-4", &[("lamp", 1)])).await;
    assert_eq!(
        refused,
        Some(beyond(3)),
        "its own hold counts until somebody ends it"
    );
    assert_eq!(shop.run(place_by("c-4", "h-4", &[("lamp", 3)])).await, None);
    let rows = shop.store.shares(None, 99).await.expect("readable").rows;
    let units: Vec<u64> = rows.into_iter().map(|(_, units)| units).collect();
    assert_eq!(units, [0, 3, 3, 3], "the oldest was ended for the last");
    assert_eq!(shop.run(place_by("c-1", "h-5", &[("lamp", 1)])).await, None);
}

#[tokio::test]
async fn what_counts_is_decided_when_it_is_placed() {
    let shop = Shop::open().await;
    let lift = || shop.run(most("lamp", None));
    lift().await;
    assert_eq!(shop.run(place_by("c-1", "h-1", &[("lamp", 4)])).await, None);
    assert_eq!(shop.lamps().await, None, "nothing is limited");
    shop.run(most("lamp", Some(3))).await;
    assert_eq!(shop.run(place_by("c-1", "h-2", &[("lamp", 2)])).await, None);
    assert_eq!(shop.lamps().await, Some(2), "what was there before is free");
    shop.run(release("h-1")).await;
    assert_eq!(shop.lamps().await, Some(2), "and gives nothing back");
    lift().await;
    shop.run(place_by("c-1", "h-3", &[("lamp", 5)])).await;
    shop.run(most("lamp", Some(3))).await;
    let over = place_by("c-1", "h-4", &[("lamp", 2)]);
    assert_eq!(shop.run(over).await, Some(beyond(2)));
    lift().await;
    shop.run(release("h-2")).await;
    assert_eq!(shop.lamps().await, Some(0), "a share is given back unasked");
}

#[tokio::test]
async fn a_limit_that_was_lowered_takes_nothing_away_and_gives_nothing_more() {
    let shop = Shop::open().await;
    shop.run(place_by("c-1", "h-1", &[("lamp", 2)])).await;
    shop.run(most("lamp", Some(1))).await;
    let said = shop.run(place_by("c-1", "h-2", &[("lamp", 1)])).await;
    let beyond = hold::Rejection::LimitCustomer {
        sku: sku("lamp"),
        most: units(1),
        has: 2,
    };
    assert_eq!(said, Some(beyond.into()));
    assert_eq!(shop.run(confirm("h-1")).await, None);
    assert_eq!(shop.lamps().await, Some(2));
}

#[tokio::test]
async fn where_nothing_is_limited_no_share_is_asked_for_or_written() {
    let shop = Shop::open().await;
    let clock = shop.clock;
    for command in [
        place_by("c-1", "h-1", &[("chair", 2)]),
        confirm("h-1"),
        place_by("c-1", "h-2", &[("chair", 2)]),
        release("h-2"),
    ] {
        let (_, writes) = commit(&shop.store, clock, &ask(command)).await;
        assert!(writes.expect("accepted").shares.is_empty());
    }
    let hold = shop.store.hold(&hold_id("h-1")).await.expect("readable");
    let text = serde_json::to_string(&hold.rows.expect("it is there").hold);
    assert!(!text.expect("plain JSON").contains("counted"));
    let mut ledger = Ledger::default();
    let touch = Touch {
        rows: Rows {
            skus: vec![sku("lamp"), sku("chair")],
            balances: Vec::new(),
        },
        ..Touch::default()
    };
    let (_locked, mut view) = shop.store.lock(&touch).await.expect("lockable");
    ledger.merge(&mut view);
    let chairs = place_by("c-1", "h-3", &[("chair", 1)]);
    assert!(ledger.shares_of(&chairs).is_empty());
    let both = place_by("c-1", "h-3", &[("chair", 1), ("lamp", 1)]);
    assert_eq!(ledger.shares_of(&both), [(sku("lamp"), customer("c-1"))]);
}

#[tokio::test]
async fn a_share_that_was_not_shown_is_unknown_and_never_nothing() {
    let shop = Shop::open().await;
    shop.run(place_by("c-1", "h-1", &[("lamp", 3)])).await;
    for command in [
        place_by("c-1", "h-2", &[("lamp", 1)]),
        release("h-1"),
        expire("h-1"),
    ] {
        let touch = Touch {
            holds: vec![hold_id("h-1"), hold_id("h-2")],
            rows: Rows {
                skus: vec![sku("lamp")],
                balances: vec![at("lamp")],
            },
            ..Touch::default()
        };
        let (_locked, view) = shop.store.lock(&touch).await.expect("lockable");
        let context = Context {
            clock: NOW.plus(Millis(60_000 * u64::from(command == expire("h-1")))),
            batch: [9; 16],
            max_life: Millis(3_600_000),
            warn: Millis(0),
            allocation: &[],
        };
        let asked = ask(command);
        let settled = settle(&mut Ledger::default(), view, &[&asked], context);
        let Verdict::Widen(more) = &settled.verdicts[0] else {
            panic!("{asked:?}: {:?}", settled.verdicts);
        };
        assert_eq!(more.shares[0], (sku("lamp"), customer("c-1")), "{asked:?}");
        assert!(settled.writes.is_none());
    }
}

use super::*;
use crate::chain::link;
use crate::clock::SystemClock;
use crate::commit::Command;
use crate::gate::memory::MemoryGate;
use crate::port::LogRow;
use crate::store::memory::MemoryStore;
use crate::testing::{
    NOW, ask, at, change, extend, hold_id, make_token, place_for, put, release, revoke, units,
    wanted,
};
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::{LogTime, Millis};

/// Commits one command on a store, as another node would; its row.
async fn commit(store: &MemoryStore, clock: LogTime, command: Command) -> Entry {
    let (told, writes) = crate::testing::commit(store, clock, &ask(command)).await;
    let writes = writes.unwrap_or_else(|| panic!("{told:?}"));
    Entry::read(&writes.log[0].text).expect("it is readable")
}

/// Deltas, deadlines set and deadlines ended.
type Noted = (
    Vec<(Place, i64)>,
    Vec<(Place, LogTime)>,
    Vec<(Place, LogTime)>,
);

fn noted(entry: &Entry) -> Noted {
    let mut news = News::default();
    note(entry, &mut news).expect("it is readable");
    assert_eq!((news.position, news.time), (entry.position, entry.at));
    news.deltas.sort();
    (news.deltas, news.placed, news.ended)
}

/// What staff and buyers do one after the other, and what each row must tell.
fn story(due: LogTime, later: LogTime) -> Vec<(Command, Noted)> {
    let partial = Command::Confirm {
        id: hold_id("h-1"),
        lines: Some(wanted(&[("lamp", 1)])),
    };
    let (lamp, chair) = (at("lamp"), at("chair"));
    let both = [("lamp", 3), ("chair", 1)];
    vec![
        (put("lamp"), (vec![], vec![], vec![])),
        (put("chair"), (vec![], vec![], vec![])),
        (make_token("t-2"), (vec![], vec![], vec![])),
        (
            change("lamp", Change::Receive(units(9))),
            (vec![(lamp.clone(), 9)], vec![], vec![]),
        ),
        (
            change("chair", Change::Find(units(2))),
            (vec![(chair.clone(), 2)], vec![], vec![]),
        ),
        (
            change("lamp", Change::WriteOff(units(1))),
            (vec![(lamp.clone(), -1)], vec![], vec![]),
        ),
        (
            place_for("h-1", &both, 1_000),
            (
                vec![(chair.clone(), -1), (lamp.clone(), -3)],
                vec![(lamp.clone(), due), (chair.clone(), due)],
                vec![],
            ),
        ),
        (
            partial,
            (
                vec![(chair.clone(), 1), (lamp.clone(), 2)],
                vec![],
                vec![(lamp.clone(), due), (chair.clone(), due)],
            ),
        ),
        (
            place_for("h-2", &[("chair", 2)], 1_000),
            (
                vec![(chair.clone(), -2)],
                vec![(chair.clone(), due)],
                vec![],
            ),
        ),
        (
            extend("h-2"),
            (vec![], vec![(chair.clone(), later)], vec![]),
        ),
        (
            release("h-2"),
            (
                vec![(chair.clone(), 2)],
                vec![],
                vec![(chair.clone(), later)],
            ),
        ),
        (
            place_for("h-3", &[("lamp", 7)], 1_000),
            (vec![(lamp.clone(), -7)], vec![(lamp.clone(), due)], vec![]),
        ),
    ]
}

#[tokio::test]
async fn every_kind_of_row_tells_what_it_did_to_availability_and_deadlines() {
    let store = MemoryStore::new("main", [5; 16]);
    let (later, due) = (NOW.plus(Millis(90_000)), NOW.plus(Millis(1_000)));
    for (command, expected) in story(due, later) {
        let entry = commit(&store, NOW, command.clone()).await;
        assert_eq!(noted(&entry), expected, "{command:?}");
    }
    // A place that pulls ends one deadline and sets another in one row.
    let lamp = at("lamp");
    let entry = commit(&store, due, place_for("h-4", &[("lamp", 2)], 89_000)).await;
    let expected = (
        vec![(lamp.clone(), 5)],
        vec![(lamp.clone(), later)],
        vec![(lamp, due)],
    );
    assert_eq!(noted(&entry), expected);
}

fn tail(store: &MemoryStore, gate: &Arc<MemoryGate>) -> Tail {
    Tail {
        store: Arc::new(store.clone()),
        gate: Arc::clone(gate) as Arc<dyn StockGate>,
        tokens: Arc::default(),
        clock: Arc::new(SystemClock::new()),
    }
}

#[tokio::test]
async fn a_round_brings_the_gate_to_the_head() {
    let store = MemoryStore::new("main", [5; 16]);
    let gate = Arc::new(MemoryGate::new(0));
    let mut tail = tail(&store, &gate);
    assert_eq!(tail.run_once().await, Ok(Round::default()));
    commit(&store, NOW, put("lamp")).await;
    for number in 0..ROWS_MAX {
        let count = Change::Receive(units(number as u64 + 1));
        commit(&store, NOW, change("lamp", count)).await;
    }
    let first = tail.run_once().await.expect("readable");
    assert_eq!((first.done, first.more, first.behind), (ROWS_MAX, true, 1));
    assert_eq!(gate.position(), ROWS_MAX as u64);
    let second = tail.run_once().await.expect("readable");
    assert_eq!((second.done, second.more, second.behind), (1, false, 0));
    assert_eq!(gate.position(), ROWS_MAX as u64 + 1);
}

#[tokio::test]
async fn a_token_event_makes_all_tokens_forgotten() {
    let store = MemoryStore::new("main", [5; 16]);
    let mut tail = tail(&store, &Arc::new(MemoryGate::new(0)));
    commit(&store, NOW, make_token("t-2")).await;
    let find = async |tokens: &Tokens| tokens.find(&store, "t-2").await.expect("readable");
    assert!(find(&tail.tokens).await.is_some());
    commit(&store, NOW, revoke("t-2")).await;
    assert!(find(&tail.tokens).await.is_some(), "not heard of it yet");
    tail.run_once().await.expect("readable");
    assert!(find(&tail.tokens).await.is_none());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_stops_it_and_the_gate_stays_where_it_was() {
    let store = MemoryStore::new("main", [5; 16]);
    let gate = Arc::new(MemoryGate::new(0));
    let mut tail = tail(&store, &gate);
    commit(&store, NOW, put("lamp")).await;
    tail.run_once().await.expect("readable");
    for text in [
        &b"{\"position\":2"[..],
        concat!(
            r#"{"position":2,"at":1,"format":99,"cause":{"kind":"x","id":""},"#,
            r#""fingerprint":null,"actor":"a","events":[],"moves":[]}"#
        )
        .as_bytes(),
    ] {
        store.edit(|tables| {
            tables.log.truncate(1);
            let hash = link(&tables.log[0].hash, text);
            let text = text.to_vec();
            tables.log.push(LogRow {
                position: 2,
                hash,
                text,
            });
            tables.head.position = 2;
        });
        let told = tail.run_once().await;
        assert!(matches!(told, Err(Fault::Corrupt(_))), "{told:?}");
        assert_eq!(gate.position(), 1);
    }
}

//! The file alone: what it belongs to, sets of rows, and the SQL views.

use super::*;
use crate::lineage::Ended;
use crate::port::{AuditRow, HoldView, OutboxRow, ParkedView, Tables};
use evenkeel_rules::hold::{Hold, State};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, Reference, SkuId};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::stock::{Move, Operation};
use evenkeel_rules::time::LogTime;
use std::collections::VecDeque;

fn head(incarnation: u32) -> Head {
    Head {
        log: "main".to_owned(),
        salt: [7; 16],
        incarnation,
        ended: Vec::new(),
        position: 0,
        hash: [0; 32],
        time: LogTime::default(),
        format: 1,
        refusals: 0,
        floor: 1,
        leases: evenkeel_rules::lease::Leases::default(),
        batches: VecDeque::new(),
    }
}

fn step(side: Side, after: u64, to: u64) -> Step {
    Step {
        projections: vec![Projection::Outbox],
        side,
        after,
        to,
    }
}

fn add(position: u64, id: &'static str) -> FoldInto {
    Box::new(move |tables| {
        tables.add_outbox(&OutboxRow {
            position,
            index: 0,
            at: LogTime::from_micros(1_700_000_000_123_456),
            id,
            kind: "order.paid",
            payload: "{}",
        })
    })
}

async fn of_outbox(views: &SqliteViews) -> Standing {
    let standing = views.standing().await.expect("views in memory are there");
    let mut own = standing.into_iter();
    own.find(|one| one.projection == Projection::Outbox)
        .expect("every projection is listed")
}

fn column(views: &SqliteViews, query: &str) -> Vec<Option<String>> {
    let conn = views.inner.writer.lock();
    super::super::rows::all(&conn, query, [], |row| row.get(0).map_err(fault)).expect("a query")
}

#[tokio::test]
async fn a_step_from_elsewhere_changes_nothing() {
    let views = SqliteViews::in_memory(&head(1)).expect("memory");
    views
        .write(step(Side::Live, 0, 3), add(2, "o-1"))
        .await
        .expect("from the start");
    let again = views.write(step(Side::Live, 0, 3), add(3, "o-1")).await;
    assert_eq!(again, Err(Fault::Conflict));
    let building = views.write(step(Side::Building, 0, 3), add(3, "o-1")).await;
    assert_eq!(building, Err(Fault::Conflict), "nothing is being built");
    let failing: FoldInto = Box::new(|tables| {
        add(4, "o-2")(tables)?;
        Err(Fault::DiskFull)
    });
    let failed = views.write(step(Side::Live, 3, 4), failing).await;
    assert_eq!(failed, Err(Fault::DiskFull));
    assert_eq!(of_outbox(&views).await.checkpoint, 3);
    assert_eq!(column(&views, "SELECT id FROM outbox").len(), 1);
}

#[tokio::test]
async fn a_set_that_is_built_takes_its_place_when_it_is_not_behind() {
    let views = SqliteViews::in_memory(&head(1)).expect("memory");
    let of = Projection::Outbox;
    views
        .write(step(Side::Live, 0, 5), add(2, "o-1"))
        .await
        .expect("live");
    assert_eq!(
        views.switch(of, 0).await,
        Ok(false),
        "nothing is being built"
    );
    views.begin(of).await.expect("a second set");
    views
        .write(step(Side::Building, 0, 4), add(1, "o-2"))
        .await
        .expect("built");
    for _ in 0..3 {
        assert_eq!(views.switch(of, 5).await, Ok(false), "it is behind");
    }
    assert_eq!(
        column(&views, "SELECT aggregate_id FROM outbox"),
        [Some("o-1".to_owned())]
    );
    views
        .write(step(Side::Building, 4, 6), add(5, "o-3"))
        .await
        .expect("built");
    assert_eq!(views.switch(of, 5).await, Ok(true));
    let now = of_outbox(&views).await;
    assert_eq!((now.checkpoint, now.building), (6, None));
    let ids = column(&views, "SELECT aggregate_id FROM outbox ORDER BY id");
    assert_eq!(ids, [Some("o-2".to_owned()), Some("o-3".to_owned())]);
    let tables = "SELECT name FROM sqlite_master WHERE name LIKE 'outbox/__' ESCAPE '/'";
    assert_eq!(
        column(&views, tables),
        [Some("outbox_2".to_owned())],
        "the old set is gone"
    );
}

#[tokio::test]
async fn the_outbox_says_how_far_subscribers_are() {
    let views = SqliteViews::in_memory(&head(1)).expect("memory");
    let rows: FoldInto = Box::new(|tables| {
        add(1, "o-1")(tables)?;
        add(2, "o-2")(tables)?;
        add(3, "o-2")(tables)?;
        add(4, "o-3")(tables)
    });
    views
        .write(step(Side::Live, 0, 4), rows)
        .await
        .expect("written");
    let status = "SELECT status FROM outbox ORDER BY id";
    let words = |words: [&str; 4]| words.map(|word| Some(word.to_owned()));
    assert_eq!(
        column(&views, status),
        words(["SENT"; 4]),
        "nobody has yet to hear of it"
    );
    let parked = ParkedView {
        id: "o-2".to_owned(),
        from: 3,
        attempts: 4,
        cause: "410".to_owned(),
    };
    let passed = Some(3);
    views
        .relayed(
            Relayed {
                passed,
                parked: vec![parked],
            },
            LogTime::from_micros(1_700_000_001_000_000),
        )
        .await
        .expect("noted");
    assert_eq!(
        column(&views, status),
        words(["SENT", "SENT", "FAILED", "PENDING"])
    );
    let failed = "SELECT last_error || attempts FROM outbox WHERE status = 'FAILED'";
    assert_eq!(column(&views, failed), [Some("4104".to_owned())]);
    let sent = "SELECT sent_at FROM outbox WHERE status <> 'SENT'";
    assert_eq!(column(&views, sent), [None, None], "they were not");
    let ids = column(&views, "SELECT id || ' ' || created_at FROM outbox LIMIT 1");
    assert_eq!(
        ids,
        [Some("main.1:1/0 2023-11-14T22:13:20.123Z".to_owned())]
    );
}

/// When each event was sent: the second of the minute, if that is known.
fn sent(views: &SqliteViews) -> Vec<Option<String>> {
    column(views, "SELECT substr(sent_at, 18) FROM outbox ORDER BY id")
}

async fn passed(views: &SqliteViews, passed: Option<u64>, second: i64) {
    let now = Relayed {
        passed,
        parked: Vec::new(),
    };
    let at = LogTime::from_micros(1_700_000_000_000_000 + second * 1_000_000);
    views.relayed(now, at).await.expect("noted");
}

#[tokio::test]
async fn the_outbox_says_when_the_last_subscriber_was_told() {
    let views = SqliteViews::in_memory(&head(1)).expect("memory");
    let rows: FoldInto = Box::new(|tables| (1..=6).try_for_each(|at| add(at, "o-1")(tables)));
    let of = step(Side::Live, 0, 6);
    views.write(of, rows).await.expect("written");
    let seconds = |seconds: [&str; 6]| {
        let known = |second: &str| (second != "-").then(|| format!("{second}.000Z"));
        seconds.map(known)
    };
    assert_eq!(sent(&views), seconds(["-"; 6]), "nobody was told");
    passed(&views, Some(2), 1).await;
    assert_eq!(sent(&views), seconds(["-"; 6]), "there it begins");
    passed(&views, Some(3), 2).await;
    passed(&views, Some(5), 4).await;
    passed(&views, Some(5), 9).await;
    let after = seconds(["-", "-", "22", "24", "24", "-"]);
    assert_eq!(sent(&views), after, "the sixth waits");
    // A replay from the fifth on: it is sent again, the fourth is not.
    passed(&views, Some(4), 11).await;
    assert_eq!(sent(&views), seconds(["-", "-", "22", "24", "-", "-"]));
    passed(&views, Some(6), 13).await;
    let all = seconds(["-", "-", "22", "24", "33", "33"]);
    assert_eq!(sent(&views), all);
    passed(&views, None, 15).await;
    assert_eq!(
        sent(&views),
        all,
        "what was sent stays so without subscribers"
    );
    let whole = column(
        &views,
        "SELECT sent_at FROM outbox ORDER BY id LIMIT 1 OFFSET 2",
    );
    assert_eq!(whole, [Some("2023-11-14T22:13:22.000Z".to_owned())]);
}

#[tokio::test]
async fn what_was_passed_while_nobody_was_there_was_sent_to_nobody() {
    let views = SqliteViews::in_memory(&head(1)).expect("memory");
    let rows: FoldInto = Box::new(|tables| (1..=5).try_for_each(|at| add(at, "o-1")(tables)));
    let of = step(Side::Live, 0, 5);
    views.write(of, rows).await.expect("written");
    passed(&views, Some(1), 1).await;
    passed(&views, Some(2), 2).await;
    passed(&views, None, 3).await;
    passed(&views, Some(4), 4).await;
    passed(&views, Some(5), 5).await;
    let sent: Vec<bool> = sent(&views).iter().map(Option::is_some).collect();
    assert_eq!(sent, [false, true, false, false, true]);
}

#[tokio::test]
async fn an_event_keeps_the_id_that_it_had_before_a_restore() {
    let dir = tempfile::tempdir().expect("a directory");
    let ended = [(1, 2), (4, 2), (6, 3)];
    let ended = ended.map(|(incarnation, last)| Ended { incarnation, last });
    let head = Head {
        ended: ended.to_vec(),
        ..head(9)
    };
    let views = SqliteViews::open(dir.path(), &head).expect("a file");
    for (after, position) in [(0, 2), (2, 3), (3, 4)] {
        let step = step(Side::Live, after, position);
        views
            .write(step, add(position, "o-1"))
            .await
            .expect("written");
    }
    drop(views);
    let conn = Connection::open(dir.path().join(VIEWS_FILE)).expect("a file");
    let mut query = conn
        .prepare("SELECT id FROM outbox ORDER BY id")
        .expect("there");
    let ids = query
        .query_map([], |row| row.get::<_, String>(0))
        .expect("rows");
    let ids: Vec<String> = ids.collect::<Result<_, _>>().expect("texts");
    assert_eq!(ids, ["main.1:2/0", "main.6:3/0", "main.9:4/0"]);
}

#[tokio::test]
async fn a_file_of_another_log_is_made_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let filled = async |incarnation| {
        let views = SqliteViews::open(dir.path(), &head(incarnation)).expect("a file");
        let stood = of_outbox(&views).await.checkpoint;
        if stood == 0 {
            views
                .write(step(Side::Live, 0, 9), add(2, "o-1"))
                .await
                .expect("written");
        }
        stood
    };
    assert_eq!((filled(1).await, filled(1).await), (0, 9), "it is kept");
    assert_eq!(filled(2).await, 0, "a restored log is another log");
    std::fs::write(dir.path().join(VIEWS_FILE), "no database").expect("written");
    assert_eq!(filled(2).await, 0, "what cannot be read is made anew");
}

fn put(tables: &mut dyn Tables, (id, created): (&str, u64)) -> Result<(), Fault> {
    let hold = Hold {
        id: HoldId::new(id).expect("an id"),
        customer: CustomerId::new("c-1").expect("an id"),
        state: State::Held,
        lines: Vec::new(),
        placed_at: LogTime::default(),
        deadline: LogTime::default(),
        changed_at: None,
        ended_at: None,
        order: None,
    };
    let body = serde_json::to_string(&hold).expect("a hold is plain JSON");
    tables.put_hold(&HoldView {
        created,
        last: created,
        version: 1,
        hold: &hold,
        body: &body,
    })
}

fn of_holds(side: Side, after: u64, to: u64) -> Step {
    Step {
        projections: vec![Projection::Holds],
        ..step(side, after, to)
    }
}

#[tokio::test]
async fn rows_that_are_built_are_found_by_place_then_by_a_name_that_is_indexed_when_asked_for() {
    let views = SqliteViews::in_memory(&head(1)).expect("memory");
    views.begin(Projection::Holds).await.expect("a second set");
    let first: FoldInto = Box::new(|tables| {
        put(tables, ("h-1", 1))?;
        put(tables, ("h-2", 2))
    });
    let written = views.write(of_holds(Side::Building, 0, 2), first).await;
    written.expect("built");
    let names = "SELECT name FROM sqlite_master WHERE name LIKE 'hold/_seek/__' ESCAPE '/'";
    let look: FoldInto = Box::new(|tables| {
        let id = HoldId::new("h-2").expect("an id");
        assert_eq!(
            tables.hold(&id, 0),
            Ok(None),
            "it is taken for a first event"
        );
        assert_eq!(tables.hold(&id, 2), Ok(Some((2, 1))));
        Ok(())
    });
    let looked = views.write(of_holds(Side::Building, 2, 3), look).await;
    looked.expect("built");
    assert_eq!(column(&views, names), [], "no name was needed");
    let seek: FoldInto = Box::new(|tables| {
        let id = HoldId::new("h-2").expect("an id");
        assert_eq!(
            tables.hold(&id, 1),
            Ok(Some((2, 1))),
            "another row is there"
        );
        Ok(())
    });
    let sought = views.write(of_holds(Side::Building, 3, 4), seek).await;
    sought.expect("built");
    assert_eq!(column(&views, names).len(), 1);
}

#[tokio::test]
async fn a_set_with_a_stream_twice_is_begun_again_with_the_index_that_finds_it() {
    let views = SqliteViews::in_memory(&head(1)).expect("memory");
    let of = Projection::Holds;
    views.begin(of).await.expect("a second set");
    let twice: FoldInto = Box::new(|tables| {
        put(tables, ("h-1", 1))?;
        put(tables, ("h-1", 2))
    });
    let written = views.write(of_holds(Side::Building, 0, 2), twice).await;
    written.expect("built");
    assert_eq!(views.switch(of, 0).await, Ok(false));
    let standing = views.standing().await.expect("readable");
    let stands = |one: &&Standing| one.projection == of;
    assert_eq!(
        standing.iter().find(stands).and_then(|one| one.building),
        Some(0)
    );
    let found: FoldInto = Box::new(|tables| {
        put(tables, ("h-1", 1))?;
        let id = HoldId::new("h-1").expect("an id");
        assert_eq!(tables.hold(&id, 0), Ok(Some((1, 1))), "now it is looked up");
        Ok(())
    });
    let written = views.write(of_holds(Side::Building, 0, 2), found).await;
    written.expect("built");
}

#[tokio::test]
async fn every_move_is_read_back_as_it_was_made() {
    let views = SqliteViews::in_memory(&head(1)).expect("memory");
    let rows: Vec<AuditRow> = (0..)
        .zip(Operation::ALL)
        .map(|(index, operation)| AuditRow {
            position: 1,
            index,
            at: LogTime::from_micros(7),
            made: Move {
                operation,
                sku: SkuId::new("s-1").expect("an id"),
                location: LocationId::main(),
                quantity: Quantity::ONE,
                reference: Reference::new("r-1").expect("an id"),
            },
        })
        .collect();
    let made = rows.clone();
    let add: FoldInto =
        Box::new(move |tables| made.iter().try_for_each(|row| tables.add_audit(row)));
    let of_audit = Step {
        projections: vec![Projection::Audit],
        ..step(Side::Live, 0, 1)
    };
    views.write(of_audit, add).await.expect("written");
    let read = views.audit(&AuditFilter::default(), (0, 0), 100).await;
    assert_eq!(read.expect("readable").rows, rows);
}

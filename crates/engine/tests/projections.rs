//! Projections are the fold of the log: beside a store that trades, after a rebuild under load,
//! after their file is gone, and past an event that cannot be folded.

use evenkeel_engine::Engine;
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::port::{
    AuditFilter, Fault, HoldFilter, HoldRow, LogRow, OrderFilter, OrderView, Projection, Store,
    Views,
};
use evenkeel_engine::project::{Inline, Project, Projector};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_engine::store::sqlite::views::{SqliteViews, VIEWS_FILE};
use evenkeel_engine::verify::{Inputs, Invariant, Kind, Outcome, verify};
use evenkeel_engine::worker::Work;
use evenkeel_rules::hold::State;
use evenkeel_rules::order::Status;
use evenkeel_rules::time::LogTime;
use std::path::Path;
use std::sync::Arc;

mod asked;
mod trading;
use trading::*;

async fn reach(projector: &Projector, position: u64) {
    for projection in Projection::ALL {
        assert!(
            projector.reach(projection, position, PATIENCE).await,
            "{projection:?}"
        );
    }
}

/// Every row of the views is the store's row, but for what is no fact.
async fn same(store: &dyn Store, views: &dyn Views) {
    let orders = store.orders(u64::MAX, ALL).await.expect("readable").rows;
    let orders = orders
        .into_iter()
        .filter(|row| row.body.status != Status::Rejected);
    let seen = views
        .orders(&OrderFilter::default(), u64::MAX, ALL)
        .await
        .expect("readable");
    let mut seen = seen.rows.into_iter();
    for row in orders {
        let view = seen.next().expect("an order for each row").row;
        let fact = |row: &evenkeel_engine::port::OrderRow| (row.created, row.last, row.version);
        assert_eq!((fact(&view), &view.body), (fact(&row), &row.body));
    }
    assert!(seen.next().is_none());
    let holds = store.holds(u64::MAX, ALL).await.expect("readable").rows;
    let seen = views
        .holds(&HoldFilter::default(), u64::MAX, ALL)
        .await
        .expect("readable");
    assert_eq!(seen.rows, holds);
    let skus = store.skus(u64::MAX, ALL).await.expect("readable").rows;
    assert_eq!(
        views.skus(u64::MAX, ALL).await.expect("readable").rows,
        skus
    );
    assert_eq!(views.aside(ALL).await, Ok(Vec::new()));
}

fn views_of(dir: &Path, store: &evenkeel_engine::port::Head) -> Arc<dyn Views> {
    Arc::new(SqliteViews::open(dir, store).expect("the directory can be written"))
}

async fn open(dir: &Path) -> (Engine, Arc<dyn Store>) {
    let store = SqliteStore::open(dir, &SystemIds, NamesOptions::default());
    let store: Arc<dyn Store> = Arc::new(store.expect("the directory can be opened"));
    let engine = engine(Arc::clone(&store)).await;
    let head = store.head().await.expect("readable");
    engine.keep_views(views_of(dir, &head));
    (engine, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_the_stores_rows_and_are_made_again_when_their_file_is_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (engine, store) = open(dir.path()).await;
    stock(&engine).await;
    trade(&engine, 0, 40).await;
    let end = quiet(&engine).await;
    let projector = engine.projector().expect("it keeps views");
    reach(projector, end).await;
    same(&*store, &**projector.views()).await;
    engine.stop().await;
    drop((engine, store));
    for file in [VIEWS_FILE, "views.db-wal", "views.db-shm"] {
        let _was_not_there = std::fs::remove_file(dir.path().join(file));
    }
    let (engine, store) = open(dir.path()).await;
    let projector = engine.projector().expect("it keeps views");
    reach(projector, end).await;
    same(&*store, &**projector.views()).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_under_load_never_shows_an_older_position() {
    let dir = tempfile::tempdir().expect("a directory");
    let (engine, store) = open(dir.path()).await;
    stock(&engine).await;
    trade(&engine, 0, 20).await;
    let projector = Arc::clone(engine.projector().expect("it keeps views"));
    for projection in Projection::ALL {
        projector.rebuild(projection).await.expect("begun");
    }
    let building = projector.views().standing().await.expect("readable");
    assert!(
        building
            .iter()
            .all(|one| one.building.is_some() || one.checkpoint > 0)
    );
    let watched = async {
        let mut seen = 0;
        loop {
            let page = projector
                .views()
                .orders(&OrderFilter::default(), u64::MAX, 5)
                .await;
            let page = page.expect("readable");
            assert!(page.position >= seen, "{} after {seen}", page.position);
            seen = page.position;
            let standing = projector.views().standing().await.expect("readable");
            if standing.iter().all(|one| one.building.is_none()) {
                return;
            }
            projector.nudge().notify_one();
            tokio::task::yield_now().await;
        }
    };
    let built = tokio::time::timeout(PATIENCE, watched);
    let ((), built) = tokio::join!(trade(&engine, 20, 60), built);
    built.expect("all take their place");
    let end = quiet(&engine).await;
    reach(&projector, end).await;
    same(&*store, &**projector.views()).await;
    engine.stop().await;
}

type Fits = Box<dyn Fn(&OrderView) -> bool>;

/// Every filter alone, and what it lets through.
fn filters(older: LogTime, newer: LogTime) -> Vec<(OrderFilter, Fits)> {
    let any = OrderFilter::default;
    let paid = evenkeel_rules::payment::Status::Completed;
    vec![
        (
            OrderFilter {
                customer: Some(customer(3)),
                ..any()
            },
            Box::new(|view| view.row.body.customer == customer(3)),
        ),
        (
            OrderFilter {
                status: Some(Status::Confirmed),
                ..any()
            },
            Box::new(|view| view.row.body.status == Status::Confirmed),
        ),
        (
            OrderFilter {
                sku: Some(sku(2)),
                ..any()
            },
            Box::new(|view| view.row.body.lines.iter().any(|line| line.sku == sku(2))),
        ),
        (
            OrderFilter {
                from: Some(older),
                to: Some(newer),
                ..any()
            },
            Box::new(move |view| (older..newer).contains(&view.row.body.created_at)),
        ),
        (
            OrderFilter {
                payment: Some(paid),
                ..any()
            },
            Box::new(move |view| view.row.body.payment_status() == paid),
        ),
        (
            OrderFilter {
                shipped: true,
                ..any()
            },
            Box::new(|view| view.row.body.shipment.is_some()),
        ),
    ]
}

/// Every filter alone, against the same filter over all rows.
async fn filters_agree(views: &dyn Views) {
    let all = views
        .orders(&OrderFilter::default(), u64::MAX, ALL)
        .await
        .expect("readable")
        .rows;
    let times: Vec<_> = all.iter().map(|view| view.row.body.created_at).collect();
    let (newer, older) = (times[times.len() / 3], times[times.len() / 3 * 2]);
    for (filter, fits) in filters(older, newer) {
        let wanted: Vec<_> = all.iter().filter(|view| fits(view)).cloned().collect();
        assert!(!wanted.is_empty() && wanted.len() < all.len(), "{filter:?}");
        let mut walked = Vec::new();
        let mut before = u64::MAX;
        loop {
            let page = views
                .orders(&filter, before, 3)
                .await
                .expect("readable")
                .rows;
            let Some(last) = page.last() else { break };
            before = last.row.created;
            walked.extend(page);
        }
        assert_eq!(walked, wanted, "{filter:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_with_filters_are_the_whole_list_filtered() {
    let store = MemoryStore::new("main", [5; 16]);
    let engine = engine(Arc::new(store.clone())).await;
    let head = store.head().await.expect("readable");
    engine.keep_views(Arc::new(SqliteViews::in_memory(&head).expect("memory")));
    stock(&engine).await;
    trade(&engine, 0, 30).await;
    let end = quiet(&engine).await;
    let projector = engine.projector().expect("it keeps views");
    reach(projector, end).await;
    let views = &**projector.views();
    same(&store, views).await;
    filters_agree(views).await;
    let all = views
        .holds(&HoldFilter::default(), u64::MAX, ALL)
        .await
        .expect("readable")
        .rows;
    let filter = HoldFilter {
        customer: Some(customer(2)),
        state: Some(State::Confirmed),
        sku: Some(sku(4)),
    };
    let fits =
        |row: &&HoldRow| row.hold.customer == customer(2) && row.hold.state == State::Confirmed;
    let wanted: Vec<HoldRow> = all.iter().filter(fits).cloned().collect();
    assert!(!wanted.is_empty());
    assert_eq!(
        views
            .holds(&filter, u64::MAX, ALL)
            .await
            .expect("readable")
            .rows,
        wanted
    );
    let of_one = AuditFilter {
        sku: None,
        references: Some(vec![(&hold(3)).into()]),
    };
    let moves = views
        .audit(&of_one, (0, 0), ALL)
        .await
        .expect("readable")
        .rows;
    assert_eq!(moves.len(), 6, "held and confirmed, three lines each");
    let second = (moves[1].position, moves[1].index);
    let rest = views
        .audit(&of_one, second, 2)
        .await
        .expect("readable")
        .rows;
    assert_eq!(rest, moves[1..3]);
    engine.stop().await;
}

/// A log whose rows can be made worse.
async fn fold_over(rows: Vec<LogRow>) -> (Arc<dyn Views>, Result<(), Fault>) {
    let over = over(rows).await;
    let done = settle(&mut over.project()).await;
    (over.views, done)
}

/// Views over a log that nobody adds to.
struct Over {
    store: Arc<dyn Store>,
    views: Arc<dyn Views>,
    projector: Arc<Projector>,
}

impl Over {
    /// The loop, as a process begins it.
    fn project(&self) -> Project {
        let store = Arc::clone(&self.store);
        Project::new(store, Arc::clone(&self.projector), Inline::Yes)
    }
}

async fn over(rows: Vec<LogRow>) -> Over {
    let store = MemoryStore::new("main", [5; 16]);
    store.edit(|tables| {
        tables.head.position = rows.last().map_or(0, |row| row.position);
        tables.log = rows;
    });
    let head = store.head().await.expect("readable");
    let views: Arc<dyn Views> = Arc::new(SqliteViews::in_memory(&head).expect("memory"));
    let projector = Projector::new(Arc::clone(&views), Arc::new(SystemClock::new()));
    Over {
        store: Arc::new(store),
        views,
        projector,
    }
}

async fn settle(project: &mut Project) -> Result<(), Fault> {
    while project.run_once().await?.more {}
    Ok(())
}

/// The log of a little trade.
async fn traded() -> (MemoryStore, Vec<LogRow>) {
    let store = MemoryStore::new("main", [5; 16]);
    let engine = engine(Arc::new(store.clone())).await;
    stock(&engine).await;
    trade(&engine, 0, 6).await;
    quiet(&engine).await;
    engine.stop().await;
    let rows = store.log(1, ALL).await.expect("readable").rows;
    (store, rows)
}

/// Adds a row like the one at a place, of another hold.
fn add(rows: &mut Vec<LogRow>, like: usize, (from, to): (&str, &str)) {
    let (old, position) = (rows[like].position, rows.len() as u64 + 1);
    let text = String::from_utf8_lossy(&rows[like].text).replace(from, to);
    let place = |position: u64| format!("\"position\":{position},");
    let text = text.replacen(&place(old), &place(position), 1);
    rows.push(LogRow {
        position,
        hash: [0; 32],
        text: text.into_bytes(),
    });
}

/// Where a hold is placed.
fn placed(rows: &[LogRow], hold: &str) -> usize {
    let stream = format!("\"stream\":\"hold:{hold}\",\"version\":1,");
    let has = |row: &LogRow| String::from_utf8_lossy(&row.text).contains(&stream);
    rows.iter().position(has).expect("the hold was placed")
}

/// Orders, holds, and how many moves the audit has.
async fn shown(views: &dyn Views) -> (Vec<OrderView>, Vec<HoldRow>, usize) {
    let all = (OrderFilter::default(), HoldFilter::default());
    let orders = views.orders(&all.0, u64::MAX, 50_000).await;
    let holds = views.holds(&all.1, u64::MAX, 50_000).await;
    let moves = views.audit(&AuditFilter::default(), (0, 0), 200_000).await;
    (
        orders.expect("readable").rows,
        holds.expect("readable").rows,
        moves.expect("readable").rows.len(),
    )
}

/// Where each projection's two sets stand.
async fn stands(views: &dyn Views) -> Vec<(u64, Option<u64>)> {
    let standing = views.standing().await.expect("readable");
    assert!(standing.iter().all(|one| one.failed == 0));
    let each = standing.iter();
    each.map(|one| (one.checkpoint, one.building)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_built_beside_empty_rows_and_goes_on_where_a_process_died() {
    let (store, mut rows) = traded().await;
    let like = placed(&rows, "h-3");
    for number in 0..21_000 {
        add(&mut rows, like, ("h-3", &format!("x-{number}")));
    }
    let head = rows.len() as u64;
    let over = over(rows).await;
    let mut project = over.project();
    assert!(project.run_once().await.expect("folded").more);
    assert_eq!(
        stands(&*over.views).await,
        [(0, Some(8_000)); 5],
        "nobody sees half of it"
    );
    drop(project);
    let mut project = over.project();
    assert!(project.run_once().await.expect("folded").more);
    assert_eq!(stands(&*over.views).await, [(0, Some(16_000)); 5]);
    assert_eq!(settle(&mut project).await, Ok(()));
    assert_eq!(stands(&*over.views).await, [(head, None); 5]);
    let (orders, holds, _) = shown(&*over.views).await;
    let traded = store.holds(u64::MAX, ALL).await.expect("readable").rows;
    assert_eq!((orders.len(), holds.len()), (6, traded.len() + 21_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_begun_again_or_past_a_stream_that_begins_twice_ends_as_the_live_rows() {
    let (_store, mut rows) = traded().await;
    for hold in ["h-2", "h-3"] {
        let like = placed(&rows, hold);
        add(&mut rows, like, (hold, hold));
    }
    let over = over(rows).await;
    let mut project = over.project();
    assert_eq!(settle(&mut project).await, Ok(()));
    let before = shown(&*over.views).await;
    let aside = over.views.aside(ALL).await.expect("readable");
    assert_eq!(aside.len(), 2, "the second beginnings: {aside:?}");
    for projection in Projection::ALL {
        over.projector.rebuild(projection).await.expect("begun");
        project.run_once().await.expect("a page");
        let again = over.projector.rebuild(projection).await;
        again.expect("begun again");
        assert_eq!(settle(&mut project).await, Ok(()));
        assert_eq!(shown(&*over.views).await, before, "{projection:?}");
        assert_eq!(over.views.aside(ALL).await.expect("readable"), aside);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_folded_is_set_aside_with_its_stream_and_stops_nothing_else() {
    let (store, mut rows) = traded().await;
    let placed = rows
        .iter_mut()
        .find(|row| String::from_utf8_lossy(&row.text).contains("\"stream\":\"hold:h-3\""));
    let placed = placed.expect("the hold was placed");
    let bad = placed.position;
    let text = String::from_utf8_lossy(&placed.text).replace("stock.held", "stock.teleported");
    placed.text = text.into_bytes();
    let (views, done) = fold_over(rows.clone()).await;
    assert_eq!(done, Ok(()));
    let aside = views.aside(ALL).await.expect("readable");
    assert_eq!(aside.len(), 2, "the event and its successor: {aside:?}");
    assert_eq!(
        (aside[0].position, aside[0].projection),
        (bad, Projection::Holds)
    );
    assert!(aside[0].why.contains("stock.teleported"), "{aside:?}");
    let standing = views.standing().await.expect("readable");
    let failed: Vec<u64> = standing.iter().map(|one| one.failed).collect();
    assert_eq!(failed, [0, 2, 0, 0, 0]);
    assert!(
        standing
            .iter()
            .all(|one| one.checkpoint == rows.len() as u64)
    );
    let holds = views
        .holds(&HoldFilter::default(), u64::MAX, ALL)
        .await
        .expect("readable");
    assert_eq!(
        holds.rows.len(),
        store
            .holds(u64::MAX, ALL)
            .await
            .expect("readable")
            .rows
            .len()
            - 1
    );

    rows.remove(10);
    let (views, done) = fold_over(rows).await;
    assert!(
        matches!(done, Err(Fault::Corrupt(_))),
        "a gap is never passed: {done:?}"
    );
    let standing = views.standing().await.expect("readable");
    assert!(
        standing.iter().all(|one| one.checkpoint == 10),
        "{standing:?}"
    );
}

/// What `verify` says of I8 with the views of a directory.
async fn judged(dir: &Path) -> (Outcome, Vec<(Kind, String)>) {
    let store = SqliteStore::open_read_only(dir, NamesOptions::default());
    let store = store.expect("the directory can be opened");
    let head = store.head().await.expect("readable");
    let views = SqliteViews::open_read_only(dir, &head).expect("they are this log's");
    let inputs = Inputs {
        views: Some(&views),
        ..Inputs::default()
    };
    let report = verify(&store, inputs).await.expect("readable");
    let check = report.check(Invariant::I8);
    let others = report.findings().count() - check.findings.len();
    assert_eq!(others, 0, "{report:?}");
    let findings = check.findings.iter();
    let named = findings.map(|finding| (finding.kind, finding.subject.kind.to_owned()));
    (check.result, named.collect())
}

/// What is done to the views, and what `verify` then names.
const DAMAGES: &[(&str, &str)] = &[
    (
        "UPDATE order_row_1 SET version = version + 1 WHERE id = 'o-3'",
        "order",
    ),
    (
        "UPDATE order_row_1 SET body = replace(body, '\"price\":1999', '\"price\":9')
          WHERE id = 'o-5'",
        "order",
    ),
    ("DELETE FROM order_row_1 WHERE id = 'o-5'", "order"),
    (
        "UPDATE hold_row_1 SET body = replace(body, '\"c-1\"', '\"c-2\"')
          WHERE id = 'h-1'",
        "hold",
    ),
    ("DELETE FROM hold_row_1 WHERE id = 'h-2'", "hold"),
    (
        "UPDATE balance_1 SET available = available + 1 WHERE sku = 'sku-3'",
        "sku",
    ),
    ("DELETE FROM sku_row_1 WHERE id = 'sku-2'", "sku"),
    (
        "DELETE FROM audit_1 WHERE position = (SELECT max(position) FROM audit_1)",
        "sku",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn verify_names_each_view_that_is_not_the_fold_at_its_checkpoint() {
    let dir = tempfile::tempdir().expect("a directory");
    let (engine, store) = open(dir.path()).await;
    stock(&engine).await;
    trade(&engine, 0, 12).await;
    let end = quiet(&engine).await;
    reach(engine.projector().expect("it keeps views"), end).await;
    engine.stop().await;
    drop((engine, store));
    assert_eq!(judged(dir.path()).await, (Outcome::Held, Vec::new()));
    for (damage, subject) in DAMAGES {
        let conn = rusqlite::Connection::open(dir.path().join(VIEWS_FILE)).expect("the file");
        let kept = std::fs::read(dir.path().join(VIEWS_FILE)).expect("readable");
        assert!(conn.execute(damage, []).expect("damaged") > 0, "{damage}");
        drop(conn);
        let (result, found) = judged(dir.path()).await;
        assert_eq!(result, Outcome::Violated, "{damage}");
        let wanted = (Kind::ViewDiffers, (*subject).to_owned());
        assert!(
            !found.is_empty() && found.iter().all(|one| *one == wanted),
            "{damage}: {found:?}"
        );
        std::fs::write(dir.path().join(VIEWS_FILE), kept).expect("writable");
    }
    let conn = rusqlite::Connection::open(dir.path().join(VIEWS_FILE)).expect("the file");
    let ahead =
        "UPDATE projection SET checkpoint = checkpoint + 9 WHERE name IN ('holds', 'stock')";
    conn.execute(ahead, []).expect("damaged");
    drop(conn);
    let (result, found) = judged(dir.path()).await;
    assert_eq!(result, Outcome::Violated);
    let wanted = (Kind::CheckpointAhead, "projection".to_owned());
    assert_eq!(found, [wanted.clone(), wanted]);
    let (engine, store) = open(dir.path()).await;
    let projector = engine.projector().expect("it keeps views");
    for projection in [Projection::Holds, Projection::Stock] {
        projector.rebuild(projection).await.expect("begun");
    }
    let mended = async {
        loop {
            let standing = projector.views().standing().await.expect("readable");
            if standing
                .iter()
                .all(|one| one.checkpoint == end && one.building.is_none())
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, mended)
        .await
        .expect("a rebuild mends it");
    same(&*store, &**projector.views()).await;
    engine.stop().await;
}

//! Read models in PostgreSQL are what those in SQLite are, of the same log, however they are made.

use super::sql;
use super::trading::{ALL, engine, quiet, stock, trade};
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::lineage::Ended;
use evenkeel_engine::port::{
    AuditFilter, Fault, HoldFilter, LogRow, OrderFilter, ParkedView, Projection, Relayed, Store,
    Views,
};
use evenkeel_engine::project::{Inline, Project, Projector};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::postgres::views::PostgresViews;
use evenkeel_engine::store::postgres::{PostgresOptions, PostgresStore};
use evenkeel_engine::store::sqlite::views::SqliteViews;
use evenkeel_engine::worker::Work as _;
use evenkeel_rules::hold::State;
use evenkeel_rules::ids::{CustomerId, SkuId};
use evenkeel_rules::order::Status;
use evenkeel_rules::time::LogTime;
use std::sync::Arc;

/// A database with the tables of a ledger that stands where this one does.
pub(crate) async fn views_of(store: &dyn Store) -> (String, Arc<dyn Views>) {
    let url = sql::database().await;
    let options = PostgresOptions::new(&url);
    drop(
        PostgresStore::open(&options, &SystemIds)
            .await
            .expect("made"),
    );
    let head = store.head().await.expect("readable");
    let views = PostgresViews::open(&options, &head).await;
    (url, Arc::new(views.expect("the database can be written")))
}

fn project(store: &Arc<dyn Store>, views: &Arc<dyn Views>) -> (Project, Arc<Projector>) {
    let projector = Projector::new(Arc::clone(views), Arc::new(SystemClock::new()));
    let project = Project::new(Arc::clone(store), Arc::clone(&projector), Inline::Yes);
    (project, projector)
}

async fn settle(project: &mut Project) {
    while project.run_once().await.expect("folded").more {}
}

/// Everything that a reader can be shown, as text.
async fn shown(views: &dyn Views) -> Vec<String> {
    let mut all = Vec::new();
    let lamps = SkuId::new("sku-1").expect("an id");
    let somebody = CustomerId::new("c-3").expect("an id");
    let orders = [
        OrderFilter::default(),
        OrderFilter {
            customer: Some(somebody.clone()),
            ..OrderFilter::default()
        },
        OrderFilter {
            sku: Some(lamps.clone()),
            status: Some(Status::Confirmed),
            ..OrderFilter::default()
        },
        OrderFilter {
            shipped: true,
            to: Some(LogTime::from_micros(i64::MAX)),
            from: Some(LogTime::from_micros(0)),
            ..OrderFilter::default()
        },
    ];
    for filter in orders {
        let rows = views.orders(&filter, u64::MAX, ALL).await;
        all.push(format!("{:?}", rows.expect("readable")));
    }
    let holds = [
        HoldFilter::default(),
        HoldFilter {
            sku: Some(lamps.clone()),
            state: Some(State::Confirmed),
            customer: None,
        },
        HoldFilter {
            customer: Some(somebody),
            ..HoldFilter::default()
        },
    ];
    for filter in holds {
        let rows = views.holds(&filter, 200, 7).await;
        all.push(format!("{:?}", rows.expect("readable")));
    }
    all.push(format!(
        "{:?}",
        views.skus(u64::MAX, 3).await.expect("readable")
    ));
    let audit = [
        AuditFilter::default(),
        AuditFilter {
            sku: Some(lamps),
            references: None,
        },
    ];
    for filter in audit {
        let rows = views.audit(&filter, (20, 1), ALL).await;
        all.push(format!("{:?}", rows.expect("readable")));
    }
    all.push(format!("{:?}", views.standing().await.expect("readable")));
    all.push(format!("{:?}", views.aside(ALL).await.expect("readable")));
    all
}

/// A log of a little trade, and the same with a stream that begins twice.
pub(crate) async fn traded() -> (Arc<dyn Store>, Arc<dyn Store>) {
    let store = MemoryStore::new("main", [5; 16]);
    let engine = engine(Arc::new(store.clone())).await;
    stock(&engine).await;
    trade(&engine, 0, 40).await;
    quiet(&engine).await;
    engine.stop().await;
    let rows = store.log(1, ALL).await.expect("readable").rows;
    let damaged = MemoryStore::from_tables(store.tables());
    damaged.edit(|tables| {
        let again = twice(&rows, "h-2");
        tables.head.position = again.position;
        tables.log.push(again);
    });
    (Arc::new(store), Arc::new(damaged))
}

/// The row that begins a hold, once more at the end.
fn twice(rows: &[LogRow], hold: &str) -> LogRow {
    let stream = format!("\"stream\":\"hold:{hold}\",\"version\":1,");
    let text = |row: &LogRow| String::from_utf8_lossy(&row.text).into_owned();
    let first = rows.iter().find(|row| text(row).contains(&stream));
    let (first, position) = (first.expect("it was placed"), rows.len() as u64 + 1);
    let place = |position: u64| format!("\"position\":{position},");
    LogRow {
        position,
        hash: [0; 32],
        text: text(first)
            .replacen(&place(first.position), &place(position), 1)
            .into_bytes(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_those_of_sqlite_when_folded_and_when_built_again() {
    let (whole, damaged) = traded().await;
    for store in [whole, damaged] {
        let head = store.head().await.expect("readable");
        let own: Arc<dyn Views> = Arc::new(SqliteViews::in_memory(&head).expect("memory"));
        let (_, views) = views_of(&*store).await;
        let (mut one, _) = project(&store, &own);
        settle(&mut one).await;
        let (mut other, projector) = project(&store, &views);
        settle(&mut other).await;
        let expected = shown(&*own).await;
        assert_eq!(shown(&*views).await, expected);
        for projection in Projection::ALL {
            projector.rebuild(projection).await.expect("begun");
            projector.rebuild(projection).await.expect("begun again");
        }
        settle(&mut other).await;
        assert_eq!(shown(&*views).await, expected, "built again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_fold_one_log_come_to_the_same_rows() {
    let (store, _) = traded().await;
    let (url, views) = views_of(&*store).await;
    let head = store.head().await.expect("readable");
    let second = PostgresViews::open(&PostgresOptions::new(&url), &head).await;
    let second: Arc<dyn Views> = Arc::new(second.expect("it is there"));
    let (mut one, _) = project(&store, &views);
    let (mut two, _) = project(&store, &second);
    let behind = async |project: &mut Project| {
        loop {
            match project.run_once().await {
                Ok(round) if round.behind == 0 && !round.more => return,
                Ok(_) | Err(Fault::Conflict) => {}
                Err(fault) => panic!("{fault:?}"),
            }
        }
    };
    tokio::join!(behind(&mut one), behind(&mut two));
    let own: Arc<dyn Views> = Arc::new(SqliteViews::in_memory(&head).expect("memory"));
    let (mut third, _) = project(&store, &own);
    settle(&mut third).await;
    assert_eq!(shown(&*views).await, shown(&*own).await);
    assert_eq!(shown(&*second).await, shown(&*own).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_another_log_are_made_anew_and_sql_views_read_for_people() {
    let (store, _) = traded().await;
    let (url, views) = views_of(&*store).await;
    let (mut project, _) = project(&store, &views);
    settle(&mut project).await;
    let parked = ParkedView {
        id: "o-1".to_owned(),
        from: 1,
        attempts: 3,
        cause: "refused".to_owned(),
    };
    for (passed, parked) in [(3, vec![parked]), (5, vec![])] {
        let relayed = Relayed {
            passed: Some(passed),
            parked,
        };
        let at = LogTime::from_micros(1_700_000_000_123_456);
        views.relayed(relayed, at).await.expect("noted");
    }
    let sql = "DO $$ BEGIN
        ASSERT (SELECT count(*) FROM evenkeel.orders) = 40, 'orders';
        ASSERT (SELECT bool_and(created_at ~ '^20[0-9-]{8}T[0-9:]{8}[.][0-9]{3}Z$')
          FROM evenkeel.orders), 'times';
        ASSERT (SELECT count(*) FROM evenkeel.order_items) >= 80, 'items';
        ASSERT (SELECT count(*) FROM evenkeel.payments WHERE status = 'COMPLETED') > 0, 'payments';
        ASSERT (SELECT sum(available + held + sold + shipped + returned + written_off - received)
          FROM evenkeel.availability) = 0, 'availability';
        ASSERT (SELECT count(*) FROM evenkeel.inventory_audit
          WHERE operation = 'hold') > 0, 'audit';
        ASSERT (SELECT count(*) FROM evenkeel.outbox WHERE status = 'SENT'
          AND sent_at IS NOT NULL) > 0, 'sent';
        ASSERT (SELECT count(*) FROM evenkeel.outbox WHERE status = 'PENDING') > 0, 'pending';
      END $$";
    sql::run(&url, sql).await;
    let mut head = store.head().await.expect("readable");
    head.ended = vec![Ended {
        incarnation: head.incarnation,
        last: 9,
    }];
    head.incarnation += 1;
    let options = PostgresOptions::new(&url);
    assert!(
        PostgresViews::open_read_only(&options, &head)
            .await
            .is_none()
    );
    let anew = PostgresViews::open(&options, &head)
        .await
        .expect("made anew");
    let standing = anew.standing().await.expect("readable");
    assert!(standing.iter().all(|one| one.checkpoint == 0));
    let none = anew.orders(&OrderFilter::default(), u64::MAX, 9).await;
    assert!(none.expect("readable").rows.is_empty());
    let anew: Arc<dyn Views> = Arc::new(anew);
    let (mut project, _) = self::project(&store, &anew);
    settle(&mut project).await;
    let sql = "DO $$ BEGIN
        ASSERT (SELECT count(*) FROM evenkeel.outbox) > 9, 'outbox';
        ASSERT (SELECT bool_and((split_part(split_part(id, ':', 2), '/', 1)::bigint <= 9)
          = (id LIKE 'main.1:%')) FROM evenkeel.outbox), 'ids of before';
        ASSERT (SELECT bool_and(id ~ '^main[.][12]:') FROM evenkeel.outbox), 'ids since';
      END $$";
    sql::run(&url, sql).await;
}

//! What a real server and a real wire do to a batch: sessions that end, commits that nobody
//! answers, servers that are killed.

use super::conformance::hand;
use super::proxy::{Cut, Proxy};
use super::servers::{self, Server};
use super::sql;
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::port::{Fault, Store, Touch};
use evenkeel_engine::store::postgres::{PostgresOptions, PostgresStore};

async fn open(url: &str) -> PostgresStore {
    let store = PostgresStore::open(&PostgresOptions::new(url), &SystemIds).await;
    store.expect("the database can be opened")
}

fn name(url: &str) -> &str {
    url.rsplit('/').next().expect("a URL ends with a database")
}

#[tokio::test]
async fn four_nodes_that_start_at_once_make_one_schema() {
    let url = sql::database().await;
    let (one, two, three, four) = tokio::join!(open(&url), open(&url), open(&url), open(&url));
    let head = one.head().await.expect("readable");
    for other in [two, three, four] {
        assert_eq!(other.head().await.expect("readable"), head);
    }
    let options = PostgresOptions::new(&url);
    let again = PostgresStore::migrate(&options, &SystemIds).await;
    assert_eq!(again, Ok(0), "nothing is left to do");
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_not_opened() {
    let url = sql::database().await;
    drop(open(&url).await);
    let newer = "UPDATE evenkeel.migrated SET version = 99";
    sql::run(&url, newer).await;
    let options = PostgresOptions::new(&url);
    for told in [
        PostgresStore::open(&options, &SystemIds).await.err(),
        PostgresStore::open_read_only(&options).await.err(),
    ] {
        let is_refused = matches!(told, Some(Fault::Unavailable(_)));
        assert!(is_refused, "{told:?}");
    }
}

#[tokio::test]
async fn a_node_that_is_paused_under_the_lock_stops_nobody_and_finds_itself_refused() {
    let url = sql::database().await;
    let (paused, other) = (open(&url).await, open(&url).await);
    let mut late = hand::batch(&paused).await;
    hand::take(&mut late, "late");
    let (locked, _) = paused.lock(&Touch::default()).await.expect("lockable");
    // The other waits for the lock, and has it when the server ends the paused session.
    let position = hand::taken(&other, "o-1", None).await;
    let told = locked.finish(&late).await;
    let is_refused = matches!(told, Err(Fault::Conflict | Fault::TimedOut));
    assert!(is_refused, "{told:?}");
    let batch = *late.head.batches.back().expect("it has an id");
    assert_eq!(paused.resolve(batch).await, Ok(false));
    assert_eq!(hand::taken(&paused, "o-2", None).await, position + 1);
}

#[tokio::test]
async fn an_unanswered_commit_is_resolved_on_a_new_connection() {
    let server = servers::shared();
    let url = sql::database_on(server).await;
    let proxy = Proxy::to(server.port()).await;
    let store = open(&proxy.url(name(&url))).await;
    for (cut, arrives) in [(Cut::Before, false), (Cut::Behind, true)] {
        let before = hand::taken(&store, &format!("before-{arrives}"), None).await;
        let mut writes = hand::batch(&store).await;
        hand::take(&mut writes, &format!("o-{arrives}"));
        proxy.next(cut);
        let told = hand::finish(&store, &writes).await;
        assert_eq!(told, Err(Fault::TimedOut), "{cut:?}: nobody knows");
        let batch = *writes.head.batches.back().expect("it has an id");
        assert_eq!(store.resolve(batch).await, Ok(arrives), "{cut:?}");
        let head = store.head().await.expect("readable");
        assert_eq!(head.position, before + u64::from(arrives), "{cut:?}");
        if !arrives {
            hand::finish(&store, &writes).await.expect("it fits now");
        }
    }
    let rows = store.log(1, 9).await.expect("readable").rows;
    assert_eq!(rows.len(), 4);
}

#[tokio::test]
async fn a_session_that_died_while_idle_is_replaced_without_a_word() {
    let server = servers::shared();
    let url = sql::database_on(server).await;
    let store = open(&url).await;
    for number in 1..4 {
        let position = hand::taken(&store, &format!("o-{number}"), None).await;
        assert_eq!(position, number);
        let kill = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = '{}' AND pid <> pg_backend_pid()",
            name(&url)
        );
        sql::run(&server.url("postgres"), &kill).await;
        assert_eq!(store.head().await.expect("readable").position, number);
    }
}

#[tokio::test]
async fn who_waits_too_long_for_the_lock_is_told_that_another_was_in_the_way() {
    let url = sql::database().await;
    let store = open(&url).await;
    let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.expect("the server answers");
    let driven = super::conformance::world::spawn(connection);
    let lock = "BEGIN; SELECT 1 FROM evenkeel.head FOR UPDATE";
    client.batch_execute(lock).await.expect("it is free");
    let told = store.lock(&Touch::default()).await.err();
    assert_eq!(told, Some(Fault::Conflict));
    drop(client);
    driven.await.expect("no panic").expect("it ends cleanly");
    hand::taken(&store, "o-1", None).await;
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_again_has_what_was_told_and_nothing_else() {
    let server = Server::start(&[]);
    let url = sql::database_on(&server).await;
    let store = open(&url).await;
    for number in 0..20 {
        hand::taken(&store, &format!("o-{number}"), None).await;
    }
    let head = store.head().await.expect("readable");
    let mut writes = hand::batch(&store).await;
    hand::take(&mut writes, "lost");
    let (locked, _) = store.lock(&Touch::default()).await.expect("lockable");
    server.kill();
    let told = locked.finish(&writes).await;
    // A server that says good-bye before it heard of COMMIT has not committed.
    let is_open = matches!(
        told,
        Err(Fault::TimedOut | Fault::Conflict | Fault::Unavailable(_))
    );
    assert!(is_open, "{told:?}");
    let batch = *writes.head.batches.back().expect("it has an id");
    let blind = store.resolve(batch).await;
    assert!(matches!(blind, Err(Fault::Unavailable(_))), "{blind:?}");
    let told = store.lock(&Touch::default()).await.err();
    assert!(matches!(told, Some(Fault::Unavailable(_))), "{told:?}");
    let told = store.head().await.err();
    assert!(matches!(told, Some(Fault::Unavailable(_))), "{told:?}");
    server.restart();
    assert_eq!(store.resolve(batch).await, Ok(false));
    assert_eq!(store.head().await.expect("readable"), head);
    hand::finish(&store, &writes).await.expect("it fits now");
    assert_eq!(store.log(1, 99).await.expect("readable").rows.len(), 21);
}

#[tokio::test]
async fn a_store_that_is_opened_again_knows_names_from_rows() {
    let url = sql::database().await;
    let store = open(&url).await;
    let last = hand::taken(&store, "o-1", None).await;
    let name = evenkeel_engine::commit::order_name(&hand::order("o-1"));
    let again = open(&url).await;
    assert!(again.may_know(&name));
    assert_eq!(again.known_to(), last);
    let other = evenkeel_engine::commit::order_name(&hand::order("o-2"));
    assert!(!again.may_know(&other));
}

#[tokio::test]
async fn a_full_range_of_names_is_kept_by_whoever_fills_it_or_hears_that_it_is_full() {
    let name = |id| evenkeel_engine::commit::order_name(&hand::order(id));
    for hears in [false, true] {
        let url = sql::database().await;
        let early = open(&url).await;
        hand::taken(&early, "o-1", None).await;
        // The next position is the last of the range; who was open before has not heard of it.
        sql::run(&url, "UPDATE evenkeel.head SET position = 32767").await;
        let late = open(&url).await;
        let writer = if hears { &early } else { &late };
        let last = hand::taken(writer, "o-2", None).await;
        assert_eq!(last, 32_768);
        assert_eq!(late.known_to(), if hears { last - 1 } else { last });
        late.hear_names(&late.head().await.expect("readable"))
            .await
            .expect("readable");
        let mut kept = None;
        for _ in 0..5_000 {
            kept = sql::ask(&url, "SELECT number FROM evenkeel.name_filter").await;
            if kept.is_some() {
                break;
            }
        }
        assert_eq!(kept.as_deref(), Some("0"), "hears: {hears}");
        // What is known now is known from the filter.
        sql::run(&url, "DELETE FROM evenkeel.name").await;
        let again = open(&url).await;
        assert_eq!(again.known_to(), last);
        let known = ["o-1", "o-2", "o-3"].map(|id| again.may_know(&name(id)));
        assert_eq!(known, [true, true, false]);
    }
}

#[tokio::test]
async fn a_read_that_nobody_attends_to_does_not_keep_others_from_their_connection() {
    const LONG: std::time::Duration = std::time::Duration::from_secs(20);
    let mut options = PostgresOptions::new(&sql::database().await);
    options.readers = 1;
    let store = PostgresStore::open(&options, &SystemIds).await;
    let store = store.expect("the database can be opened");
    let mut left = store.head();
    let begun = std::future::poll_fn(|context| {
        let told = left.as_mut().poll(context);
        std::task::Poll::Ready(told.is_pending())
    });
    assert!(begun.await, "an answer takes longer than nothing");
    let other = tokio::time::timeout(LONG, store.head()).await;
    assert!(other.is_ok_and(|told| told.is_ok()));
    left.await.expect("readable");
}

#[tokio::test]
async fn names_that_another_node_wrote_are_heard_of_with_the_head() {
    let url = sql::database().await;
    let (one, two) = (open(&url).await, open(&url).await);
    let shop = super::trading::engine(std::sync::Arc::new(one)).await;
    super::trading::stock(&shop).await;
    shop.stop().await;
    let head = two.head().await.expect("readable");
    assert!(two.known_to() < head.position);
    two.hear_names(&head).await.expect("readable");
    assert_eq!(two.known_to(), head.position);
}

#[tokio::test]
async fn a_name_that_another_node_wrote_seems_new_until_it_is_heard_of_and_cannot_be_written() {
    let url = sql::database().await;
    let (one, two) = (open(&url).await, open(&url).await);
    let name = evenkeel_engine::commit::order_name(&hand::order("o-1"));
    hand::taken(&one, "o-1", None).await;
    assert!(two.seems_new(&name) && !one.seems_new(&name));
    let mut writes = hand::batch(&two).await;
    hand::take(&mut writes, "o-1");
    let refused = hand::finish(&two, &writes).await;
    assert!(matches!(refused, Err(Fault::Corrupt(_))), "{refused:?}");
    let head = two.head().await.expect("readable");
    two.hear_names(&head).await.expect("readable");
    assert!(!two.seems_new(&name));
}

//! Two builds on one store, each in processes of its own: what a rolling upgrade is.
//!
//! The newer one is built with `next-format`: it knows one format more, in which an event on stock
//! shows its balances under another name, and each build fails on the other's name. They share a
//! database of PostgreSQL, as nodes do that are upgraded one by one; and a directory, through the
//! adapter, which is made for it: the product itself lets only one process have that at a time.

use super::builds::{Build, Node};
use super::ground::Ground;
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use evenkeel_rules::event::RELEASED;
use serde_json::{Value, json};

/// Each rehearsal, on each store.
macro_rules! rehearsals {
    ($($name:ident,)*) => {
        mod in_a_directory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Ground::directory()).await;
            })*
        }

        #[cfg(feature = "postgres")]
        mod in_postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Ground::database().await).await;
            })*
        }
    };
}

rehearsals! {
    two_builds_beside_each_other_read_what_the_other_one_wrote,
    the_format_is_not_raised_while_the_older_build_lives,
    once_it_is_raised_the_older_build_writes_nothing_and_nothing_is_lost,
    a_store_that_the_newer_build_made_is_not_written_by_the_older,
}

const NEXT: u32 = RELEASED + 1;
/// Longer than a node's lease lasts.
const LATER_MS: u64 = 3_000_000;
/// Why an older build does nothing more.
const TOO_NEW: &str = "format 2 is newer than this program";

/// Of each row that shows balances: its format, and what it calls them.
async fn told(ground: &Ground) -> Vec<(u64, &'static str)> {
    let rows = ground.to_read().await.log(1, 1_000).await;
    let rows = rows.expect("readable").rows;
    assert!(!rows.is_empty());
    let of = |text: &[u8]| {
        let row: Value = serde_json::from_slice(text).expect("JSON");
        let data = &row["events"][0]["data"];
        let names = ["stock", "balances"].into_iter();
        let name = names.filter(|name| data[name].is_array()).collect();
        let name: Vec<&str> = name;
        let format = row["format"].as_u64().expect("a format");
        assert!(name.len() < 2, "{row}");
        name.first().map(|name| (format, *name))
    };
    rows.iter().filter_map(|row| of(&row.text)).collect()
}

/// A node of each build, the older one with a few rows of its own.
fn both(place: &str) -> (Node, Node) {
    let mut older = Node::start(Build::Older, place, "older", 0);
    assert_eq!(older.began["knows"], json!(RELEASED));
    older.does("put lamp");
    older.does("receive k-1 lamp 10");
    older.does("hold h-1 lamp 2");
    let newer = Node::start(Build::Newer, place, "newer", 0);
    let began = json!({"knows": NEXT, "format": RELEASED, "position": 3});
    assert_eq!(newer.began, began);
    (older, newer)
}

/// Asks both nodes for the same under one key: what one does is the other's answer.
fn once(first: &mut Node, second: &mut Node, line: &str) {
    let mut done = first.does(line);
    assert_eq!(done["replayed"], json!(false), "{line}");
    done["replayed"] = json!(true);
    assert_eq!(second.does(line), done);
}

async fn two_builds_beside_each_other_read_what_the_other_one_wrote(ground: &Ground) {
    let (mut older, mut newer) = both(ground.place());
    let again = newer.does("receive k-1 lamp 10");
    assert_eq!(
        again,
        json!({"position": 2, "replayed": true, "left": again["left"]})
    );
    assert!(
        again["left"]
            .as_str()
            .is_some_and(|left| left.contains("10"))
    );
    once(&mut newer, &mut older, "receive k-2 lamp 5");
    once(&mut older, &mut newer, "receive k-3 lamp 1");
    newer.does("confirm h-1");
    newer.does("hold h-2 lamp 3");
    older.does("confirm h-2");
    let seen = older.does("verify");
    assert_eq!(
        (&seen["ok"], &seen["position"]),
        (&json!(true), &json!(8)),
        "{seen}"
    );
    assert_eq!(newer.does("verify"), seen);
    assert_eq!(told(ground).await, [(1, "stock"); 3]);

    // The build before it can be started again, alone, and the newer one after it.
    assert!(newer.stop().success());
    older.kill();
    let mut older = Node::start(Build::Older, ground.place(), "older", 0);
    assert_eq!(older.does("verify"), seen);
    older.does("receive k-4 lamp 1");
    older.kill();
    let mut newer = Node::start(Build::Newer, ground.place(), "newer", 0);
    newer.does("receive k-5 lamp 1");
    let seen = newer.does("verify");
    assert_eq!(
        (&seen["ok"], &seen["position"]),
        (&json!(true), &json!(10)),
        "{seen}"
    );
    assert_eq!(told(ground).await, [(1, "stock"); 5]);
}

async fn the_format_is_not_raised_while_the_older_build_lives(ground: &Ground) {
    let (mut older, mut newer) = both(ground.place());
    assert!(newer.refuses("raise").contains("lease"));
    older.does("receive k-2 lamp 1");
    // Nobody knows that it is dead before its lease has ended.
    older.kill();
    assert!(newer.refuses("raise").contains("lease"));
    newer.does("receive k-3 lamp 1");
    drop(newer);
    let mut newer = Node::start(Build::Newer, ground.place(), "newer", LATER_MS);
    assert_eq!(newer.does("raise"), json!({"format": NEXT}));
    newer.does("receive k-4 lamp 1");
    let told = told(ground).await;
    let first = [(1, "stock"); 3];
    assert_eq!(told, [&first[..], &[(2, "balances")]].concat());
}

async fn once_it_is_raised_the_older_build_writes_nothing_and_nothing_is_lost(ground: &Ground) {
    let (mut older, newer) = both(ground.place());
    drop(newer);
    // The older one is alive and was silent for so long that it lost its lease.
    let mut newer = Node::start(Build::Newer, ground.place(), "newer", LATER_MS);
    older.does("receive k-2 lamp 1");
    assert_eq!(newer.does("raise"), json!({"format": NEXT}));
    newer.does("receive k-3 lamp 1");
    for line in [
        "receive k-4 lamp 1",
        "receive k-3 lamp 1",
        "confirm h-1",
        "verify",
    ] {
        let why = older.refuses(line);
        assert!(why.contains(TOO_NEW), "{line}: {why}");
    }
    assert_eq!(newer.does("head")["position"], json!(5));
    assert!(older.stop().success());
    let older = Node::start(Build::Older, ground.place(), "older", 0);
    assert!(
        older.began["error"]
            .as_str()
            .is_some_and(|why| why.contains(TOO_NEW))
    );
    assert_eq!(older.stop().code(), Some(1));

    // What the older one wrote is there, and what it refused was not done.
    for (line, replayed) in [
        ("receive k-1 lamp 10", true),
        ("receive k-2 lamp 1", true),
        ("receive k-4 lamp 1", false),
    ] {
        assert_eq!(newer.does(line)["replayed"], json!(replayed), "{line}");
    }
    newer.does("confirm h-1");
    let seen = newer.does("verify");
    assert_eq!(
        (&seen["ok"], &seen["position"]),
        (&json!(true), &json!(7)),
        "{seen}"
    );
    let rows = [(1, "stock"), (1, "stock"), (2, "balances"), (2, "balances")];
    assert_eq!(told(ground).await, rows);
}

async fn a_store_that_the_newer_build_made_is_not_written_by_the_older(ground: &Ground) {
    let mut newer = Node::start(Build::Newer, ground.place(), "newer", 0);
    newer.does("put lamp");
    newer.does("receive k-1 lamp 10");
    assert!(newer.stop().success());
    let older = Node::start(Build::Older, ground.place(), "older", 0);
    let why = older.began["error"].as_str();
    assert!(why.is_some_and(|why| why.contains(TOO_NEW)), "{why:?}");
    assert_eq!(older.stop().code(), Some(1));
    // Nor by whoever embeds the older one, whose files are not even opened; nothing was done to it.
    match ground {
        Ground::Directory(dir) => {
            let store = SqliteStore::open(dir.path(), &SystemIds, NamesOptions::default());
            let why = store.err().expect("it is refused").to_string();
            assert!(why.contains(TOO_NEW), "{why}");
        }
        #[cfg(feature = "postgres")]
        Ground::Database(_) => {}
    }
    assert_eq!(told(ground).await, [(2, "balances")]);
}

//! Reads from a copy that is behind: only what says that this will do is answered by it.

use super::harness::{Ask, LAMP, Server};
use super::projections::{keep_views, position, read};
use crate::http::{Door, Replica};
use evenkeel_engine::clock::SystemClock;
use evenkeel_engine::port::{Projection, Store, Views};
use evenkeel_engine::project::{Inline, Project, Projector};
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::sqlite::views::SqliteViews;
use evenkeel_engine::worker::Work as _;
use evenkeel_rules::token::Role;
use std::sync::Arc;

/// A server beside a copy that stands where the store stood before the last SKU was listed; where
/// that is.
async fn beside_a_copy() -> (Server, u64) {
    let store = MemoryStore::new("main", [7; 16]);
    {
        let first = Server::over((None, store.clone(), None), (Door::Main, false), &["main"]).await;
        first.stock("desk", 3).await;
        first.engine.stop().await;
    }
    let at = store.tables().head.position;
    let copy = MemoryStore::from_tables(store.tables());
    let views = folded(&copy).await;
    let replica = Arc::new(Replica::new(Arc::new(copy), views));
    let server = Server::over((None, store, Some(replica)), (Door::Main, false), &["main"]).await;
    server.stock("lamp", 5).await;
    keep_views(&server).await;
    (server, at)
}

/// The read models of a store, as far as it goes.
async fn folded(store: &MemoryStore) -> Arc<dyn Views> {
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let head = store.head().await.expect("a store in memory");
    let views: Arc<dyn Views> = Arc::new(SqliteViews::in_memory(&head).expect("views in memory"));
    let projector = Projector::new(Arc::clone(&views), Arc::new(SystemClock::new()));
    let mut project = Project::new(store, Arc::clone(&projector), Inline::Yes);
    while Projection::ALL
        .iter()
        .any(|of| projector.checkpoint(*of) < head.position)
    {
        project.run_once().await.expect("nothing is damaged");
    }
    views
}

#[tokio::test]
async fn a_read_that_names_what_the_copy_has_is_answered_by_it() {
    let (server, at) = beside_a_copy().await;
    let head = server.head().await;
    assert!(head > at);
    let had = server.engine.position(at).to_string();
    let newest = server.engine.position(head).to_string();
    for path in ["/v1/skus/desk", "/v1/skus", "/v1/audit?sku=desk"] {
        let old = read(&server, path, &[("evenkeel-position", &had)]).await;
        assert_eq!(
            (old.status, position(&old)),
            (200, at),
            "{path}: by the copy"
        );
        let any = read(&server, path, &[("evenkeel-consistency", "eventual")]).await;
        assert_eq!(
            (any.status, position(&any)),
            (200, at),
            "{path}: any will do"
        );
        let new = read(&server, path, &[("evenkeel-position", &newest)]).await;
        assert_eq!(
            (new.status, position(&new)),
            (200, head),
            "{path}: the copy is behind"
        );
        let both = format!("{had}, {newest}");
        let both = read(&server, path, &[("evenkeel-position", &both)]).await;
        assert_eq!(position(&both), head, "{path}: the highest of them counts");
    }
}

#[tokio::test]
async fn a_read_that_names_nothing_or_wants_the_newest_is_the_primarys() {
    let (server, at) = beside_a_copy().await;
    let had = server.engine.position(at).to_string();
    let immediate = [
        ("evenkeel-position", &*had),
        ("evenkeel-consistency", "immediate"),
    ];
    for path in ["/v1/skus/lamp", "/v1/skus"] {
        for headers in [
            &[][..],
            &immediate[..],
            &[("evenkeel-consistency", "session")],
        ] {
            let shown = read(&server, path, headers).await;
            assert_eq!(shown.status, 200, "{path} {headers:?}: {shown:?}");
            assert!(position(&shown) > at, "{path} {headers:?}");
        }
    }
    // What the copy lacks it says at its own position, which is what was asked for.
    let gone = read(&server, "/v1/skus/lamp", &[("evenkeel-position", &had)]).await;
    assert_eq!(gone.status, 404);
    // A write is the primary's, however old the position is that comes with it.
    let put = Ask::new("PUT", "/v1/skus/lamp")
        .role(Role::Staff)
        .header("evenkeel-position", &had)
        .body(LAMP);
    assert_eq!(server.send(&put).await.status, 200);
}

#[tokio::test]
async fn a_position_of_another_log_is_unknown_whoever_answers() {
    let (server, _) = beside_a_copy().await;
    let other = read(
        &server,
        "/v1/skus/desk",
        &[("evenkeel-position", "other.1:3")],
    )
    .await;
    assert_eq!(other.status, 409, "{other:?}");
}

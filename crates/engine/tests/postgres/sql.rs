//! What a test tells a server by itself.

use super::servers::{Server, shared};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_postgres::SimpleQueryMessage;

/// Runs statements at a URL.
pub(crate) async fn run(url: &str, statements: &str) {
    ask(url, statements).await;
}

/// The first value of the first row that statements at a URL give, as a text.
#[expect(
    clippy::disallowed_methods,
    reason = "a test drives its own connection"
)]
pub(crate) async fn ask(url: &str, statements: &str) -> Option<String> {
    let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.expect("the server answers");
    let connection = tokio::spawn(connection);
    let told = client.simple_query(statements).await.expect(statements);
    drop(client);
    let ended = connection.await.expect("no panic");
    ended.expect("the connection ends cleanly");
    told.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

/// Makes an empty database on a server; its URL.
pub(crate) async fn database_on(server: &Server) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("evenkeel_{number}");
    let make = format!("CREATE DATABASE {name}");
    run(&server.url("postgres"), &make).await;
    server.url(&name)
}

/// Makes an empty database on the server that all tests share; its URL.
pub(crate) async fn database() -> String {
    database_on(shared()).await
}

/// Copies a database of the shared server as it stands, which must not be written meanwhile; the
/// copy's URL.
pub(crate) async fn copy_of(url: &str) -> String {
    let (_, from) = url.rsplit_once('/').expect("a URL names a database");
    let name = format!("{from}_copy");
    let server = shared().url("postgres");
    // Whoever is still connected hinders it.
    let end = format!(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{from}'"
    );
    run(&server, &end).await;
    run(&server, &format!("CREATE DATABASE {name} TEMPLATE {from}")).await;
    shared().url(&name)
}

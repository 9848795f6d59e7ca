//! Where two builds have their one store: in a directory, or in a database of a real server.

use evenkeel_engine::port::Store;
use evenkeel_engine::store::sqlite::SqliteStore;
use evenkeel_engine::store::sqlite::names::NamesOptions;
use std::sync::Arc;
use tempfile::TempDir;

/// The place of a store.
pub(crate) enum Ground {
    /// A directory of its own.
    Directory(TempDir),
    /// The URL of a database of its own.
    #[cfg(feature = "postgres")]
    Database(String),
}

impl Ground {
    /// An empty directory.
    pub(crate) fn directory() -> Self {
        Self::Directory(tempfile::tempdir().expect("a directory"))
    }

    /// An empty database.
    #[cfg(feature = "postgres")]
    pub(crate) async fn database() -> Self {
        Self::Database(super::sql::database().await)
    }

    /// Its name, as a node is given it.
    pub(crate) fn place(&self) -> &str {
        match self {
            Self::Directory(dir) => dir.path().to_str().expect("a path of letters"),
            #[cfg(feature = "postgres")]
            Self::Database(url) => url,
        }
    }

    /// The store, to be read by whoever knows no format.
    pub(crate) async fn to_read(&self) -> Arc<dyn Store> {
        match self {
            Self::Directory(dir) => {
                let store = SqliteStore::open_read_only(dir.path(), NamesOptions::default());
                Arc::new(store.expect("it opens"))
            }
            #[cfg(feature = "postgres")]
            Self::Database(url) => {
                use evenkeel_engine::clock::SystemIds;
                use evenkeel_engine::store::postgres::{PostgresOptions, PostgresStore};
                let store = PostgresStore::open(&PostgresOptions::new(url), &SystemIds).await;
                Arc::new(store.expect("it opens"))
            }
        }
    }
}

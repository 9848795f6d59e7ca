//! Where the ledger is kept: a directory with SQLite, or a database server.
//!
//! A URL may hold a password, so it has no `Debug` of its own and is shown without one.

use std::path::{Path, PathBuf};

use super::Config;
use super::keys::without_secrets;

/// The database server that keeps the ledger; none: SQLite in the data directory.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Database {
    /// Its URL, where one was written.
    pub(crate) url: Option<String>,
    /// The password, where a file has it.
    pub(crate) password: Option<String>,
    /// The certificates that are trusted, where those of the public web are not enough.
    pub(crate) ca: Option<PathBuf>,
    /// The URL of a copy that answers reads, where there is one.
    pub(crate) replica: Option<String>,
    /// Most connections of this node for reads.
    pub(crate) connections: u64,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            password: None,
            ca: None,
            replica: None,
            connections: 8,
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Database")
            .field("url", &self.shown())
            .field("replica", &self.replica_shown())
            .field("password", &self.password.as_ref().map(|_| "hidden"))
            .field("ca", &self.ca)
            .field("connections", &self.connections)
            .finish()
    }
}

impl Database {
    /// The URL without what is before the host: a password may stand there, and after a `?` too.
    pub(crate) fn shown(&self) -> Option<String> {
        place_of(self.url.as_ref()?)
    }

    /// The same of the replica's.
    pub(crate) fn replica_shown(&self) -> Option<String> {
        place_of(self.replica.as_ref()?)
    }
}

fn place_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split('?').next().unwrap_or_default();
    Some(format!("{scheme}://{place}"))
}

/// Takes in `store.url`. Whoever names a directory means SQLite; the flag `--data` only says where
/// a node's own files are, whatever keeps the ledger.
pub(super) fn set(config: &mut Config, text: &str) -> Result<(), String> {
    let shown = without_secrets(text);
    match text.split_once("://") {
        Some(("sqlite", directory)) if !directory.is_empty() => {
            config.data = PathBuf::from(directory);
            config.database.url = None;
            Ok(())
        }
        Some(("postgres" | "postgresql", _)) => {
            readable(text)?;
            config.database.url = Some(text.to_owned());
            Ok(())
        }
        Some(("mysql" | "mariadb", _)) => Err(format!(
            "is {shown}: this build has no such store; those it has are \"sqlite://DIR\" and, \
             with the feature postgres, \"postgres://USER@HOST/DATABASE\""
        )),
        Some(_) | None => Err(format!(
            "is {shown} and must be \"sqlite://DIR\" or \"postgres://USER@HOST/DATABASE\""
        )),
    }
}

/// Takes in `store.replica_url`.
pub(super) fn set_replica(config: &mut Config, text: &str) -> Result<(), String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if !matches!(scheme, Some("postgres" | "postgresql")) {
        let shown = without_secrets(text);
        return Err(format!(
            "is {shown} and must be \"postgres://USER@HOST/DATABASE\": only a database server \
             has replicas"
        ));
    }
    readable(text)?;
    config.database.replica = Some(text.to_owned());
    Ok(())
}

#[cfg(feature = "postgres")]
fn readable(text: &str) -> Result<(), String> {
    let options = evenkeel_engine::store::postgres::PostgresOptions::new(text);
    let told = options.readable();
    told.map_err(|why| format!("is {}, which cannot be read: {why}", without_secrets(text)))
}

#[cfg(not(feature = "postgres"))]
fn readable(text: &str) -> Result<(), String> {
    Err(format!(
        "is {}: this build has no such store; the one it has is \"sqlite://DIR\" (build with \
         --features postgres)",
        without_secrets(text)
    ))
}

/// Reads the password from its file: the first line.
pub(super) fn password_in(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(Path::new(path))
        .map_err(|error| format!("is {path:?}, which cannot be read: {error}"))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(format!("is {path:?}, whose first line is empty"));
    }
    Ok(line.to_owned())
}

//! Names for other threads than the writer: a quick *certainly new*, and exact reads.
//!
//! Neither waits for the writer, nor makes it wait for longer than one question takes. A reader has
//! a view and a snapshot of the database that fit together: the view is taken first, so that the
//! snapshot has all runs of the view or those that they were merged into, and the names of maps
//! that became runs since are still in the view's maps.

use super::view::{Shared, View};
use super::{Entry, Mark, Name, sql};
use rusqlite::{Connection, Transaction};
use std::sync::Arc;

/// The names as other threads see them. Cheap to clone.
#[derive(Clone)]
pub struct NameFilter {
    pub(super) shared: Arc<Shared>,
}

impl NameFilter {
    /// False when the name was certainly not inserted before the question; takes half a
    /// microsecond.
    ///
    /// True of every name that was, and of 0.4 % of the others for each run that there is.
    #[must_use]
    pub fn may_know(&self, name: &Name) -> bool {
        self.shared.ask(|view| view.may_know(name))
    }

    /// The mark up to which `may_know` has heard of every name when it is asked from now on.
    #[must_use]
    pub fn known(&self) -> Mark {
        self.shared.known()
    }

    /// Begins a read transaction on a connection that is in none, and answers exactly within it.
    ///
    /// # Errors
    /// `DatabaseCorrupt` when a run that the writer has not heard of is not as it was written; else
    /// as the database says.
    pub fn read<'a>(&self, conn: &'a Connection) -> rusqlite::Result<NameReader<'a>> {
        assert!(
            conn.is_autocommit(),
            "the view is taken before the database's snapshot"
        );
        let known = self.known();
        let mut view = self.shared.ask(Arc::clone);
        let tx = conn.unchecked_transaction()?;
        let state = sql::state(&tx)?;
        if state.version != view.version {
            // A run was completed a moment ago, or by an adapter elsewhere.
            let runs = sql::load_runs(&tx, &view.runs)?;
            view = Arc::new(View {
                runs,
                version: state.version,
                ..View::clone(&view)
            });
        }
        Ok(NameReader { tx, view, known })
    }
}

/// A read transaction with the names that belong to it.
pub struct NameReader<'a> {
    tx: Transaction<'a>,
    view: Arc<View>,
    known: Mark,
}

impl NameReader<'_> {
    /// The transaction, for what else is to be read from the same snapshot.
    #[must_use]
    pub fn tx(&self) -> &Connection {
        &self.tx
    }

    /// The mark up to which `get` finds every name. Rows after it that the snapshot has are for the
    /// caller to look through: those that the writer committed a moment ago, or that another
    /// adapter wrote.
    #[must_use]
    pub fn known(&self) -> Mark {
        self.known
    }

    /// The entry of a name; it can be of a row that is newer than the snapshot.
    ///
    /// # Errors
    /// `DatabaseCorrupt` when a block is not as it was written; else as the database says.
    pub fn get(&self, name: &Name) -> rusqlite::Result<Option<Entry>> {
        self.view.get(&self.tx, name)
    }
}
